"""The same tunes in every format that folder_scores reads are the same windows; faults are told."""

import gzip
import json
import zipfile

import numpy as np
import pytest

from cvae_jax.core import config as config_lib
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data import score_store
from cvae_jax.scores import piece as piece_lib

Q = piece_lib.TICKS
STEPS = "CDEFGAB"
SEMITONES = (0, 2, 4, 5, 7, 9, 11)
TUNES = 4


def degrees(seed):
  """An upbeat of a quarter note and six bars of eighths, as steps of C major above C4."""
  rng = np.random.default_rng(seed)
  return np.clip(4 + np.cumsum(rng.integers(-2, 3, 2 + 48)), 0, 13).tolist()


def to_midi(tune):
  rows = [
    ((6 + i) * Q // 2, (7 + i) * Q // 2, 60 + 12 * (d // 7) + SEMITONES[d % 7], 90, 0, False, 16)
    for i, d in enumerate(tune)
  ]
  return piece_lib.to_midi(piece_lib.make_piece(rows, meters=[(0, 4, 4)]))


def to_bars(names, separator, bar):
  """Names of notes with a bar after the upbeat and after each eight notes."""
  groups = [names[:2]] + [names[i : i + 8] for i in range(2, len(names), 8)]
  return bar.join(separator.join(group) for group in groups)


def to_abc(tune, number=1):
  names = [STEPS[d % 7].lower() if d > 6 else STEPS[d] for d in tune]
  return f"X:{number}\nM:4/4\nL:1/8\nK:C\n{to_bars(names, '', '|')}|\n".encode()


def to_kern(tune):
  names = [f"8{STEPS[d % 7].lower() * (1 + d // 7)}" for d in tune]
  return f"**kern\n*M4/4\n{to_bars(names, chr(10), chr(10) + '=' + chr(10))}\n==\n*-\n".encode()


def to_musicxml(tune):
  note = "<note><pitch><step>{}</step><octave>{}</octave></pitch><duration>1</duration></note>"
  names = [note.format(STEPS[d % 7], 4 + d // 7) for d in tune]
  attributes = (
    "<attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time>"
    "</attributes>"
  )
  measures = to_bars(names, "", "</measure><measure>")
  return (
    f'<score-partwise><part id="P1"><measure>{attributes}{measures}</measure></part>'
    "</score-partwise>"
  ).encode()


def to_json(tune):
  melody = [[i / 2, 0.5, 60 + 12 * (d // 7) + SEMITONES[d % 7]] for i, d in enumerate(tune)]
  bars = [0, *range(1, 25, 4)]
  fields = {"melody": melody, "time_signatures": [[0, "4/4"]], "bar_onsets": bars}
  return json.dumps(fields).encode() + b"\n"


def write(folder, name, tunes):
  """Writes tunes in a format; those that hold several as one file."""
  if name == "mid":
    for number, tune in enumerate(tunes):
      (folder / f"{number}.mid").write_bytes(to_midi(tune))
  elif name == "abc":
    (folder / "all.abc").write_bytes(b"\n".join(map(to_abc, tunes)))
  elif name == "krn":
    for number, tune in enumerate(tunes):
      (folder / f"{number}.krn").write_bytes(to_kern(tune))
  elif name == "musicxml":
    for number, tune in enumerate(tunes):
      (folder / f"{number}.{('xml', 'musicxml')[number % 2]}").write_bytes(to_musicxml(tune))
  elif name == "mxl":
    for number, tune in enumerate(tunes):
      with zipfile.ZipFile(folder / f"{number}.mxl", "w") as archive:
        archive.writestr("score.xml", to_musicxml(tune))
  elif name == "jsonl":
    (folder / "all.jsonl").write_bytes(b"\n".join(map(to_json, tunes)))
  else:
    with gzip.open(folder / "all.jsonl.gz", "wb") as f:
      f.write(b"".join(map(to_json, tunes)))


def load(folder, tfds_dir, **settings):
  config = config_lib.get_base_config(data="folder_scores")
  config.data.dir, config.data.tfds_dir = str(folder), str(tfds_dir)
  config.data.scores.update(settings)
  return data_sets.load(config.data)


def windows(data_set):
  found = set()
  for split, size in data_set.splits.items():
    source = pipeline.open_split(data_set, split) if size else []
    found |= {source[row]["tokens"].tobytes() for row in range(size)}
  return found


@pytest.mark.parametrize("name", ["mid", "abc", "krn", "musicxml", "mxl", "jsonl", "jsonl.gz"])
def test_windows_are_the_same_in_every_format(name, tmp_path, tfds_dir):
  tunes = [degrees(seed) for seed in range(TUNES)]
  write(tmp_path, name, tunes)
  data_set = load(tmp_path, tfds_dir, max_windows=0)
  rows = score_store.read_report(data_set.folder)
  assert [row.used for row in rows] == ["yes"] * TUNES
  # The upbeat ends the first of seven bars.
  expected = set()
  for tune in tunes:
    tokens = np.zeros(7 * 16, np.int32)
    pitches = np.asarray([60 + 12 * (d // 7) + SEMITONES[d % 7] for d in tune])
    tokens[12::2] = pitches - 21 + 2
    expected |= {tokens[16 * i : 16 * i + 32].tobytes() for i in range(6)}
  assert windows(data_set) == expected and len(expected) > 5 * TUNES


def test_faulty_files_of_each_format_are_in_the_report(tmp_path, tfds_dir):
  write(tmp_path, "mid", [degrees(seed) for seed in range(3)])
  tune = degrees(9)
  faulty = {
    "cut.musicxml": (to_musicxml(tune)[:-40], "it cannot be read as XML"),
    "bomb.xml": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "it declares an XML entity ('b')"),
    "other.xml": (b"<drumkit/>", "it is no MusicXML score: it begins with <drumkit>"),
    "cut.mxl": (b"PK\3\4 no more", "it cannot be unpacked"),
    "columns.krn": (to_kern(tune) + b"**kern\t**kern\n4c\n", "line 62 has 1 columns, where there"),
    "no.krn": (b"a\nb\n", "it has no spine **kern"),
    "cut.jsonl.gz": (gzip.compress(to_json(tune))[:-20], "it cannot be unpacked"),
    "empty.jsonl": (b"\n", "it holds no tune: each begins with a line of JSON"),
    "no.abc": (b"C D E", "it holds no tune: each begins with a field X:"),
  }
  for name, (data, _) in faulty.items():
    (tmp_path / name).write_bytes(data)
  (tmp_path / "one.jsonl").write_bytes(to_json(tune) + b'{"melody": [[0, 1]]}\n')
  rows = {row.tune: row for row in score_store.read_report(load(tmp_path, tfds_dir).folder)}
  assert {name for name, row in rows.items() if row.used == "no"} == {*faulty, "one.jsonl#2"}
  for name, (_, says) in faulty.items():
    assert rows[name].reason.startswith(says), (name, rows[name].reason)
  assert rows["one.jsonl#1"].used == "yes"
  assert "melody[0] must be [onset, duration, pitch]" in rows["one.jsonl#2"].reason
