"""Tables and SFZ instruments as the world writes them."""

import os
import pathlib
import struct
import time
import unicodedata

from conftest import one_line
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data.folders import folder_labels
from cvae_jax.data.folders import label_text
from cvae_jax.data.folders import sfz
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import instrument as instrument_lib


@pytest.fixture
def folder(tmp_path):
  """A folder with samples that are named by their pitches."""
  for name in ["60.wav", "61.wav", "62.wav", "sub/60.wav", "sub/61.wav", "a=b.wav", "x y=2.wav",
               "Été.wav", "F#3.wav"]:  # fmt: skip
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"RIFF")
  return tmp_path


def table(folder, content):
  """(file, pitch, velocity) of a table's rows, all of whose files are there."""
  path = folder / "labels.csv"
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  rows = folder_labels.from_table(str(path))
  return [shown(folder, row) for row in rows]


def instrument(folder, content):
  """(file, pitch, velocity) of an instrument's samples, all of which are there."""
  path = folder / "Piano.sfz"
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  rows = folder_labels.from_sfz(str(path))
  assert all(row.labels["instrument"] == "Piano" for row in rows)
  return [shown(folder, row) for row in rows]


def shown(folder, row):
  file = pathlib.Path(row.path)
  assert file.is_file(), row
  numbers = [
    parse(row.labels[field]) if field in row.labels else None
    for field, parse in (
      ("pitch", folder_labels.parse_pitch),
      ("velocity", folder_labels.parse_velocity),
    )
  ]
  return (str(file.relative_to(folder)), *numbers)


THREE = [("60.wav", 60, 100), ("61.wav", 61, 1), ("62.wav", 62, None)]
PLAIN = "file,pitch,velocity\n60.wav,60,100\n61.wav,61,1\n62.wav,62,\n"


@pytest.mark.parametrize(
  "content",
  [
    PLAIN,
    PLAIN.replace("\n", "\r\n"),
    PLAIN.replace("\n", "\r"),  # Excel of old Macs
    PLAIN.replace(",", ";"),
    PLAIN.replace(",", "\t"),
    PLAIN.replace(",", " ; "),
    PLAIN.replace(",60,", ",60.0,").replace(",100", ",100.0").replace(",1\n", ",1.00\n"),
    PLAIN.replace(",", ";").replace(";60;", ";60,0;").replace(";100", ";100,"),
    PLAIN.replace("file,pitch", "File, PITCH "),
    PLAIN.replace("60.wav", " 60.wav ").replace(",60,", ", 60 ,"),
    PLAIN.replace("60.wav", '"60.wav"').replace(",60,", ', "60" ,'),
    PLAIN.replace("62.wav,62,\n", "\n,,\n62.wav,62,\n\n"),
    PLAIN.replace("62,\n", "62,NaN\n"),
    PLAIN.replace("velocity\n", "velocity,,\n"),  # Excel's columns that were once used
    PLAIN.replace("\n", ",,\n"),
    ",file,pitch,velocity\n0,60.wav,60,100\n1,61.wav,61,1\n2,62.wav,62,\n",  # pandas
    "Unnamed: 0,file,pitch,velocity\n0,60.wav,60,100\n1,61.wav,61,1\n2,62.wav,62,\n",
    "pitch,velocity,file\n60,100,60.wav\n61,1,61.wav\n62,,62.wav\n",
    "sep=;\n" + PLAIN.replace(",", ";"),
    "\ufeff" + PLAIN,
    PLAIN.encode("utf-16"),
    PLAIN.replace(",", "\t").encode("utf-16-le"),
    PLAIN.encode("utf-16-be"),
    PLAIN.encode("utf-32"),
  ],
)
def test_a_table_is_read_as_excel_and_pandas_write_it(folder, content):
  assert table(folder, content) == THREE


