"""A folder of drums: what tells the kind, what is held out together, and what is left out."""

import os

from conftest import get_config
from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import one_shots
from cvae_jax.data import pipeline
from cvae_jax.data import store
from cvae_jax.data.folders import drum_names
from cvae_jax.data.folders import hydrogen

RATE = 8_000


@pytest.mark.parametrize(
  "names,kind",
  [
    ("Kick 01", "kick"), ("BD_01", "kick"), ("BassDrum2", "kick"), ("808kick", "kick"),
    ("01-Snare_Hard", "snare"), ("SD 3", "snare"), ("Snare Rimshot", "snare"),
    ("Rimshot", "rim"), ("Side Stick", "rim"), ("snare sidestick", "rim"), ("RS", "rim"),
    ("Hi-Hat Closed", "hihat_closed"), ("HHC", "hihat_closed"), ("hihat", "hihat_closed"),
    ("closedhat4", "hihat_closed"), ("Pedal HH", "hihat_closed"), ("CH", "hihat_closed"),
    ("Open Hat", "hihat_open"), ("OHH", "hihat_open"), ("hihat-semi-open-2", "hihat_open"),
    ("hhopen_00", "hihat_open"), ("OpHat", "hihat_open"), ("drum_cymbal_open", "hihat_open"),
    ("HandClap", "clap"), ("CP", "clap"), ("Floor Tom", "tom"), ("LT", "tom"), ("tomato", None),
    ("Ride Bell", "cymbal"), ("CrashLeft", "cymbal"), ("China 18\"", "cymbal"),
    ("Cowbell", "cowbell"), ("cow_bell", "cowbell"), ("CB", "cowbell"),
    ("Conga Hi", "percussion"), ("Tamb", "percussion"), ("perc_snap2", "percussion"),
    ("bell", "percussion"), ("Crème Brûlée", None), ("", None), ("audio 12", None),
    ("Kicks/Clap layered", "kick"), ("Percussion/Cowbell 2", "cowbell"), ("Toms/01", "tom"),
    ("Hats/open 3", "hihat_open"), ("Open Hats/HH 3", "hihat_open"), ("Hats/7", "hihat_closed"),
    ("Cymbals/hihat open", "hihat_open"), ("My Kick Pack/Snares/a", "snare"),
    ("Kick Pack/Percussion/x", "percussion"),
  ],
)  # fmt: skip
def test_names_tell_kinds(names, kind):
  assert drum_names.find_kind(names.split("/")) == kind


def test_names_tell_sources_and_loops():
  assert drum_names.find_source(["TR-808 kit", "kick"]) == "electronic"
  assert drum_names.find_source(["Acoustic Kit 2", "kick 808"]) == "electronic"
  assert drum_names.find_source(["Acoustic Kit 2", "kick"]) == "acoustic"
  assert drum_names.find_source(["Kit", "kick 18081"]) is None
  assert drum_names.is_loop(["Drum Loops", "a"]) and drum_names.is_loop(["top_loop_120BPM"])
  assert not drum_names.is_loop(["beats_01", "Floop"])


KIT = """<?xml version="1.0" encoding="UTF-8"?>
<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit">
 <name>Tambour d'été</name>
 <instrumentList>
  <instrument><id>0</id><name>Bass Drum</name>
   <instrumentComponent><layer><filename>a1.wav</filename></layer>
   <layer><filename>a2.wav</filename></layer></instrumentComponent></instrument>
  <instrument><name>Open HH</name><filename>b.wav</filename></instrument>
  <instrument><name></name><filename>snare.wav</filename></instrument>
 </instrumentList>
</drumkit_info>"""


def test_a_hydrogen_kit_names_its_files(tmp_path):
  assert hydrogen.read(str(tmp_path)) is None
  for encoding in ("utf-8", "utf-16"):
    (tmp_path / "drumkit.xml").write_bytes(KIT.encode(encoding))
    kit = hydrogen.read(str(tmp_path))
    assert kit.name == "Tambour d'été"
    assert kit.instruments == {
      "a1.wav": "Bass Drum", "a2.wav": "Bass Drum", "b.wav": "Open HH", "snare.wav": "",
    }  # fmt: skip
  (tmp_path / "drumkit.xml").write_text("<drumkit_info><name>")
  with pytest.raises(errors.UserError, match="drumkit.xml cannot be read"):
    hydrogen.read(str(tmp_path))


