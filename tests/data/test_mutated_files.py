"""Files that are valid but for what has happened to them: read, or refused in one line.

A reader is a row of READERS. Every case is made of its number alone, and a failure names it.
"""

from collections.abc import Callable
import contextlib
import io
import json
import pathlib
import random
import signal
import struct
import tracemalloc
from typing import NamedTuple
import zipfile

import midi_writer as mw
import numpy as np
import pytest

from cvae_jax import evaluate
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.data import label_table
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data.builders import nsynth_wav
from cvae_jax.data.folders import folder_files
from cvae_jax.data.folders import folder_labels
from cvae_jax.methods.common import feature_statistics
from cvae_jax.scores import chords
from cvae_jax.scores import kern
from cvae_jax.scores import lead_sheet
from cvae_jax.scores import midi
from cvae_jax.scores import musicxml
from cvae_jax.version import __version__

CASES = 100  # of a reader in the plain run
MANY = 4000
_SECONDS = 5.0  # a case
_MEGABYTES = 16  # a case
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class Reader(NamedTuple):
  """A reader of files.

  Attributes:
    name: of the file within a folder of the test's own.
    contents: valid files.
    words: bytes that have a meaning in such a file, to be put in anywhere.
    read: reads the folder's file of that name.
    prepare: makes the folder into one that the valid files can be read in.
  """

  name: str
  contents: tuple[bytes, ...]
  words: tuple[bytes, ...]
  read: Callable[[pathlib.Path], object]
  prepare: Callable[[pathlib.Path], object] = lambda folder: None


def read_labels(read):
  """A reader of a folder's labels, with all that is made of them."""

  def read_all(path):
    defaults = {"family": "bass", "source": "acoustic", "velocity": "100", "instrument": "own"}
    for entry in read(str(path)):
      str((entry.name, *entry.labels.values())).encode()
      with contextlib.suppress(errors.UserError):  # The report's reason.
        checked = folder_files.check_labels(entry, defaults)
        assert checked.pitch is None or 0 <= checked.pitch <= 127
        assert 0 <= checked.velocity <= 127 and len(checked.instrument.splitlines()) == 1

  return read_all


def read_song(path):
  """A reader of MIDI whose notes are in order and make sense."""
  found = midi.read_notes(str(path))
  assert found == sorted(found)
  for note in found:
    assert 0 <= note.start_s <= note.end_s and 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127


def check_piece(found):
  """Checks that the notes of a piece are in order and make sense."""
  notes = found.notes
  assert (np.diff(notes["start"]) >= 0).all() and (notes["end"] > notes["start"]).all()
  assert (notes["start"] >= 0).all() and (notes["end"] <= found.end).all()
  assert ((notes["pitch"] >= 0) & (notes["pitch"] <= 127)).all()
  assert (found.tempos[1] > 0).all() and (found.meters[1] > 0).all()
  ticks, symbols = found.chords
  assert (np.diff(ticks) > 0).all() and ((symbols >= 0) & (symbols < len(chords.NAMES))).all()


def make_samples(folder):
  for name in ("60.wav", "61.wav", "b 62.wav"):
    (folder / name).write_bytes(b"RIFF")
  (folder / "part.sfz").write_text("<region> sample=61.wav key=61")


ENTRY = {
  "pitch": 60, "velocity": 100, "instrument_str": "bass_acoustic_000", "qualities": [0] * 10,
  "instrument_family_str": "bass", "instrument_source_str": "acoustic",
}  # fmt: skip


def make_nsynth(folder):
  for split in ("train", "valid"):
    (folder / f"nsynth-{split}" / "audio").mkdir(parents=True)
    for name in ("a", "b"):
      (folder / f"nsynth-{split}" / "audio" / f"{split}-{name}.wav").write_bytes(b"RIFF")
    content = {f"{split}-{name}": ENTRY for name in ("a", "b")}
    (folder / f"nsynth-{split}" / "examples.json").write_text(json.dumps(content))


