import csv
import json
import os
import pathlib
import shutil

from conftest import FIXTURES
from conftest import get_config
from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.data.builders import folder_notes
from cvae_jax.data.folders import folder_labels

AUDIO = FIXTURES / "nsynth-train" / "audio"
EXAMPLES = json.loads((FIXTURES / "nsynth-train" / "examples.json").read_text())
NOTES = [AUDIO / f"{name}.flac" for name in sorted(EXAMPLES)]


@pytest.mark.parametrize(
  "text,pitch",
  [("60", 60), ("C4", 60), ("A#3", 58), ("Bb3", 58), ("c-1", 0), ("G9", 127), (" Fs2 ", 42)],
)
def test_pitches_are_numbers_or_names(text, pitch):
  assert folder_labels.parse_pitch(text) == pitch


@pytest.mark.parametrize("text", ["H3", "C", "200", "G#9", "", "60.5"])
def test_what_is_no_pitch_is_refused(text):
  with pytest.raises(errors.UserError, match="pitch must be"):
    folder_labels.parse_pitch(text)


def test_names_are_read_by_a_pattern():
  expression = folder_labels.compile_pattern("{instrument} {pitch} v{velocity}")
  assert expression.fullmatch("My old piano A#3 v64").groupdict() == {
    "instrument": "My old piano",
    "pitch": "A#3",
    "velocity": "64",
  }
  assert expression.fullmatch("My old piano v64") is None
  nsynth = folder_labels.compile_pattern(
    get_config("cvae", **{"data.name": "folder_notes"}).data.folder.pattern
  )
  assert nsynth.fullmatch("synth_lead_synthetic_003-060-100").groupdict()["pitch"] == "060"


def make_folder(path, names):
  """Real notes under names of one's own; returns their NSynth names by the new ones."""
  path.mkdir(parents=True, exist_ok=True)
  for source, name in zip(NOTES, names, strict=False):
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, path / name)
  return {name: source.stem for source, name in zip(NOTES, names, strict=False)}


def data_config(folder, tmp_path, **fields):
  overrides = {"data.name": "folder_notes", "data.dir": str(folder)}
  overrides["data.tfds_dir"] = str(tmp_path / "tfds")
  return get_config("cvae", **{**overrides, **{f"data.{k}": v for k, v in fields.items()}}).data


def read_all(config):
  builder = data_sets.load(config)
  found = {}
  for split in folder_notes.SPLITS:
    if builder.splits[split]:
      source = pipeline.open_split(builder, split)
      found |= {source[i]["id"]: (split, source[i]) for i in range(len(source))}
  report = {
    row["file"]: row for row in csv.DictReader(open(os.path.join(builder.folder, "report.csv")))
  }
  return builder, found, report


def test_a_folder_in_nsynths_names_reads_back(tmp_path):
  made = make_folder(tmp_path / "own", [note.name for note in NOTES])
  builder, found, report = read_all(data_config(tmp_path / "own", tmp_path))
  assert set(found) == set(made) == set(report)
  names = list(builder.vocabulary.get("instrument").names)
  for name, (_, note) in found.items():
    entry = EXAMPLES[made[name]]
    audio, _ = soundfile.read(AUDIO / name, dtype="float32")
    np.testing.assert_array_equal(note["audio"], audio)
    assert (note["pitch"], note["velocity"]) == (entry["pitch"], entry["velocity"])
    assert names[note["instrument"]] == entry["instrument_str"]
    assert labels.FAMILIES[note["family"]] == entry["instrument_family_str"]
    assert labels.SOURCES[note["source"]] == entry["instrument_source_str"]
  sizes = [sum(split == s for split, _ in found.values()) for s in folder_notes.SPLITS]
  assert sizes == [24, 3, 3]


@pytest.mark.slow
def test_what_is_not_said_is_measured_or_what_the_config_says(tmp_path):
  make_folder(tmp_path / "Our Band", [f"take {i}.flac" for i in range(12)])
  fields = {"folder.family": "brass", "folder.velocity": 90}
  builder, found, report = read_all(data_config(tmp_path / "Our Band", tmp_path, **fields))
  assert list(builder.vocabulary.get("instrument").names) == ["brass_acoustic_Our_Band"]
  right = 0
  for i, source in enumerate(NOTES[:12]):
    row = report[f"take {i}.flac"]
    if row["used"] == "no":
      assert "no pitch that could be measured" in row["reason"]
      continue
    _, note = found[f"take {i}.flac"]
    assert (note["velocity"], labels.FAMILIES[note["family"]]) == (90, "brass")
    assert row["pitch_from"] == "measured" and 0 < float(row["confidence"]) <= 1
    wanted = int(source.stem.split("-")[1])
    right += abs(note["pitch"] - wanted) % 12 == 0
  assert right >= 10  # Octaves are NSynth's own trouble.


