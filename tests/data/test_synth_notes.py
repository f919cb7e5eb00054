from conftest import get_config
import numpy as np
import pytest

from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data.builders import synth_notes
from cvae_jax.evaluation.metrics import pitch as pitch_metric

DEFAULT, TINY = synth_notes.SynthNotes.BUILDER_CONFIGS


def test_the_default_set_is_what_it_says():
  plans = {split: synth_notes.make_plan(DEFAULT, split) for split in synth_notes.SPLITS}
  assert sum(plan.pitch.size for plan in plans.values()) == 4092
  assert {split: plan.pitch.size for split, plan in plans.items()} == {
    "train": 3300,
    "valid": 396,
    "test": 396,
  }
  for plan in plans.values():
    assert set(plan.family) == set(range(11)) and set(plan.source) == {0, 1, 2}
    assert set(plan.velocity) == set(labels.VELOCITIES)
    assert plan.pitch.min() >= 21 and plan.pitch.max() <= 108
    notes = set(zip(plan.instrument, plan.pitch, plan.velocity, strict=True))
    assert len(notes) == plan.pitch.size
  assert set(plans["train"].pitch) == set(range(21, 109))


def test_splits_hold_instruments_out():
  instruments = [set(synth_notes.make_plan(DEFAULT, s).instrument) for s in synth_notes.SPLITS]
  assert not instruments[0] & instruments[1] and not instruments[0] & instruments[2]
  assert not instruments[1] & instruments[2]
  assert len(set.union(*instruments)) == len(synth_notes.instrument_names(DEFAULT)) == 462


@pytest.fixture(scope="module")
def some_notes():
  """Two instruments of every family, with four notes each in the middle of the keyboard."""
  config = synth_notes.SynthNotesConfig(name="some", instruments=(1, 0, 0), notes=(4, 0, 0))
  plan = synth_notes.make_plan(config, "train")
  plan.pitch[:] = 40 + plan.pitch % 40
  audio = np.zeros((plan.pitch.size, labels.NUM_SAMPLES), np.float32)
  for row, samples, _ in synth_notes.render_plan(config, plan):
    audio[row] = samples
  return config, plan, audio


def test_every_note_sounds_at_its_pitch_and_level_and_ends_in_silence(some_notes):
  _, plan, audio = some_notes
  agrees = pitch_metric.pitch_agreement(audio, plan.pitch, labels.SAMPLE_RATE)
  assert agrees.mean() > 0.97, list(zip(plan.family, plan.pitch, agrees, strict=True))
  assert np.isfinite(audio).all() and np.abs(audio).max() <= 1.0
  assert np.abs(audio.mean(axis=1)).max() < 1e-3
  assert np.abs(audio[:, -1]).max() == 0.0
  peak = np.abs(audio).max(axis=1)
  for velocity in labels.VELOCITIES:
    of_it = peak[plan.velocity == velocity]
    gain = (velocity / 127) ** 2 * 0.89
    assert (of_it >= 0.45 * gain).all() and (of_it <= 1.01 * gain).all()


def test_families_differ_and_instruments_of_a_family_do(some_notes):
  _, plan, audio = some_notes
  spectra = np.abs(np.fft.rfft(audio))
  spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
  # Two notes at one pitch and of two instruments are not the same sound.
  for pitch in np.unique(plan.pitch):
    rows = np.flatnonzero(plan.pitch == pitch)
    for i, a in enumerate(rows):
      for b in rows[i + 1 :]:
        if plan.instrument[a] != plan.instrument[b]:
          assert spectra[a] @ spectra[b] < 0.9999


def test_notes_are_a_function_of_the_seed(some_notes):
  config, plan, audio = some_notes
  for row, samples, _ in synth_notes.render_plan(config, plan):
    np.testing.assert_array_equal(samples, audio[row])
  other = synth_notes.SynthNotesConfig(name="other", instruments=(1, 0, 0), notes=(4, 0, 0), seed=1)
  _, samples, _ = next(synth_notes.render_plan(other, plan))
  assert not np.array_equal(samples, audio[0])


def test_prepared_notes_read_back_as_they_were_made(tfds_dir):
  builder = data_sets.load(get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir}).data)
  source = pipeline.open_split(builder, "valid")
  plan = synth_notes.make_plan(TINY, "valid")
  names = synth_notes.instrument_names(TINY)
  made = {
    (names[plan.instrument[row]], int(plan.pitch[row]), int(plan.velocity[row])): samples
    for row, samples, _ in synth_notes.render_plan(TINY, plan)
  }
  assert len(source) == len(made) == plan.pitch.size
  for i in range(len(source)):
    note = source[i]
    key = (names[note["instrument"]], int(note["pitch"]), int(note["velocity"]))
    np.testing.assert_array_equal(note["audio"], made[key])
    assert note["id"] == f"{key[0]}-{key[1]:03d}-{key[2]:03d}"
    assert labels.FAMILIES[note["family"]] == key[0].rsplit("_", 2)[0]


def test_features_are_those_of_the_official_builder(tfds_dir):
  from tensorflow_datasets.datasets.nsynth import nsynth_dataset_builder as official

  theirs = official.Builder(config="full", data_dir=tfds_dir).info.features
  ours = synth_notes.SynthNotes(config="tiny", data_dir=tfds_dir).info.features
  shapes = {k: (v.shape, v.np_dtype) for k, v in _flat(theirs)}
  wide = notes.make_features(["a"], "float32")
  assert {k: (v.shape, v.np_dtype) for k, v in _flat(wide)} == shapes
  # Samples of 16 bits, as NSynth's files hold them, are all that sets ours apart.
  stored = {**shapes, "audio": (shapes["audio"][0], np.int16)}
  assert {k: (v.shape, v.np_dtype) for k, v in _flat(ours)} == stored
  assert ours["instrument"]["family"].names == theirs["instrument"]["family"].names
  assert ours["instrument"]["source"].names == theirs["instrument"]["source"].names
  assert list(ours["qualities"]) == list(theirs["qualities"]) == sorted(labels.QUALITIES)


def _flat(features, prefix=""):
  for name, feature in features.items():
    if hasattr(feature, "items"):
      yield from _flat(feature, f"{prefix}{name}/")
    else:
      yield prefix + name, feature
