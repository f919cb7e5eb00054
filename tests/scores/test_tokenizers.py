"""Tokenizers of drums, trios and performances: closed forms, and the way there and back."""

import numpy as np
import pytest

from cvae_jax import scores
from cvae_jax.data import forms
from cvae_jax.scores import drum_sounds
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import grid
from cvae_jax.scores import melody
from cvae_jax.scores import performance
from cvae_jax.scores import piece as piece_lib
from cvae_jax.scores import trio

TOKENIZERS = {
  "melody": melody.Melody(48, 84),
  "triplets": melody.Melody(0, 127, 1 / 12),
  "drums": drum_tokens.Drums(),
  "trio": trio.Trio(),
  "performance": performance.Performance(),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_any_tokens_have_notes_and_those_survive_tokens_and_midi(name, tmp_path):
  tokenizer = TOKENIZERS[name]
  rng = np.random.default_rng(0)
  for i in range(60):
    tokens = rng.integers(0, tokenizer.size, 96)
    notes = tokenizer.decode(tokens)
    again = tokenizer.encode(notes)
    assert again.dtype == np.int32 and again.max(initial=0) < tokenizer.size
    # Decoding and encoding again changes nothing: such tokens represent their notes.
    assert tokenizer.encode(tokenizer.decode(again)).tolist() == again.tolist()
    if i < 20 and len(again):
      form = forms.Score(len(again), tokenizer)
      form.write(str(tmp_path / "x.mid"), again)
      assert form.read(str(tmp_path / "x.mid"))[0].tolist() == again.tolist()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_padding_represents_no_event(name):
  tokenizer = TOKENIZERS[name]
  notes = [scores.Note(0.0, 0.5, 60), scores.Note(0.5, 1.0, 36, is_drum=True)]
  tokens = tokenizer.encode(notes)
  padded = np.pad(tokens, (0, 3 * 7))
  assert tokenizer.decode(padded) == tokenizer.decode(tokens)
  assert tokenizer.decode(np.zeros(30, int)) == [] and tokenizer.encode([]).size == 0


def test_a_drum_token_has_a_bit_for_each_class():
  strokes = [(0.0, 36), (0.0, 42), (0.25, 40), (0.25, 35), (0.5, 26), (1.0, 90)]
  notes = [scores.Note(start, start + 0.1, key, is_drum=True) for start, key in strokes]
  tokens = drum_tokens.Drums().encode([*notes, scores.Note(0.0, 1.0, 36)])
  assert tokens.tolist() == [0b101, 0, 0b11, 0, 0b1000]
  roll = drum_tokens.to_roll(np.arange(512))
  assert roll.shape == (512, 9) and roll.sum() == 9 * 256
  np.testing.assert_array_equal(drum_tokens.from_roll(roll), np.arange(512))
  keys = [key for keys in drum_tokens.CLASSES.values() for key in keys]
  assert len(keys) == len(set(keys)) and set(range(35, 82)) <= set(keys)


def test_a_trio_has_three_tokens_a_step():
  tokenizer = trio.Trio()
  notes = [
    scores.Note(0.0, 0.25, 72), scores.Note(0.0, 0.125, 40, program=33),
    scores.Note(0.125, 0.25, 38, is_drum=True),
  ]  # fmt: skip
  tokens = tokenizer.encode(notes)
  assert tokenizer.sizes == (90, 90, 512) and tokenizer.size == 692
  assert tokens.tolist() == [2 + 51, 90 + 2 + 19, 180, 0, 90 + 1, 182, 1, 90, 180]
  voices = tokenizer.split(tokens)
  assert voices.tolist() == [[53, 21, 0], [0, 1, 2], [1, 0, 0]]
  np.testing.assert_array_equal(tokenizer.join(voices), tokens)
  assert forms.Score(12, tokenizer).pad(tokens).tolist() == [*tokens.tolist(), 0, 90, 180]
  batch = np.stack([voices, voices[::-1]])
  np.testing.assert_array_equal(tokenizer.split(tokenizer.join(batch)), batch)
  assert [n.program for n in tokenizer.decode(tokens)] == [33, 0, 0]


def test_a_performance_is_a_stream_of_events():
  notes = [scores.Note(0.0, 1.23, 60, 64), scores.Note(0.5, 0.6, 64, 100)]
  tokens = performance.Performance().encode(notes)
  on, shift, velocity = performance.NOTE_ON, performance.SHIFT - 1, performance.VELOCITY
  assert tokens.tolist() == [
    velocity + 16, on + 60, shift + 50, velocity + 25, on + 64, shift + 10, 64, shift + 63, 60
  ]  # fmt: skip
  found = performance.Performance().decode(tokens)
  assert [(n.pitch, n.velocity) for n in found] == [(60, 64), (64, 100)]
  assert [n.end_s for n in found] == pytest.approx([1.23, 0.6])
  # Two seconds and a half are three shifts; a pitch that is struck again ends.
  later = [scores.Note(2.5, 4.0, 60), scores.Note(3.0, 3.5, 60)]
  tokens = performance.Performance().encode(later).tolist()
  assert tokens[:3] == [shift + 100, shift + 100, shift + 50]
  found = performance.Performance().decode(tokens)
  assert [x for n in found for x in n[:2]] == pytest.approx([2.5, 3.0, 3.0, 3.5])


@pytest.mark.parametrize("name", ["melody", "trio", "performance"])
def test_transposition_moves_every_pitch_but_drums_and_stays_in_range(name):
  tokenizer = TOKENIZERS[name]
  notes = [
    scores.Note(0.0, 0.25, 60), scores.Note(0.25, 0.5, 82),
    scores.Note(0.0, 0.125, 38, is_drum=True),
  ]  # fmt: skip
  tokens = tokenizer.encode(notes)
  low, high = tokenizer.shifts(tokens, 5)
  assert (low, high) == (-5, 2 if name == "melody" else 5)
  moved = tokenizer.transpose(tokens, high)
  pitches = lambda x: [n.pitch + (0 if n.is_drum else high) for n in tokenizer.decode(x)]
  assert [n.pitch for n in tokenizer.decode(moved)] == pitches(tokens)
  np.testing.assert_array_equal(tokenizer.transpose(moved, -high), tokens)
  assert tokenizer.shifts(0 * tokens, 5) == (0, 0)
  if name == "melody":
    with pytest.raises(ValueError, match="leaves the range"):
      tokenizer.transpose(tokens, 3)


def test_a_trio_lasts_while_its_voices_do():
  q = piece_lib.TICKS
  rows = [(i * q, (i + 1) * q, 60 + i, 100, 0, False, 0) for i in range(24)]
  rows += [(i * q, (i + 1) * q, 36, 100, 33, False, 1) for i in range(4, 16)]
  rows += [(i * q, i * q + 60, 36, 100, 0, True, 2) for i in range(8, 24)]
  piece = piece_lib.make_piece(rows)
  (section,) = piece_lib.sections(piece)
  ((begin, tokens),) = grid.trios(grid.quantise(piece, section, 4), trio.Trio())
  voices = trio.Trio().split(tokens)
  assert begin == 32 and voices.shape == (32, 3)
  assert np.flatnonzero(voices[:, 2]).tolist() == list(range(0, 32, 4))
  assert voices[0].tolist() == [2 + 68 - 21, 2 + 36 - 21, 1]


def test_a_window_within_a_note_starts_with_no_event():
  tokens = np.asarray([[0, melody.OFF, 0, 40, melody.OFF], [melody.OFF, 0, 0, 0, melody.OFF]])
  assert grid.clean(tokens).tolist() == [[0, 0, 0, 40, 1], [0, 0, 0, 0, 0]]


def test_drums_are_heard_and_written_on_their_channel():
  notes = [scores.Note(0.1, 0.2, key, is_drum=True) for key in (36, 42)]
  audio = scores.play(notes)
  assert np.abs(audio[: round(0.1 * scores.SAMPLE_RATE)]).max() == 0 and np.abs(audio).max() > 0.1
  data = scores.to_midi([*notes, scores.Note(0.0, 1.0, 60)])
  assert data.count(b"\x99") == 1 and b"\x90\x3c" in data  # Note-ons of channels 10 and 1.
  spectrum = lambda key: np.abs(np.fft.rfft(drum_sounds.render(key, 16_000)))
  centre = lambda key: np.average(np.arange(4001) * 2.0, weights=spectrum(key) ** 2)
  assert centre(36) < 300 < 1000 < centre(38) < centre(42)
