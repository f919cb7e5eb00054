"""The kits of a soundfont: General MIDI's keys by kind, each sound once, split by kit."""

import ctypes.util
import os

from conftest import get_config
from conftest import one_line
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import general_midi
from cvae_jax.data import pipeline
from cvae_jax.data import soundfont
from cvae_jax.data import store
from cvae_jax.data.sets import soundfont_drums

FOUND = [path for path in soundfont.DEFAULTS if os.path.isfile(path)]
needs_soundfont = pytest.mark.skipif(
  not FOUND or ctypes.util.find_library("fluidsynth") is None,
  reason="needs FluidSynth and a soundfont: apt-get install fluidsynth fluid-soundfont-gm",
)
RATE = 8_000


def test_every_key_of_general_midi_has_a_kind():
  keys = general_midi.PERCUSSION
  assert set(range(35, 82)) - set(keys) == {71, 72} and set(keys.values()) == set(drums.KINDS)
  # Spot checks against General MIDI's table.
  wanted = {36: "kick", 37: "rim", 38: "snare", 44: "hihat_closed", 46: "hihat_open", 50: "tom",
            53: "cymbal", 54: "percussion", 56: "cowbell", 81: "percussion"}  # fmt: skip
  assert {key: keys[key] for key in wanted} == wanted


def test_kits_are_electronic_by_name_or_number():
  assert soundfont_drums.source_of(0, "000 Standard") == "acoustic"
  assert soundfont_drums.source_of(24, "024 X") == "electronic"
  assert soundfont_drums.source_of(3, "003 TR-909") == "electronic"


def data_config(tmp_path, **fields):
  config = get_config("ae", **{"data.name": "soundfont_drums"}).data
  config.update_from_flattened_dict(
    {"tfds_dir": str(tmp_path), "drums.sample_rate": RATE, "drums.duration_s": 0.5,
     "soundfont.programs": (0, 8, 25, 16), "soundfont.velocities": (127, 60), **fields}
  )  # fmt: skip
  return config


@needs_soundfont
def test_kits_are_held_out_and_no_sound_is_there_twice(tmp_path):
  data_set = data_sets.load(data_config(tmp_path))
  assert data_set.vocabulary.names == ("kind", "source", "kit")
  kits, examples = [], []
  for split in store.SPLITS:
    source = pipeline.open_split(data_set, split)
    kits.append({name.split("/")[0] for name in source.labels["id"]})
    examples += [source[i] for i in range(len(source))]
  assert all(kits) and not (kits[0] & kits[1] or kits[0] & kits[2] or kits[1] & kits[2])
  assert {drums.KINDS[e["kind"]] for e in examples} == set(drums.KINDS)
  for example in examples:
    kit, hit = example["id"].split("/")
    assert data_set.vocabulary.get("kit").names[example["kit"]] == kit
    assert hit[4:].startswith(drums.KINDS[example["kind"]])
    assert (drums.SOURCES[example["source"]] == "electronic") == kit.startswith("025")
    assert np.abs(example["audio"][-8:]).max() < 1e-3
  kicks = np.stack([e["audio"] for e in examples if e["id"].split("/")[1].startswith("036")])
  kicks /= np.linalg.norm(kicks, axis=1, keepdims=True)
  assert np.triu(kicks @ kicks.T, 1).max() < 0.995
  assert "nearly another one" in data_set.remark
  report = store.read_report(data_set.folder)
  assert len(report) == 4 * 2 * len(general_midi.PERCUSSION)


@needs_soundfont
@pytest.mark.parametrize(
  "fields,says",
  [
    ({"soundfont.path": "/nowhere.sf2"}, "/nowhere.sf2 cannot be read: No such file"),
    ({"soundfont.programs": (99,)}, "has no drum kit 99"),
    ({"soundfont.velocities": (0,)}, "must be 1-127, got 0"),
    ({"name": "soundfont_drums/x"}, "soundfont_drums has no variants, got 'x'"),
  ],
)
def test_what_cannot_be_played_is_one_line(tmp_path, fields, says):
  with pytest.raises(errors.UserError) as error:
    data_sets.load(data_config(tmp_path, **fields))
  assert says in one_line(error)