def npz(save, **arrays):
  out = io.BytesIO()
  save(out, **arrays)
  return out.getvalue()


TABLE = 'file,pitch,velocity,instrument\n60.wav,60,100,x\n61.wav,A#3,1.0,\n"b 62.wav",62,,y z\n'
INSTRUMENT = (
  "// an instrument\n<control> default_path=./ note_offset=0\n#define $EXT wav\n"
  '<global> transpose=0 tune=3\n#include "part.sfz"\n<group> hivel=63 /* soft */\n'
  "<region> sample=60.$EXT key=c4\n<region>\nsample=b 62.wav\npitch_keycenter=62 offset=5 end=99\n"
)
SONG = (mw.tempo(0, 400_000), mw.event(0, 0xC0, 19), mw.control(0, 64, 127), mw.on(0, 60),
        mw.event(480, 64, 100), mw.off(240, 60), mw.event(0, 0xF0, 3, 1, 2, 0xF7), mw.off(200, 64),
        mw.control(100, 64, 0), mw.meta(0, 0x59, 2, 0), mw.control(0, 123, 0))  # fmt: skip
CONFIG = {
  "version": __version__,
  "seed": 0,
  "data": {"name": "folder_notes", "dir": None},
  "model": {"name": "conv2d", "latent_dim": 8},
  "method": {"name": "vae"},
}
LABEL_TABLE = {
  "vocabulary": np.asarray(labels.make_vocabulary(["a", "b"]).to_json()),
  "count": np.asarray(20),
  **{f"label_{name}": np.arange(20) for name in notes.BATCH_LABELS},
}

MUSICXML = (
  b'<score-partwise><part-list><score-part id="P1"><midi-instrument id="I"><midi-channel>1'
  b"</midi-channel></midi-instrument></score-part></part-list>"
  b'<part id="P1"><measure><attributes><divisions>4</divisions><time><beats>4</beats>'
  b"<beat-type>4</beat-type></time><transpose><chromatic>-2</chromatic></transpose></attributes>"
  b"<harmony><root><root-step>B</root-step><root-alter>-1</root-alter></root><kind>minor</kind>"
  b"<degree><degree-value>5</degree-value><degree-alter>-1</degree-alter></degree>"
  b"<offset>2</offset></harmony>"
  b'<sound tempo="90" segno="a" tocoda="b"/><note><pitch><step>C</step><alter>1</alter>'
  b"<octave>4</octave></pitch>"
  b'<duration>8</duration><tie type="start"/></note><backup><duration>4</duration></backup>'
  b'<barline><ending number="1,2" type="start"/><repeat direction="backward" times="3"/></barline>'
  b'</measure><measure><sound coda="b" dalsegno="a" fine="yes"/></measure></part>'
  b"</score-partwise>"
)


KERN = (
  "**kern\t**kern\n*>[A,A]\t*>[A,A]\n*>A\t*>A\n*M4/4\t*M4/4\n*MM90\t*MM90\n"
  "=1\t=1\n2.c\t[4e 4g\n.\t2f#\n*\t*^\n12d\t4r\t8.dd\n12d\t.\t.\n"
  ".\t.\t16q\n=:|!\t=:|!\t=:|!\n*\t*v\t*v\n1%2A-\t0B\n=\t=\n*-\t*-\n"
)
LEAD_SHEET = (
  '{"melody": [[0, 1, 60], [1.0, 2.5, 64], [9, 0.25, 67]], "time_signatures": [[0, "3/4"]], '
  '"bar_onsets": [0, 1, 4, 7, 9], "chords": [[1, "C"], [2.5, "B-m7/E-"], [4, "Fine"]]}'
)


def zipped(name, content):
  out = io.BytesIO()
  with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr(name, content)
  return out.getvalue()


