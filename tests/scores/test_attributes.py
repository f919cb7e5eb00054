"""Attributes of scores: closed forms of windows made by hand, known tunes, synthetic ones."""

import functools
import time

import numpy as np
import pytest
import scipy.stats

from cvae_jax.core import config as config_lib
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.scores import abc_notation
from cvae_jax.scores import attributes
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import grid
from cvae_jax.scores import melody
from cvae_jax.scores import piece as piece_lib
from cvae_jax.scores import trio

MELODY = melody.Melody()


def window(notes, length=16):
  """Tokens of a window, of (step, pitch) or of (step, None) for a note-off."""
  tokens = np.zeros(length, np.int32)
  for step, pitch in notes:
    tokens[step] = melody.OFF if pitch is None else melody.FIRST + pitch - MELODY.min_pitch
  return tokens


def scale(pitches, every=2, length=16):
  return window([(every * i, p) for i, p in enumerate(pitches)], length)


C_MAJOR, A_MINOR = [60, 62, 64, 65, 67, 69, 71, 72], [69, 71, 72, 74, 76, 77, 80, 81]


def test_notes_last_to_the_next_event_or_to_the_end_of_their_own_window():
  tokens = np.stack(
    [window([(0, 60), (3, 62), (5, None), (8, 64)]), window([]), window([(4, 21), (15, 108)])]
  )
  notes = attributes.find_notes(tokens, MELODY)
  assert notes.window.tolist() == [0, 0, 0, 2, 2] and notes.start.tolist() == [0, 3, 8, 4, 15]
  assert notes.duration.tolist() == [3, 2, 8, 11, 1]
  assert notes.pitch.tolist() == [60, 62, 64, 21, 108]
  decoded = [n for row in tokens for n in MELODY.decode(row)]
  assert [round((n.end_s - n.start_s) / 0.125) for n in decoded] == notes.duration.tolist()
  by_class = notes.histogram(notes.pitch % 12, 12, notes.duration)
  assert by_class.shape == (3, 12) and by_class[0, [0, 2, 4]].tolist() == [3, 2, 8]
  assert by_class.sum(axis=1).tolist() == [13, 0, 12]


def test_density_counts_onsets_in_sixteen_steps_whatever_the_length():
  line = attributes.onsets(np.stack([scale(C_MAJOR), window([(0, 60), (4, None)])]), MELODY)
  assert attributes.density(line).tolist() == [8.0, 1.0]
  assert attributes.density(np.tile(line, (1, 3))).tolist() == [8.0, 1.0]
  assert attributes.density(line[:, :12]).tolist() == [8.0, 16 / 12]


def test_syncopation_is_an_onset_off_the_beat_with_none_before_it():
  steps = ([0, 4, 8, 12], [0, 1, 2, 3], [3, 7], [2, 6, 8, 11], [1, 2], [0, 2], [14], [])
  tokens = np.stack([window([(s, 60) for s in row]) for row in steps])
  line = attributes.onsets(tokens, MELODY)
  sixteenth, eighth = (attributes.syncopation(line, value) for value in (1, 2))
  # Of [1, 2] the sixteenth is, and the eighth is not, since there is one right before it.
  np.testing.assert_array_equal(sixteenth, [0, 0, 1, 1 / 4, 1 / 2, 0, 0, np.nan])
  np.testing.assert_array_equal(eighth, [0, 0, 0, 2 / 4, 0, 0, 1, np.nan])
  np.testing.assert_array_equal(
    attributes.off_beat(line), [0, 1 / 2, 1, 1 / 4, 1 / 2, 0, 0, np.nan]
  )
  # On a grid of 24 steps an eighth has three.
  fine = attributes.onsets(window([(3, 60), (9, 60), (13, 60)], 24)[None], MELODY)
  assert attributes.syncopation(fine, 3).tolist() == [2 / 3]


def test_repetition_of_beats_and_bars():
  bar, other = scale(C_MAJOR), scale(A_MINOR)
  half = np.concatenate([bar[:8], other[8:]])
  empty = window([])
  rows = [[bar, bar], [bar, half], [bar, other], [empty, empty], [bar, empty], [empty, bar]]
  line = attributes.onsets(np.stack([np.concatenate(row) for row in rows]), MELODY)
  beats = attributes.repeated_beats(line, 16, 4)
  np.testing.assert_array_equal(beats, [1, 0.5, 0, np.nan, 0, 0])
  np.testing.assert_array_equal(attributes.repeated_bars(line, 16), [1, 0, 0, np.nan, np.nan, 0])
  # Where a note ends does not matter, and a bar may come again from any earlier one.
  cut = bar.copy()
  cut[15] = melody.OFF
  line = attributes.onsets(np.concatenate([bar, other, other, cut])[None], MELODY)
  assert attributes.repeated_bars(line, 16).tolist() == [2 / 3]
  assert attributes.repeated_beats(line, 16, 4).tolist() == [1 / 3]


def test_intervals_and_range_of_notes():
  tokens = np.stack([scale([60, 64, 62, 74]), scale([60]), window([])])
  notes = attributes.find_notes(tokens, MELODY)
  np.testing.assert_array_equal(attributes.interval(notes), [6.0, np.nan, np.nan])
  np.testing.assert_array_equal(attributes.pitch_range(notes), [14, 0, np.nan])