@pytest.mark.parametrize(
  "name,found",
  [
    ("sub\\60.wav", "sub/60.wav"),
    ("SUB\\60.WAV", "sub/60.wav"),
    (".\\Sub/../sub//60.wav", "sub/60.wav"),
    ("ÉTÉ.WAV", "Été.wav"),
    (unicodedata.normalize("NFD", "Été.wav"), "Été.wav"),
    ("Été.wav".encode("latin-1"), "Été.wav"),
  ],
)
def test_a_name_is_found_as_another_system_writes_it(folder, name, found):
  name = name if isinstance(name, bytes) else name.encode()
  for rows in (
    table(folder, b"file,pitch\n" + name + b",60\n"),
    instrument(folder, b"<region> key=60 sample=" + name),
  ):
    assert len(rows) == 1 and rows[0][1] == 60 and (folder / rows[0][0]).samefile(folder / found)


def test_a_name_that_fits_several_files_is_none_of_them(folder):
  (folder / "60.WAV").write_bytes(b"RIFF")
  assert table(folder, "file\n60.WAV\n60.wav\n") == [("60.WAV", None, None), ("60.wav", None, None)]
  (folder / "labels.csv").write_text("file\n60.Wav\n")
  assert folder_labels.from_table(str(folder / "labels.csv"))[0].path == str(folder / "60.Wav")