def test_a_table_labels_its_files(tmp_path):
  folder = tmp_path / "own"
  make_folder(folder, ["a.flac", "b c.flac", "deep/d.flac"])
  (folder / "labels.csv").write_text(
    "file,pitch,velocity,family,source,instrument\n"
    "a.flac,C4,20,flute,acoustic,mine\nb c.flac,61,,reed,,\ndeep/d.flac,Bb3,127,,,x\n"
  )
  fields = {"folder.labels": "labels.csv"}
  builder, found, _ = read_all(data_config(folder, tmp_path, **fields))
  names = list(builder.vocabulary.get("instrument").names)
  shown = {
    name: (int(n["pitch"]), int(n["velocity"]), names[n["instrument"]])
    for name, (_, n) in found.items()
  }
  assert shown == {
    "a.flac": (60, 20, "flute_acoustic_mine"),
    "b c.flac": (61, 100, "reed_acoustic_own"),
    "deep/d.flac": (58, 127, "keyboard_acoustic_x"),
  }


def test_an_sfz_labels_its_samples(tmp_path):
  folder = tmp_path / "own"
  make_folder(folder, ["wav/low c.flac", "wav/mid.flac", "wav/high.flac"])
  (folder / "Piano.sfz").write_text(
    "// a comment with <region> sample=no.wav\n<control> default_path=wav/\n"
    "<global> ampeg_release=0.5\n<group> hivel=63\n<region> sample=low c.flac key=c4 lokey=0\n"
    "<region>\nsample=mid.flac\npitch_keycenter=67\n<group>\n"
    "<region> pitch_keycenter=72 sample=high.flac\n<region> sample=*sine key=80\n"
  )
  _, found, _ = read_all(data_config(folder, tmp_path, **{"folder.labels": "Piano.sfz"}))
  shown = {name: (int(n["pitch"]), int(n["velocity"])) for name, (_, n) in found.items()}
  assert shown == {"wav/low c.flac": (60, 63), "wav/mid.flac": (67, 63), "wav/high.flac": (72, 100)}