def hit(seconds=0.3, rate=RATE, seed=0, level=0.5):
  rng = np.random.default_rng(seed)
  t = np.arange(round(seconds * rate)) / rate
  audio = np.exp(-t / 0.05) * rng.normal(size=t.size)
  return level * audio / np.abs(audio).max()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Four kits in nested folders, and what a person may have among them."""
  made = tmp_path_factory.mktemp("drums")
  seed = 0
  formats = (("wav", "PCM_24", 96_000), ("wav", "PCM_U8", 11_025), ("flac", "PCM_16", 44_100))
  for number, kit in enumerate(("Größe 1", "Übung/akustik 2", "キット", "TR-909")):
    for kind in ("Kicks", "Snares", "Hi-Hats", "Toms"):
      place = made / kit / kind
      place.mkdir(parents=True)
      for i in range(3):
        seed += 1
        ending, subtype, rate = formats[(number + i) % 3]
        name = ("open", "closed", "Pédale")[i] if kind == "Hi-Hats" else f"{i}"
        soundfile.write(place / f"{name}.{ending}", hit(rate=rate, seed=seed), rate, subtype)
  kit = made / "Hydrogen"
  kit.mkdir()
  (kit / "drumkit.xml").write_text(KIT)
  for i, name in enumerate(("a1", "a2", "b", "snare", "zz")):
    soundfile.write(kit / f"{name}.wav", hit(seed=100 + i), RATE)
  other = made / "Other"
  other.mkdir()
  (other / "drumkit.xml").write_text("<broken")
  write = lambda name, audio: soundfile.write(other / name, audio, RATE)
  write("clap 1.wav", np.clip(20.0 * hit(seed=200), -0.9, 0.9))
  write("clap 2.wav", np.concatenate([np.zeros(RATE // 2), hit(seed=201)]))
  write("cymbal.wav", np.exp(-np.arange(6 * RATE) / RATE) * hit(6.0, level=0.9, seed=1) * 0 + 0.3
        * np.exp(-np.arange(6 * RATE) / RATE) * np.sin(np.arange(6 * RATE)))  # fmt: skip
  write("kick silent.wav", np.zeros(RATE))
  write("kick copy.wav", hit(seed=200 - 100))
  write("kick minutes.wav", 0.1 * np.sin(np.arange(60 * RATE)))
  write("kick four.wav", np.tile(hit(0.5, seed=7), 4))
  write("drum loop.wav", hit(seed=205))
  write("qwerty.wav", hit(seed=206))
  (other / "snare broken.wav").write_bytes(b"RIFF")
  return made


def data_config(folder, tmp_path, **fields):
  config = get_config("ae", **{"data.name": "drums"}).data
  config.update_from_flattened_dict(
    {"dir": str(folder), "tfds_dir": str(tmp_path), "drums.sample_rate": RATE,
     "drums.duration_s": 1.0, **fields}
  )  # fmt: skip
  return config


@pytest.fixture(scope="module")
def data_set(folder, tmp_path_factory):
  return data_sets.load(data_config(folder, tmp_path_factory.mktemp("store")))


def labels_of(data_set):
  """(kind, source, kit) by name."""
  index = store.read_index(data_set.folder)
  text = lambda name, row: data_set.vocabulary.get(name).text_of(index.columns[name][row])
  names = ("kind", "source", "kit")
  return {str(n): tuple(text(x, i) for x in names) for i, n in enumerate(index.names)}


def test_kinds_kits_and_sources_are_those_of_the_names(data_set):
  labels = labels_of(data_set)
  assert data_set.vocabulary.get("kind").names == drums.KINDS
  assert labels["Größe 1/Kicks/0.wav"] == ("kick", "unknown", "Größe 1")
  assert labels["Übung/akustik 2/Toms/1.flac"] == ("tom", "acoustic", "Übung/akustik 2")
  assert labels["キット/Hi-Hats/open.flac"][::2] == ("hihat_open", "キット")
  assert labels["TR-909/Hi-Hats/closed.wav"] == ("hihat_closed", "electronic", "TR-909")
  assert labels["TR-909/Hi-Hats/Pédale.flac"][0] == "hihat_closed"
  assert labels["Hydrogen/a2.wav"] == ("kick", "unknown", "Tambour d'été")
  assert labels["Hydrogen/b.wav"][0] == "hihat_open" and labels["Hydrogen/snare.wav"][0] == "snare"


def test_what_is_left_out_and_changed_is_reported_by_rule(data_set):
  report = {row.file.removeprefix("Other/"): row for row in store.read_report(data_set.folder)}
  reasons = {name: row.reason for name, row in report.items() if row.used == "no"}
  for name, part in {
    "kick silent.wav": "is silent",
    "kick copy.wav": "has the samples of",
    "kick minutes.wav": "is a loop: it is longer than 12 s",
    "kick four.wav": "is a loop: its second half is as loud as its first",
    "drum loop.wav": "its name is that of a loop",
    "qwerty.wav": "drumkit.xml cannot be read",
    "Hydrogen/zz.wav": "its name tells no kind of drum",
    "snare broken.wav": "cannot be read as audio",
  }.items():
    assert part in reasons.pop(name), name
  assert not reasons
  assert report["clap 1.wav"].reason == "clipped" and report["clap 2.wav"].reason == "trimmed"
  assert report["cymbal.wav"].reason == "faded" and report["cymbal.wav"].seconds == 1.0
  assert report["Größe 1/Kicks/0.wav"].reason == "resampled"
  assert "55 of 63 files of 6 known kits are used" in data_set.remark
  assert "left out: " in data_set.remark and "3 loops" in data_set.remark
  assert "clipped: 1" in data_set.remark and "clap 2, " in data_set.remark


def test_kits_are_in_one_split_and_sounds_are_their_files(data_set, folder):
  kits = {}
  for split in store.SPLITS:
    source = pipeline.open_split(data_set, split)
    kits[split] = set(source.labels["kit"].tolist())
    for row in range(len(source)):
      assert source[row]["audio"].shape == (RATE,)
  assert not (kits["train"] & kits["valid"] or kits["train"] & kits["test"])
  source = pipeline.open_split(data_set, "train")
  row = next(i for i, n in enumerate(source.labels["id"]) if n.endswith(".wav"))
  own = files.read_note(str(folder / source.labels["id"][row]), RATE, RATE).audio
  np.testing.assert_allclose(source[row]["audio"], own, atol=2.0**-14)


def test_one_kit_is_split_by_drum(tmp_path):
  (tmp_path / "one").mkdir()
  for i in range(30):
    name = f"{('kick', 'snare', 'tom')[i % 3]} {chr(97 + i // 6)} {i:02d}.wav"
    soundfile.write(tmp_path / "one" / name, hit(seed=i), RATE)
  data_set = data_sets.load(data_config(tmp_path / "one", tmp_path / "store"))
  assert min(data_set.splits.values()) > 0
  drums_of = []
  for split in store.SPLITS:
    source = pipeline.open_split(data_set, split)
    drums_of.append({name[:-7] for name in source.labels["id"]})
  assert not (drums_of[0] & drums_of[1] or drums_of[0] & drums_of[2])
  assert data_set.vocabulary.names == ("kind",)  # Nothing tells a source or a kit.


def test_a_table_tells_kinds_in_any_spelling(tmp_path):
  made = tmp_path / "table"
  made.mkdir()
  rows = ["File;Kind;Pack;character"]
  for i in range(12):
    soundfile.write(made / f"{i}.wav", hit(seed=i), RATE)
    kind = ("kick", "Snare Drum", "Hi-Hat (open)", "teapot")[i % 4]
    rows.append(f"{i}.wav;{kind};pack {i % 3};{('acoustic', 'Electronic', 'mixed')[i % 3]}")
  (made / "labels.csv").write_text("\n".join(rows))
  fields = {"drums.labels": "labels.csv", "drums.kit_column": "pack"}
  config = data_config(made, tmp_path, **{**fields, "drums.source_column": "character"})
  data_set = data_sets.load(config)
  labels = labels_of(data_set)
  assert labels["0.wav"] == ("kick", "acoustic", "pack 0") and len(labels) == 9
  assert labels["1.wav"] == ("snare", "electronic", "pack 1")
  assert labels["2.wav"] == ("hihat_open", "unknown", "pack 2")
  assert set(data_set.splits.values()) == {3}
  report = store.read_report(data_set.folder)
  assert sum("'teapot' is no kind of drum" in row.reason for row in report) == 3
  with pytest.raises(Exception) as error:
    data_sets.load(data_config(made, tmp_path, **{**fields, "drums.kit_column": "kits"}))
  assert "has no column 'kits'" in one_line(error)


def test_names_that_are_not_utf_8_are_used(tmp_path):
  made = tmp_path / "bytes"
  made.mkdir()
  for i in range(4):
    with open(os.path.join(os.fsencode(made), b"kick \xe9%d.wav" % i), "wb") as f:
      soundfile.write(f, hit(seed=i), RATE, format="WAV")
  data_set = data_sets.load(data_config(made, tmp_path / "store"))
  assert sum(data_set.splits.values()) == 4


def test_what_is_before_the_hit_is_cut_and_the_end_is_faded():
  audio = np.concatenate([1e-5 * np.ones(4000), hit(seed=3)])
  cut, changed = one_shots.trim(audio, RATE)
  assert changed and cut.size == audio.size - 4000 + RATE // 1000
  again, changed = one_shots.trim(cut, RATE)
  assert not changed and again.size == cut.size
  faded = one_shots.fade(np.ones(RATE), 800)
  assert faded.size == 800 and faded[699] == 1.0 and faded[-1] < 1e-3
  assert one_shots.is_clipped(np.clip(np.sin(np.arange(1000) / 30), -0.9, 0.9))
  assert not one_shots.is_clipped(np.sin(np.arange(1000) / 3))


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"dir": "/nowhere"}, "data.dir /nowhere is not a folder"),
    ({"dir": None}, "drums needs --config.data.dir, the folder of the drums"),
    ({"drums.labels": "none.csv"}, "none.csv cannot be read"),
    ({"name": "drums/x"}, "drums has no variants, got 'x'"),
  ],
)
def test_what_makes_no_drums_is_one_line(folder, tmp_path, fields, says):
  config = data_config(folder, tmp_path)
  config.update_from_flattened_dict(fields)
  with pytest.raises(Exception) as error:
    data_sets.load(config)
  assert says in one_line(error)


def test_hits_of_a_drum_are_those_of_its_name():
  assert drums.drum_of("kick a-01.wav") == drums.drum_of("kick a_2.wav") == "kick a"
  assert drums.drum_of("x/01.wav") == "x" and drums.drum_of("01.wav") == "01.wav"