@pytest.mark.parametrize(
  "content,says",
  [
    ("pitch,file\n60,60.wav\n61,61.wav\n62\n", "row 4: it has 1 cells, the header has 2"),
    ("pitch,file\n60,60.wav\n\n61,61.wav,5\n", "row 4: it has 3 cells, the header has 2"),
    ("file,pitch\n60.wav,60\n,61\n", "row 3: it has no file"),
    ("file,pitch\n60.wav,60\n61.wav\0,61\n", "row 3 holds a NUL"),
    ('file,pitch\n60.wav,60\n"61\n.wav",61\n', "row 3: the column file has a line break"),
    ('file,instrument\n60.wav,"piano\n61.wav,piano\n',
     "row 2: the column instrument has a line break"),
    ("file,pitch\n60.wav,60\n61.wav,61\n./60.wav,62\n60.wav,62\n",
     "row 4: ./60.wav is listed twice, first in row 2"),
    ("file,Pitch,pitch\n60.wav,60,60\n", "row 1: the column 'pitch' is there twice"),
    ("file,tune\n60.wav,60\n", "must have a column 'file' and any of family, source, instrument"),
    ("name;pitch\n60.wav;60\n", "got name, pitch"),
    ("", "got nothing"),
    ("\n \n", "got nothing"),
    ("file,pitch\n", "has no row below its header"),
    ("file,instrument\n60.wav," + "x" * 200_000, "row 2: field larger than field limit"),
    (b"\xff\xfea", "cannot be read: "),
    ("sep=", "got nothing"),
  ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_named_by_its_number(folder, content, says):
  with pytest.raises(errors.UserError) as error:
    table(folder, content)
  assert says in one_line(error) and "labels.csv" in one_line(error)


@pytest.mark.parametrize("name", ["labels.csv", "labels.sfz"])
def test_what_is_too_large_or_no_file_is_one_line(folder, monkeypatch, name):
  read = folder_labels.from_sfz if name.endswith("sfz") else folder_labels.from_table
  path = folder / name
  for make, says in (
    (lambda: None, "No such file or directory"),
    (path.mkdir, "it is not a file"),
    (lambda: (path.rmdir(), os.mkfifo(path)), "it is not a file"),
    (lambda: (path.unlink(), os.symlink("/dev/zero", path)), "it is not a file"),
    (lambda: (path.unlink(), path.write_bytes(b" " * 3_000_000)), "it is larger than 1 MB"),
  ):
    make()
    monkeypatch.setattr(label_text, "MAX_BYTES", 2**20)
    with pytest.raises(errors.UserError, match=f"{name} cannot be read: {says}") as error:
      read(str(path))
    one_line(error)


def test_includes_are_of_a_size_together(folder, monkeypatch):
  monkeypatch.setattr(sfz, "_MAX_CHARACTERS", 10_000)
  (folder / "leaf.sfz").write_text("<region> sample=60.wav\n" * 40)
  assert instrument(folder, '#include "leaf.sfz"\n' * 8)
  with pytest.raises(errors.UserError, match="it includes more than .* 10000 characters") as error:
    instrument(folder, '#include "leaf.sfz"\n' * 12)
  one_line(error)


@pytest.mark.parametrize("text", ["10²", "1e2", "100.5", "-1", "128", "9" * 5000, "", "x"])
def test_what_is_no_velocity_is_one_line(text):
  with pytest.raises(errors.UserError, match="velocity must be 0-127, got") as error:
    folder_labels.parse_velocity(text)
  one_line(error)


@pytest.mark.parametrize("text", ["9" * 5000, "C" + "9" * 5000, "C-" + "9" * 3, "²", "-60.0"])
def test_pitches_of_any_length_are_refused(text):
  with pytest.raises(errors.UserError, match="pitch must be"):
    folder_labels.parse_pitch(text)


def regions(template, names=("60", "61", "62")):
  return "".join(template.format(n=n, p=int(n)) + "\n" for n in names)


@pytest.mark.parametrize(
  "content",
  [
    regions("<region> sample={n}.wav pitch_keycenter={n}"),
    regions("<region> sample={n}.WAV pitch_keycenter={n}"),
    regions("<REGION>sample={n}.wav key={n}<group>"),
    "#define $EXT wav\n" + regions("<region> sample={n}.$EXT pitch_keycenter={n}"),
    "#define $E w\n#define $EX wa\n#define $DIR ./\n"
    + regions("<region> sample=$DIR{n}.$EXv key={n}"),
    "#define $A 6\n#define $B $A\n<region> sample=$B0.wav key=$B0\n<region> sample=$B1.wav key=61\n"
    "<region> sample=$B2.wav key=$B2\n",
    "".join(f"#define $K {n}\n<region> sample=$K.wav key=$K\n" for n in (60, 61, 62)),
    "#define $OP key\n" + regions("<region> sample={n}.wav $OP={n} // a comment"),
    regions("<region> sample={n}.wav key={n}") + "<region> sample=60.wav key=-1 trigger=release\n",
    "<group> trigger=release <region> sample=sub/60.wav key=60\n<group>\n"
    + regions("<region> sample={n}.wav key={n}"),
    regions("<region> sample={n}.wav key={n}") + "<region> sample=sub/60.wav on_locc64=126\n"
    + "<region> sample=sub/61.wav end=-1\n<region> sample=*sine key=3\n<region> sample=\n",
    regions("<region> sample={n}.wav key={n} hikey=63\n<region> sample={n}.wav key={n} hivel=9"),
    regions("<region> sample={n}.wav lokey={n} pitch_keycenter={n}\n"
            "<region> sample={n}.WAV lokey=99 pitch_keycenter={n}"),
    regions("<region> sample={n}.wav key={n}//a comment\n//<region> sample=sub/60.wav key=3"),
    regions("<region> key={n} /* <region> sample=no.wav\n */ sample={n}.wav // sample=no.wav"),
    regions("<region> key={n} sample={n}.wav // */ a comment /* of its own"),
    "<control> default_path=.\\\n" + regions("<region> sample=\\{n}.wav key={n}"),
    "<global> pitch_keycenter=48\n" + regions("<region> sample={n}.wav key={n}"),
    "<global> key=48\n" + regions("<region> sample={n}.wav key=12 pitch_keycenter={n}"),
    # What the player adds to a key.
    "<global> transpose=12\n" + "".join(
      f"<region> sample={p}.wav key={p + 12} pitch_keycenter={p + 12}\n" for p in (60, 61, 62)),
    "<control> octave_offset=-1\n" + "".join(
      f"<region> sample={p}.wav key={p + 12}\n" for p in (60, 61, 62)),
    "<control> note_offset=-12 octave_offset=1\n" + regions("<region> sample={n}.wav key={n}"),
    "<group> tune=100\n" + "".join(f"<region> sample={p}.wav key={p + 1}\n" for p in (60, 61, 62)),
    "<group> tune=-70 master_tune=20 pitch=-60.0\n"
    + "".join(f"<region> sample={p}.wav key={p}\n" for p in (60, 61, 62)),
    "<global> pitch_keytrack=0 pitch_keycenter=48\n" + regions("<region> sample={n}.wav key={n}"),
    regions("<region> sample={n}.wav key={n}").replace("\n", "\r"),
    regions("<region> sample={n}.wav key={n}").encode("utf-16"),
    b"// Fl\xfcgel\n" + regions("<region> sample={n}.wav key={n}").encode(),
    "<region> sample=60.wav key=c4\n<region> sample=61.wav key=c#4\n<region> sample=62.wav key=D4",
  ],
)  # fmt: skip
def test_an_instrument_is_read_as_players_read_it(folder, content):
  assert instrument(folder, content) == [(f"{p}.wav", p, None) for p in (60, 61, 62)]


@pytest.mark.parametrize(
  "name", ["sub//60.wav", "a=b.wav", "x y=2.wav", "Été.wav", "F#3.wav", "sub/../60.wav"]
)
def test_a_sample_may_have_any_name(folder, name):
  for line in (f"sample={name} key=60 lovel=1", f"key=60 sample={name} // {name}"):
    rows = instrument(folder, f"<region> {line}\n")
    assert len(rows) == 1 and rows[0][1] == 60
    assert (folder / rows[0][0]).samefile(folder / name)
  rows = instrument(folder, f"<region> sample={name}".encode("latin-1"))
  assert (folder / rows[0][0]).samefile(folder / name)


@pytest.mark.parametrize(
  "highest,velocity", [("127.5", 127), ("63.9", 63), ("128", 127), ("100", 100), ("1e3", None)]
)
def test_the_highest_velocity_may_have_fractions(folder, highest, velocity):
  content = f"<region> sample=60.wav key=60 hivel={highest}"
  if velocity is None:
    with pytest.raises(errors.UserError, match="velocity must be 0-127, got '1e3'"):
      instrument(folder, content)
  else:
    assert instrument(folder, content) == [("60.wav", 60, velocity)]


def test_what_regions_do_not_agree_on_is_left_to_be_measured(folder):
  content = "<group> sample=60.wav <region> key=60 <region> key=61\n"
  assert instrument(folder, content) == [("60.wav", None, None)]
  for centre in ("pitch_keycenter=sample", "pitch_keytrack=0 pitch_keycenter=60", "key=-1"):
    assert instrument(folder, f"<region> sample=60.wav {centre}") == [("60.wav", None, None)]


def test_a_sample_may_say_its_note_itself(folder):
  def wav(name, *chunks):
    body = b"WAVE"
    for kind, content in chunks:
      body += kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    (folder / name).write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)

  root = struct.pack("<9I", 0, 0, 62_500, 53, 0, 0, 0, 0, 0)
  wav("60.wav", (b"fmt ", b"\0" * 16), (b"LIST", b"odd"), (b"data", b"\0" * 100), (b"smpl", root))
  wav("61.wav", (b"fmt ", b"\0" * 16), (b"data", b"\0" * 100))
  wav("62.wav", (b"smpl", root[:12] + b"\xff" * 4))
  content = regions("<region> sample={n}.wav lokey={n} pitch_keycenter=sample transpose=12")
  found = instrument(folder, content + "<region> sample=a=b.wav pitch_keycenter=sample")
  assert [pitch for _, pitch, _ in found] == [53, None, None, None]


def test_our_own_instruments_are_read(folder):
  keys = [instrument_lib.Key(p, v, np.zeros(9), None) for p in (60, 61) for v in (50, 127)]
  for key in keys:
    (folder / formats.file_name(key)).write_bytes(b"RIFF")
  found = instrument(folder, formats.to_sfz(keys, 16_000, "ours"))
  assert sorted(found) == [(formats.file_name(k), k.pitch, k.velocity) for k in keys]


def test_a_sample_that_is_cut_is_as_many_notes(folder):
  path = folder / "cut.sfz"
  path.write_text(
    "<group> sample=60.wav <region> key=60 end=15999 <region> key=61 offset=16000 end=31999\n"
    "<region> key=62 offset=32000 <region> key=60 offset=0 end=15999\n"
  )
  rows = folder_labels.from_sfz(str(path))
  assert [(r.offset, r.end, r.labels["pitch"]) for r in rows] == [
    (0, 16_000, "60"), (16_000, 32_000, "61"), (32_000, None, "62")]  # fmt: skip
  assert len({row.name for row in rows}) == 3 and len({row.path for row in rows}) == 1


def test_a_wrong_number_is_the_files_own_reason(folder):
  path = folder / "own.sfz"
  path.write_text("<region> sample=60.wav key=60 transpose=much <region> sample=61.wav key=H2")
  pitches = [row.labels["pitch"] for row in folder_labels.from_sfz(str(path))]
  assert pitches == ["60 with transpose=much", "H2"]


def test_files_are_included(folder):
  (folder / "maps").mkdir()
  (folder / "maps" / "low.txt").write_text('<region> sample=60.wav key=60\n#include "more.sfz"\n')
  (folder / "maps" / "more.sfz").write_text("<region> sample=$NAME.wav\n")
  (folder / "settings.sfzh").write_text("transpose=1")
  content = (
    '#define $NAME 61\n<global> #include "settings.sfzh" // which apply\n'
    '#include "Maps\\LOW.txt"\nkey=62\n#include "maps//low.txt"'
  )
  assert instrument(folder, content) == [("60.wav", 59, None), ("61.wav", None, None)]


@pytest.mark.parametrize(
  "content,says",
  [
    ('#include "none.sfz"', "its #include of 'none.sfz' is not a file"),
    ('#include "sub"', "its #include of 'sub' is not a file"),
    ('#include "Piano.sfz"', "its #include is circular: Piano.sfz > Piano.sfz"),
    ('#include "one.sfz"', "circular: Piano.sfz > one.sfz > two.sfz > one.sfz"),
    ('#include "/dev/zero"', "is not a file"),
    ("<region> sam ple=60.wav", "has no <region> with a sample"),
    ("<region> sample=" + "a" * 5000, "a value is longer than 4096 characters"),
    ("#define $A0 " + "a" * 100 + "\n" + "".join(
      f"#define $A{i + 1} $A{i}$A{i}\n" for i in range(60)), "longer than 4096 characters"),
    ("<region> sample=60.wav\0", "row 1 holds a NUL"),
    ("".join('#include "leaf.sfz"\n' for _ in range(1200)), "more than 1000 files"),
  ],
)  # fmt: skip
def test_an_instrument_that_cannot_be_read_is_one_line(folder, content, says):
  (folder / "one.sfz").write_text('#include "two.sfz"')
  (folder / "two.sfz").write_text('#include "one.sfz"')
  (folder / "leaf.sfz").write_text("<region> sample=60.wav\n")
  with pytest.raises(errors.UserError) as error:
    instrument(folder, content)
  assert says in one_line(error) and "Piano.sfz" in one_line(error)


def test_includes_end_at_a_depth(folder):
  for i in range(40):
    (folder / f"{i}.sfz").write_text(f'#include "{i + 1}.sfz"\n#include "{i + 1}.sfz"\n')
  with pytest.raises(errors.UserError, match="nested more than 16 deep"):
    instrument(folder, '#include "0.sfz"')


@pytest.mark.parametrize(
  "content",
  ["/*" * 500_000, "a//b" * 250_000, "sample=" + "a//b " * 200_000, "<" * 1_000_000,
   " " * 1_000_000, "a" * 1_000_000, "$" * 1_000_000, "key=1 " * 60_000,
   "<region>sample=a b" * 20_000, '#include "' * 100_000, "a=" * 500_000, "#define $A \n" * 80_000,
   "<region>sample=a key=1 lokey=1 hikey=1\n" * 8000],
)  # fmt: skip
def test_no_text_takes_long(tmp_path, content):
  path = tmp_path / "long.sfz"
  path.write_text(content)
  started = time.monotonic()
  try:
    sfz.read_regions(str(path))
  except errors.UserError:
    pass
  assert time.monotonic() - started < 10
