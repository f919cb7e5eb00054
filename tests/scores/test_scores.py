import itertools

from conftest import one_line
import numpy as np
import pytest

from cvae_jax import scores
from cvae_jax.audio import files
from cvae_jax.data import forms
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.scores import melody
from cvae_jax.scores import midi

TUNE = [
  scores.Note(0.0, 0.5, 60), scores.Note(0.5, 0.75, 64), scores.Note(1.0, 2.0, 67),
  scores.Note(2.0, 2.125, 72),
]  # fmt: skip


def test_a_melody_survives_its_tokens():
  tokenizer = melody.Melody()
  tokens = tokenizer.encode(TUNE)
  assert tokenizer.size == 90 and tokens.size == 18
  assert tokens[:9].tolist() == [41, 0, 0, 0, 45, 0, 1, 0, 48]
  assert tokenizer.decode(tokens) == TUNE
  assert tokenizer.decode(np.zeros(8, int)) == [] and tokenizer.encode([]).size == 0


def test_any_tokens_are_a_melody():
  tokenizer = melody.Melody(48, 84)
  rng = np.random.default_rng(0)
  for _ in range(200):
    tokens = rng.integers(0, tokenizer.size, 32)
    notes = tokenizer.decode(tokens)
    assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(notes))
    assert all(48 <= n.pitch <= 84 and n.end_s > n.start_s for n in notes)
    again = tokenizer.decode(tokenizer.encode(notes))
    assert again == notes


def test_notes_survive_their_midi_file(tmp_path):
  notes = [*TUNE, scores.Note(0.25, 1.5, 40, 33, 19)]
  (tmp_path / "tune.mid").write_bytes(scores.to_midi(notes))
  found = midi.read_notes(str(tmp_path / "tune.mid"))
  for a, b in zip(found, sorted(notes), strict=True):
    assert (a.pitch, a.velocity, a.program) == (b.pitch, b.velocity, b.program)
    assert [a.start_s, a.end_s] == pytest.approx([b.start_s, b.end_s], abs=1e-3)


def test_notes_sound_at_their_pitch_and_end():
  for pitch in (40, 60, 88):
    audio = scores.play([scores.Note(0.1, 0.9, pitch)])
    assert pitch_metric.median_pitch(audio, scores.SAMPLE_RATE) == pytest.approx(pitch, abs=0.2)
    assert np.abs(audio[: round(0.1 * 16_000)]).max() == 0
    assert np.abs(audio[round(1.25 * 16_000) :]).max() < 0.01
  assert not scores.play([]).any()
  assert np.abs(scores.play([scores.Note(0, 1, p, 127) for p in range(40, 80)])).max() <= 0.9


def test_a_score_is_read_written_heard_and_drawn(tmp_path):
  form = forms.Score(16, melody.Melody())
  tokens = form.tokenizer.encode(TUNE)[:16]
  path = str(tmp_path / "tune.mid")
  form.write(path, tokens)
  back, changes = form.read(path)
  assert form.tokenizer.decode(back) == form.tokenizer.decode(tokens) and not changes
  assert forms.Score(8, melody.Melody()).read(path)[1] == ("cut",)
  assert forms.Score(99, melody.Melody()).read(path)[1] == ("padded",)
  audio, rate = form.hear(tokens)
  assert rate == scores.SAMPLE_RATE and np.abs(audio).max() > 0.1
  assert form.draw([("tune", [tokens, None])], ["a", "b"])[:4] == b"\x89PNG"
  assert form.draw([("nothing", [0 * tokens])], ["a"])[:4] == b"\x89PNG"


@pytest.mark.parametrize(
  "tokens,says",
  [
    (np.zeros(3, int), "a score must be 16 integer tokens, got int64 of shape (3,)"),
    (np.zeros(16), "got float64 of shape (16,)"),
    (np.full(16, 90), "tokens must be 0-89, got 90-90"),
    (np.full(16, -1), "tokens must be 0-89"),
  ],
)
def test_what_is_no_score_is_refused(tokens, says):
  with pytest.raises(Exception) as error:
    forms.Score(16, melody.Melody()).check(tokens)
  assert says in one_line(error)


def test_an_output_of_another_form_is_refused_before_the_work(tmp_path):
  with pytest.raises(Exception) as error:
    forms.Score(16, melody.Melody()).check_output(str(tmp_path / "tune.wav"))
  assert "must end in .mid" in one_line(error)
  with pytest.raises(Exception) as error:
    forms.Waveform(16_000, 100).check_output(str(tmp_path / "tune.mid"))
  assert "must end in one of" in one_line(error)
  with pytest.raises(Exception) as error:
    forms.need_waveform(forms.Score(16, melody.Melody()), "an instrument")
  assert "this one generates scores" in one_line(error)


def test_a_waveform_is_of_its_rate_and_length(tmp_path):
  form = forms.Waveform(44_100, 22_050)
  rng = np.random.default_rng(0)
  audio = rng.uniform(-0.5, 0.5, 22_050).astype(np.float32)
  path = str(tmp_path / "noise.wav")
  form.write(path, audio)
  back, changes = form.read(path)
  assert not changes and np.abs(back - audio).max() < 1e-4 and form.duration_s == 0.5
  assert files.read_clip(path, 44_100).audio.size == 22_050
  assert form.read(path)[0].dtype == np.float32
  for bad in (audio[:-1], audio[None], np.full(22_050, np.nan)):
    with pytest.raises(Exception) as error:
      form.check(bad)
    one_line(error)