def test_scales_and_keys_at_any_transposition():
  tokens = np.stack([scale(C_MAJOR), scale(A_MINOR), scale(range(60, 68)), window([])])
  notes = attributes.find_notes(tokens, MELODY)
  np.testing.assert_array_equal(attributes.c_diatonic(notes), [1, 7 / 8, 5 / 8, np.nan])
  np.testing.assert_array_equal(attributes.diatonic(notes), [1, 7 / 8, 5 / 8, np.nan])
  for shift in range(12):
    moved = attributes.find_notes(MELODY.transpose(tokens[:2], shift), MELODY)
    assert attributes.key(moved).tolist() == [shift, 12 + (9 + shift) % 12]
    assert attributes.mode(moved).tolist() == [0, 1]
    np.testing.assert_array_equal(attributes.diatonic(moved), [1, 7 / 8])
    assert (attributes.c_diatonic(moved)[0] == 1.0) == (shift == 0)
  # All correlations are undefined where all pitch classes last as long as the others.
  even = attributes.find_notes(scale(range(60, 72), 1, 12)[None], MELODY)
  assert attributes.key(even).tolist() == [0]


# Of Krumhansl & Kessler 1982, from the tonic.
MAJOR = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
MINOR = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]


def test_the_key_is_that_of_the_largest_correlation():
  rng = np.random.default_rng(0)
  tokens = np.where(rng.random((400, 32)) < 0.4, rng.integers(2, 90, (400, 32)), 0)
  notes = attributes.find_notes(tokens, MELODY)
  profiles = [np.roll(profile, k) for profile in (MAJOR, MINOR) for k in range(12)]
  for row, durations in enumerate(notes.histogram(notes.pitch % 12, 12, notes.duration)):
    correlations = [np.corrcoef(durations, profile)[0, 1] for profile in profiles]
    assert attributes.key(notes)[row] == np.argmax(correlations)


# The first bars of tunes that nobody owns.
TUNES = {
  "ode to joy, D": ("M:4/4\nL:1/4\nK:D\nFFGA|AGFE|DDEF|F>E E2|FFGA|AGFE|DDEF|E>D D2|", 2),
  "frère jacques, F": ("M:4/4\nL:1/4\nK:F\nFGAF|FGAF|ABc2|ABc2|", 5),
  "god rest ye merry, E minor": (
    "M:4/4\nL:1/4\nK:Em\nEEBB|AGFE|DEFG|A2B2|EEBB|AGFE|DEFG|A2B2|BcAB|cdeB|AGEF|G2AG|ABc2|BAGF|E4|",
    12 + 4,
  ),
  "korobeiniki, A minor": ("M:4/4\nL:1/8\nK:Am\ne2Bcd2cB|A2Ace2dc|B3cd2e2|c2A2A4|", 12 + 9),
}


@pytest.mark.parametrize("name", TUNES)
def test_known_tunes_have_their_key(name):
  text, expected = TUNES[name]
  piece = abc_notation.parse("1", text).piece
  section = next(iter(piece_lib.sections(piece)))
  ((_, tokens),) = grid.melodies(grid.quantise(piece, section, 4), MELODY)
  notes = attributes.find_notes(tokens[None], MELODY)
  assert attributes.key(notes).tolist() == [expected]
  assert attributes.diatonic(notes)[0] == 1.0


def test_a_trio_is_measured_by_its_melody_and_drums_by_their_strokes():
  tokenizer = trio.Trio()
  voices = np.zeros((1, 16, 3), np.int32)
  voices[0, :, 0] = scale(C_MAJOR)
  voices[0, ::4, 1], voices[0, ::2, 2] = 20, 5
  tokens = tokenizer.join(voices)
  notes = attributes.find_notes(tokens, tokenizer)
  assert notes.pitch.tolist() == C_MAJOR and notes.num_steps == 16
  line = attributes.onsets(tokens, tokenizer)
  np.testing.assert_array_equal(line[0], scale(C_MAJOR))
  drums = np.zeros((1, 16), np.int32)
  drums[0, [0, 4, 7]] = 1, 2 + 4, 4
  line = attributes.onsets(drums, drum_tokens.Drums())
  assert attributes.density(line).tolist() == [3.0]
  assert attributes.off_beat(line).tolist() == [1 / 3]


@functools.cache
def open_synthetic(bars):
  """A thousand melodies of so many bars: their source and tokens."""
  config = config_lib.get_base_config(data="synth_scores")
  config.data.scores.update(examples=(1000, 1, 1), bars=bars)
  source = pipeline.open_split(data_sets.load(config.data), "train")
  return source, np.stack([source.stored(row)["tokens"] for row in range(len(source))])


@pytest.mark.parametrize("bars,least", [(2, 0.74), (4, 0.9)])
def test_factors_of_synthetic_scores_are_found_again(bars, least):
  source, tokens = open_synthetic(bars)
  line = attributes.onsets(tokens, source.form.tokenizer)
  notes = attributes.find_notes(tokens, source.form.tokenizer)
  found = {
    "density": attributes.density(line),
    "range": attributes.pitch_range(notes),
    "syncopation": attributes.off_beat(line),
    # In two bars chance repeats as much as the grammar does.
    "repetition": attributes.repeated_beats(line, 16, 4),
  }
  bounds = {"density": 0.97, "range": 0.99, "syncopation": 0.95, "repetition": least}
  for name, values in found.items():
    correlation = {x: scipy.stats.spearmanr(values, source.labels[x])[0] for x in found}
    assert correlation.pop(name) > bounds[name], name
    assert max(map(abs, correlation.values())) < 0.2, name
  assert attributes.diatonic(notes).min() == 1.0  # All modes are those of major scales.


def test_thousands_of_windows_take_a_second():
  _, tokens = open_synthetic(2)
  started = time.process_time()
  notes, line = attributes.find_notes(tokens, MELODY), attributes.onsets(tokens, MELODY)
  for measure in (attributes.key, attributes.interval, attributes.pitch_range, attributes.diatonic):
    assert len(measure(notes)) == len(tokens)
  assert len(attributes.syncopation(line, 2)) == len(attributes.repeated_beats(line, 16, 4))
  assert time.process_time() - started < len(tokens) / 5000
