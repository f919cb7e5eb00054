import ctypes.util
import os

from conftest import get_config
from conftest import one_line
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import general_midi
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.data import soundfont
from cvae_jax.data.builders import soundfont_notes
from cvae_jax.evaluation.metrics import pitch as pitch_metric

FOUND = [path for path in soundfont.DEFAULTS if os.path.isfile(path)]
needs_soundfont = pytest.mark.skipif(
  not FOUND or ctypes.util.find_library("fluidsynth") is None,
  reason="needs FluidSynth and a soundfont: apt-get install fluidsynth fluid-soundfont-gm",
)


def test_every_program_has_a_family_and_a_source():
  programs = [general_midi.program(number) for number in range(128)]
  assert {p.family for p in programs} == set(labels.FAMILIES)
  assert {p.source for p in programs} == set(labels.SOURCES)
  assert (
    sum(p.is_note for p in programs) == 128 - 23
  )  # 1 hit, 8 effects, 14 of percussion and sound effects
  # Spot checks against General MIDI's table.
  for number, family in {
    0: "keyboard",
    24: "guitar",
    40: "string",
    56: "brass",
    73: "flute",
  }.items():
    assert programs[number].family == family and programs[number].source == "acoustic"
  assert not programs[127].is_note  # Gunshot


def make_config(**fields):
  return soundfont_notes.SoundfontConfig(name="x", pitches=(60,), **fields)


def test_programs_of_every_family_are_held_out():
  config = make_config(programs=tuple(range(96)))
  splits = soundfont_notes.split_of(config)
  counts = {}
  for number, split in splits.items():
    counts.setdefault(general_midi.program(number).family, []).append(split)
  for family, found in counts.items():
    assert found.count("valid") == found.count("test") == -(-len(found) // 6), family
    assert found.count("train") >= 2
  # A family's programs are held out whatever else is asked for.
  again = soundfont_notes.split_of(make_config(programs=tuple(range(8))))
  assert again == {number: splits[number] for number in range(8)}


def test_reach_counts_from_the_sample_whose_zone_holds_the_key():
  zones = [(0, 62, 61), (63, 127, 90)]
  reached = [p for p in range(128) if soundfont.reachable(zones, p, 12)]
  assert reached == [*range(49, 63), *range(78, 103)]


@pytest.fixture(scope="module")
def config(tfds_dir):
  fields = {
    "data.name": "soundfont_notes",
    "data.tfds_dir": tfds_dir,
    "data.soundfont.programs": (24, 72, 73, 75),
    "data.soundfont.pitch_step": 12,
    "data.soundfont.velocities": (50, 127),
  }
  return get_config("cvae", "tiny", **fields).data


@needs_soundfont
def test_notes_of_a_soundfont_sound_as_they_are_labelled(config):
  builder = data_sets.load(config)
  sizes = builder.splits
  sources = {split: pipeline.open_split(builder, split) for split in soundfont_notes.SPLITS}
  by_split = {k: set(s.labels["instrument"].tolist()) for k, s in sources.items()}
  assert [len(by_split[split]) for split in soundfont_notes.SPLITS] == [2, 1, 1]
  assert not by_split["train"] & by_split["valid"] | by_split["valid"] & by_split["test"]
  made = [source[i] for source in sources.values() for i in range(len(source))]
  audio, pitch = np.stack([n["audio"] for n in made]), np.asarray([n["pitch"] for n in made])
  # A pipe's high notes lie past what a tracker is made for.
  low = pitch <= 84
  agrees = pitch_metric.pitch_agreement(audio[low], pitch[low], labels.SAMPLE_RATE)
  assert agrees.mean() > 0.9 and low.sum() > 10
  names = list(builder.vocabulary.get("instrument").names)
  for split, instruments in by_split.items():
    for instrument in instruments:
      own = [n for n in made if n["instrument"] == instrument]
      assert names[instrument].startswith(labels.FAMILIES[own[0]["family"]])
      loudest = max(np.abs(n["audio"]).max() for n in own)
      np.testing.assert_allclose(loudest, soundfont.PEAK, atol=1e-3, err_msg=split)
      by_key = {(n["pitch"], n["velocity"]): np.sqrt(np.mean(n["audio"] ** 2)) for n in own}
      for p, v in by_key:
        assert by_key[p, 127] >= by_key[p, 50] > 0, (p, v)
  # Held until 3 s, let go after.
  for note in made[::3]:
    if note["instrument"] in by_split["train"]:
      tail = note["audio"][-1600:]
      assert np.abs(tail).max() < np.abs(note["audio"]).max()
  assert sum(sizes.values()) == len(made)


@needs_soundfont
def test_a_note_does_not_depend_on_those_before_it():
  synth = soundfont.Synthesizer(FOUND[0])
  try:
    first = synth.play(24, 60, 100)
    synth.play(56, 70, 127)
    np.testing.assert_allclose(synth.play(24, 60, 100), first, atol=2.0**-14)
  finally:
    synth.close()


@needs_soundfont
def test_notes_can_be_held_out_in_place_of_instruments(config):
  config = config.copy_and_resolve_references()
  config.name = "soundfont_notes/notes"
  config.soundfont.programs = (24, 73)
  config.soundfont.pitch_step = 4
  builder = data_sets.load(config)
  ids = {
    split: set(pipeline.open_split(builder, split).labels["id"].tolist())
    for split in soundfont_notes.SPLITS
  }
  assert all(ids.values())
  assert not (ids["train"] & ids["valid"] or ids["train"] & ids["test"])
  assert len(ids["train"]) > 5 * len(ids["valid"])
  for name in ids["valid"]:
    assert soundfont_notes.note_split(name) == "valid"
  # One gain a program, in whichever split its notes are: softer keys are softer across them.
  peaks = {}
  for split in soundfont_notes.SPLITS:
    source = pipeline.open_split(builder, split)
    for i in range(len(source)):
      note = source[i]
      key = (int(note["instrument"]), int(note["pitch"]))
      peaks.setdefault(key, {})[int(note["velocity"])] = (split, np.abs(note["audio"]).max())
  mixed = [p for p in peaks.values() if {s for s, _ in p.values()} > {"train"} and len(p) == 2]
  assert len(mixed) >= 3
  for pair in mixed:
    assert pair[50][1] < pair[127][1] <= soundfont.PEAK + 1e-3


@needs_soundfont
@pytest.mark.parametrize(
  "fields,says",
  [
    ({"soundfont.path": "/nowhere.sf2"}, "/nowhere.sf2 cannot be read: No such file"),
    ({"soundfont.path": __file__}, "is not an SF2 or SF3 soundfont"),
    ({"soundfont.programs": (200,)}, "has no program 200 in bank 0"),
    ({"soundfont.velocities": (0,)}, "must be 1-127, got 0"),
    ({"name": "soundfont_notes/piano"}, "holds out instruments or notes, got 'piano'"),
  ],
)
def test_what_cannot_be_played_is_one_line(config, fields, says):
  config = config.copy_and_resolve_references()
  config.update_from_flattened_dict(fields)
  with pytest.raises(errors.UserError) as error:
    data_sets.load(config)
  assert says in one_line(error)


def test_a_soundfont_that_is_not_installed_is_asked_for(monkeypatch):
  monkeypatch.setattr(soundfont, "DEFAULTS", ())
  with pytest.raises(errors.UserError, match="apt-get install fluidsynth fluid-soundfont-gm"):
    soundfont.find_soundfont(None)