def spoil(folder):
  """Adds files that cannot be used; what the report must say of each."""
  (folder / "empty-60-100.wav").write_bytes(b"")
  (folder / "text-60-100.wav").write_text("no audio")
  soundfile.write(folder / "quiet-60-100.wav", np.zeros(16_000), 16_000)
  soundfile.write(folder / "high-999-100.wav", np.sin(np.arange(16_000) / 6), 16_000)
  whole = (folder / "a-60-100.wav").read_bytes()
  (folder / "half-60-100.wav").write_bytes(whole[: len(whole) // 2])
  return {
    "empty-60-100.wav": "is empty (0 bytes)",
    "text-60-100.wav": "cannot be read as audio",
    "quiet-60-100.wav": "is silent",
    "high-999-100.wav": "pitch must be 0-127, got 999",
    "half-60-100.wav": "is truncated",
  }


def make_mixed(folder):
  """Three files of any rate, length and number of channels."""
  folder.mkdir()
  for name, rate, seconds, channels in (
    ("a", 44_100, 6.0, 2),
    ("b", 8_000, 1.0, 1),
    ("c", 16_000, 4.0, 1),
  ):
    t = np.arange(int(rate * seconds)) / rate
    tone = 0.5 * np.sin(2 * np.pi * 261.63 * t)
    soundfile.write(folder / f"{name}-60-100.wav", np.stack([tone] * channels, axis=1), rate)


def test_files_that_cannot_be_used_are_left_out_with_their_reason(tmp_path):
  folder = tmp_path / "own"
  make_mixed(folder)
  expected = spoil(folder)
  # So many that no split is without a note, whichever are held out.
  for i in range(20):
    shutil.copy(folder / "c-60-100.wav", folder / f"copy{i}-60-100.wav")
  fields = {"folder.pattern": "{instrument}-{pitch}-{velocity}"}
  _, found, report = read_all(data_config(folder, tmp_path, **fields))
  assert {name for name, row in report.items() if row["used"] == "no"} == set(expected)
  for name, reason in expected.items():
    assert reason in report[name]["reason"] and name in report[name]["reason"]
    assert name not in found
  assert report["a-60-100.wav"]["reason"] == "stereo resampled cut"
  assert report["b-60-100.wav"]["reason"] == "resampled padded"
  np.testing.assert_array_equal(found["b-60-100.wav"][1]["audio"][17_000:], 0)
  fields["folder.strict"] = True
  with pytest.raises(errors.UserError) as error:
    data_sets.load(data_config(folder, tmp_path / "strict", **fields))
  assert any(name in one_line(error) for name in expected)
  assert not list(pathlib.Path(tmp_path / "strict").rglob("*.array_record*"))


def make_tones(folder, pitches, seconds=1.0):
  """Sines by their pitch: 60.wav and so on."""
  folder.mkdir()
  t = np.arange(int(16_000 * seconds)) / 16_000
  for pitch in pitches:
    tone = 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)
    soundfile.write(folder / f"{pitch}.wav", tone, 16_000)


@pytest.mark.parametrize("broken", [(61,), (69,), (61, 69), (60, 61, 62, 63, 64, 65, 66)])
def test_splits_are_made_of_files_that_can_be_used(tmp_path, broken):
  folder = tmp_path / "own"
  make_tones(folder, range(60, 70))
  for pitch in broken:  # 61 and 69 are those that are held out of ten.
    (folder / f"{pitch}.wav").write_bytes(b"RIFF")
  fields = {"folder.pattern": "{pitch}"}
  _, found, report = read_all(data_config(folder, tmp_path, **fields))
  left = set(range(60, 70)) - set(broken)
  assert {int(note["pitch"]) for _, note in found.values()} == left
  sizes = [sum(split == s for split, _ in found.values()) for s in folder_notes.SPLITS]
  assert sizes == [len(left) - 2, 1, 1]
  assert {row["file"] for row in report.values() if row["used"] == "no"} == {
    f"{pitch}.wav" for pitch in broken
  }


@pytest.mark.parametrize("left,says", [
  ((), "none of its 10 files can be used; the first:"),
  ((60, 65), "2 are too few for 3 splits; 8 of 10 files cannot be used; the first:"),
])  # fmt: skip
def test_a_folder_of_files_that_cannot_be_used_is_one_line(tmp_path, left, says):
  folder = tmp_path / "own"
  make_tones(folder, left)
  for pitch in set(range(60, 70)) - set(left):
    (folder / f"{pitch}.wav").write_bytes(b"no sound")
  with pytest.raises(errors.UserError) as error:
    data_sets.load(data_config(folder, tmp_path, **{"folder.pattern": "{pitch}"}))
  first = "60.wav" if 60 not in left else "61.wav"
  assert f"{says} {folder / first} cannot be read as audio" in one_line(error)
  assert not [path for path in (tmp_path / "tfds").rglob("*") if not path.name.endswith(".lock")
              and path.is_file()]  # fmt: skip


@pytest.mark.parametrize("rows", ["file\nno.wav\nnor.wav\nneither.wav\n",
                                  "file,velocity\n60.wav,200\n61.wav,x\n62.wav,-1\n"])  # fmt: skip
def test_a_table_of_which_nothing_can_be_used_is_one_line(tmp_path, rows):
  folder = tmp_path / "own"
  make_tones(folder, (60, 61, 62))
  (folder / "labels.csv").write_text(rows)
  with pytest.raises(errors.UserError, match="none of its 3 files can be used") as error:
    data_sets.load(data_config(folder, tmp_path, **{"folder.labels": "labels.csv"}))
  assert "no.wav does not exist" in one_line(error) or "velocity must be" in one_line(error)


def test_a_recording_is_cut_into_its_notes(tmp_path):
  folder = tmp_path / "own"
  make_tones(folder, (60, 61, 62, 63, 64), seconds=2.0)
  pieces = [soundfile.read(folder / f"{pitch}.wav")[0] for pitch in (60, 61, 62, 63, 64)]
  stereo = np.repeat(np.concatenate(pieces)[:, None], 3, axis=0).repeat(2, axis=1)  # at 48 kHz
  soundfile.write(folder / "all.wav", stereo, 48_000)
  (folder / "all.sfz").write_text("<global> sample=all.wav transpose=-1\n" + "".join(
    f"<region> key={59 + i} offset={96_000 * i} end={96_000 * (i + 1) - 1}\n" for i in range(5)
  ) + "<region> key=70 offset=1000000")  # fmt: skip
  _, found, report = read_all(data_config(folder, tmp_path, **{"folder.labels": "all.sfz"}))
  assert {int(note["pitch"]) for _, note in found.values()} == {60, 61, 62, 63, 64}
  for _, note in found.values():
    piece = pieces[int(note["pitch"]) - 60]
    audio = np.asarray(note["audio"], np.float32) / (
      1 << 15 if note["audio"].dtype == np.int16 else 1
    )
    np.testing.assert_array_equal(audio[32_000:], 0)
    assert np.corrcoef(audio[:32_000], piece)[0, 1] > 0.99
  unused = [row for row in report.values() if row["used"] == "no"]
  assert len(unused) == 1 and "has no samples from 1000000 to its end" in unused[0]["reason"]
  assert report["all.wav [96000-192000]"]["reason"] == "stereo resampled padded"


def test_names_that_are_no_text_and_files_that_are_none_are_left_out_or_read(tmp_path):
  folder = tmp_path / "own"
  make_tones(folder, range(60, 66))
  os.rename(folder / "65.wav", os.fsencode(folder) + b"/caf\xe9_65.wav")
  (folder / "new\nline.wav").write_bytes(b"RIFF")
  os.mkfifo(folder / "66.wav")
  os.symlink("nowhere.wav", folder / "67.wav")
  fields = {"folder.pattern": "{pitch}", "folder.velocity": 90}
  _, found, report = read_all(data_config(folder, tmp_path, **fields))
  assert set(found) >= {"60.wav", "61.wav", "62.wav", "63.wav", "64.wav"}
  latin = report["caf\\xe9_65.wav"]
  assert latin["used"] == "yes" or "caf\\xe9_65.wav has a name that is not UTF-8" in latin["reason"]
  for name in ("66.wav", "67.wav"):
    assert report[name]["reason"].endswith(f"{name} does not exist or is not a file")
  assert "\n" not in report["new\nline.wav"]["reason"]


def test_instruments_can_be_held_out(tmp_path):
  make_folder(tmp_path / "own", [note.name for note in NOTES])
  config = data_config(tmp_path / "own", tmp_path, **{"folder.held_out": "instruments"})
  _, found, _ = read_all(config)
  by_split = {s: set() for s in folder_notes.SPLITS}
  for split, note in found.values():
    by_split[split].add(int(note["instrument"]))
  assert all(by_split.values())
  assert sum(map(len, by_split.values())) == len(set.union(*by_split.values()))


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"dir": "/nowhere"}, "data.dir /nowhere is not a folder"),
    ({"dir": None}, "folder_notes needs --config.data.dir"),
    ({"folder.pattern": "{tune}"}, "{tune} must be one of family, source"),
    ({"folder.pattern": "all"}, "has no field"),
    ({"folder.labels": "none.csv"}, "none.csv cannot be read"),
    ({"folder.labels": "wrong.csv"}, "must have a column 'file'"),
    ({"folder.labels": "wrong.sfz"}, "has no <region> with a sample"),
    ({"folder.family": "tuba"}, "data.folder.family must be one of bass"),
    ({"folder.held_out": "all"}, "data.folder.held_out must be notes or instruments"),
    ({}, "2 are too few for 3 splits"),
  ],
)
def test_folders_that_make_no_sense_are_one_line(tmp_path, fields, says):
  folder = tmp_path / "own"
  make_folder(folder, ["a.flac", "b.flac"])
  (folder / "wrong.csv").write_text("name,pitch\na,60\n")
  (folder / "wrong.sfz").write_text("<group> key=60\n")
  with pytest.raises(errors.UserError) as error:
    data_sets.load(data_config(folder, tmp_path, **{"dir": str(folder), **fields}))
  assert says in one_line(error)


def test_an_empty_folder_says_what_is_wanted(tmp_path):
  (tmp_path / "own").mkdir()
  with pytest.raises(errors.UserError, match=r"holds no audio file \(\.wav, \.flac"):
    data_sets.load(data_config(tmp_path / "own", tmp_path))