READERS = {
  "midi": Reader(
    "song.mid",
    (
      mw.song(mw.track(*SONG)),
      mw.song(mw.track(SONG[0]), mw.track(*SONG[1:]), mw.chunk(b"XFIH", b"abcd"), mw.track(*SONG)),
      mw.song(mw.track(*SONG), mw.track(*SONG), kind=2, division=0xE728),
      mw.riff(mw.song(mw.track(*SONG), kind=0)),
    ),
    (b"MTrk", b"MThd", b"\xff\x2f\0", b"\xff\x51", b"\xf0", b"\xff\xff\xff\x7f", b"\xb0\x42\x7f"),
    read_song,
  ),
  "musicxml": Reader(
    "song.musicxml",
    (MUSICXML, MUSICXML.decode().encode("utf-16"), zipped("a.xml", MUSICXML)),
    (b"<!DOCTYPE", b"<measure>", b"<chord/>", b"9" * 5000, b"-", b"&amp;", b"<a>", b"1e999", b"\0"),
    lambda path: check_piece(musicxml.parse(path.read_bytes()).piece),
  ),
  "kern": Reader(
    "song.krn",
    (KERN.encode(), KERN.replace("\n", "\r\n").encode("utf-8-sig")),
    (b"*^", b"*v", b"*-", b"*+", b"\t", b"\n", b".", b"*>[A,A]", b"=:|!", b"9" * 5000, b"0" * 99,
     b"%0", b"4c", b"[", b"\xff"),
    lambda path: check_piece(kern.parse(path.read_bytes().decode("latin-1")).piece),
  ),
  "lead sheet": Reader(
    "song.jsonl",
    (LEAD_SHEET.encode(), json.dumps(json.loads(LEAD_SHEET), indent=1).encode()),
    (b"[", b"{", b'"', b"NaN", b"-1e999", b"9" * 5000, b"[" * 5000, b"\xff", b"null", b",0"),
    lambda path: check_piece(lead_sheet.parse(path.read_bytes().decode("latin-1")).piece),
  ),
  "table": Reader(
    "labels.csv",
    (TABLE.encode(), TABLE.replace(",", ";").encode("utf-16"), b"\xef\xbb\xbf" + TABLE.encode()),
    (b'"', b",", b";", b"\t", b"\n", b"\0", b"\xff\xfe", b"sep=", b"9" * 5000, b"\xb2", b"\\"),
    read_labels(folder_labels.from_table),
    make_samples,
  ),
  "sfz": Reader(
    "own.sfz",
    (INSTRUMENT.encode(), INSTRUMENT.replace("\n", "\r\n").encode("latin-1")),
    (b'#include "own.sfz"\n', b"#include", b"#define $A $A$A\n", b"<region>", b"<group>", b"=",
     b"//", b"/*", b"*/", b"$EXT", b"sample=", b"key=-1", b"\0", b"9" * 5000, b"tune=1e999 "),
    read_labels(folder_labels.from_sfz),
    make_samples,
  ),
  "examples": Reader(
    "nsynth-train/examples.json",
    tuple(json.dumps({"train-a": ENTRY, "train-b": ENTRY}, indent=i).encode() for i in (None, 2)),
    (b"[", b"{", b'"', b"NaN", b"-1e999", b"9" * 5000, b"[" * 5000, b"\xff", b"\\ud800"),
    lambda path: nsynth_wav.read_folder(str(path.parent.parent)),
    make_nsynth,
  ),
  "config": Reader(
    config_file.FILENAME,
    (json.dumps(CONFIG).encode(), json.dumps(CONFIG, indent=2).encode("utf-16")),
    (b"[", b"{}", b'"', b"NaN", b"9" * 5000, b"[" * 5000, b"\xff", b'".":', b'"model":{"model":1}'),
    lambda path: config_file.load(str(path.parent)),
  ),
  "results": Reader(
    evaluate.RESULTS,
    (json.dumps({"step": 5, "eval": {"loss": 0.5}}).encode(),),
    (b"[", b"{}", b'"', b"NaN", b"9" * 5000, b"[" * 5000, b"\xff"),
    lambda path: evaluate.load_results(str(path.parent)),
  ),
  "labels": Reader(
    label_table.FILENAME,
    (npz(np.savez_compressed, **LABEL_TABLE), npz(np.savez, **LABEL_TABLE)),
    (b"PK\1\2", b"PK\3\4", b"\x93NUMPY", b"|O", b"(999999999999,)"),
    lambda path: label_table.load(str(path.parent)),
  ),
  "statistics": Reader(
    feature_statistics.FILENAME,
    (npz(np.savez, mean=np.zeros(20, np.float32), std=np.ones(20, np.float32)),),
    (b"PK\1\2", b"PK\3\4", b"\x93NUMPY", b"|O", b"(999999999999,)"),
    lambda path: feature_statistics.load(str(path.parent)),
  ),
}  # fmt: skip


def mutate(content: bytes, words: tuple[bytes, ...], rng: random.Random) -> bytes:
  """What one to four accidents make of a file."""
  data = bytearray(content)
  for _ in range(rng.choice((1, 1, 2, 4))):
    at, other = (rng.randrange(len(data) + 1) for _ in range(2))
    begin, end = sorted((at, other))
    few = at + rng.choice((1, 2, 4, 8))
    value = rng.choice(_EXTREMES)
    match rng.randrange(9):
      case 0 if at < len(data):
        data[at] ^= 1 << rng.randrange(8)
      case 1 if at < len(data):
        data[at] = value & 0xFF
      case 2:
        del data[at:]
      case 3:
        del data[at:few]
      case 4:
        data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 8, 100))))
      case 5:
        data[end:end] = data[begin:end] * rng.choice((1, 1, 3))
      case 6:
        data[at : at + 4] = struct.pack(rng.choice("<>") + "I", value)
      case 7:
        data[at : at + 2] = struct.pack(rng.choice("<>") + "H", value & 0xFFFF)
      case 8:
        data[at:at] = rng.choice(words) * rng.choice((1, 1, 1, 40))
  return bytes(data)


class TookTooLongError(BaseException):
  """No error that a reader would catch."""


@contextlib.contextmanager
def bounds():
  """Ends what takes too long, and fails what takes too much memory."""

  def stop(*_):
    raise TookTooLongError

  before = signal.signal(signal.SIGALRM, stop)
  signal.setitimer(signal.ITIMER_REAL, _SECONDS)
  tracemalloc.start()
  try:
    yield
    assert tracemalloc.get_traced_memory()[1] < _MEGABYTES * 2**20
  finally:
    tracemalloc.stop()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def check(reader: Reader, path: pathlib.Path) -> bool:
  """Whether a file is read; what is not must be refused in one line that can be printed."""
  try:
    with bounds():
      reader.read(path)
  except errors.UserError as e:
    message = str(e)
    assert message and len(message.splitlines()) == 1, message
    message.encode()
    return False
  return True


def run(name, folder, cases):
  reader = READERS[name]
  path = folder / reader.name
  path.parent.mkdir(parents=True, exist_ok=True)
  reader.prepare(folder)
  for content in reader.contents:
    path.write_bytes(content)
    assert check(reader, path), content
  read = 0
  for case in cases:
    rng = random.Random(case)
    content = mutate(rng.choice(reader.contents), reader.words, rng)
    path.write_bytes(content)
    try:
      read += check(reader, path)
    except BaseException as e:
      pytest.fail(f"{name}, case {case}, {content[:2000]!r}: {type(e).__name__} {e}")
  assert 0 < read or name == "statistics"  # Or nothing has been tried but what is refused at once.


@pytest.mark.parametrize("name", READERS)
def test_no_accident_to_a_file_is_more_than_one_line(name, tmp_path):
  run(name, tmp_path, range(CASES))


@pytest.mark.slow  # Its quicker sibling is the test above.
@pytest.mark.parametrize("name", READERS)
def test_no_accident_of_many_is_more_than_one_line(name, tmp_path):
  run(name, tmp_path, range(CASES, CASES + MANY))
