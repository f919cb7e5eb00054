from conftest import run_module
import numpy as np
import pytest

from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import sources
from cvae_jax.data import statistics


class Source(sources.Source):
  """Four notes: a sine of full scale, a soft one with an offset, a clipped one, a silent one."""

  def __init__(self):
    t = np.arange(labels.NUM_SAMPLES) / labels.SAMPLE_RATE
    sine = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    self.audio = [0.9 * sine, 0.01 * sine + 0.25, np.clip(3 * sine, -1, 1), 1e-5 * sine]
    self.form, self.vocabulary = labels.FORM, labels.make_vocabulary(["a", "b", "c"])
    self.labels = {
      "id": np.asarray(["a", "b", "c", "d"]),
      "family": np.asarray([0, 0, 0, 3]),
      "source": np.asarray([0, 2, 0, 1]),
      "instrument": np.asarray([0, 1, 0, 2]),
      "pitch": np.asarray([69, 60, 50, 40]),
      "velocity": np.asarray([25, 50, 25, 127]),
      "qualities": np.zeros((4, 10)),
    }

  def stored(self, index, seed=None):
    return {"audio": self.audio[index]}


def test_levels_are_measured_without_the_offset():
  split = statistics.measure(Source(), 100)
  rms = [20 * np.log10(a / 2**0.5) for a in (0.9, 0.01)]
  np.testing.assert_allclose(split.level_db[:2], rms, atol=0.01)
  np.testing.assert_allclose(split.offset, [0, 0.25, 0, 0], atol=1e-6)
  np.testing.assert_allclose(split.peak_db[0], 20 * np.log10(0.9), atol=0.01)
  assert split.clipped.tolist() == [False, False, True, False]
  assert split.silent.tolist() == [False, False, False, True]


def test_the_table_counts_by_family():
  split = statistics.measure(Source(), 100)
  table, header = statistics.make_table(split), statistics.make_header(split)
  assert header[:6] == ["family", "examples", "pitch", "velocity", "source", "instrument"]
  assert [row[:6] for row in table] == [
    ["bass", "3", "50, 60, 69", "25, 50", "acoustic, synthetic", "2 distinct"],
    ["guitar", "1", "40", "127", "electronic", "1 distinct"],
    ["all", "4", "40, 50, 60, 69", "25, 50, 127", "acoustic, electronic, synthetic", "3 distinct"],
  ]
  assert [row[7:] for row in table] == [["0", "1"], ["1", "0"], ["1", "1"]]
  text = statistics.format_table(table, header).splitlines()
  cells = ("velocity", "25, 50", "127", "25, 50, 127")
  assert len({line.index(c) for line, c in zip(text, cells, strict=True)}) == 1


def test_some_of_many_notes_are_measured():
  split = statistics.measure(Source(), 2)
  assert split.labels["id"].tolist() == ["a", "d"] and split.level_db.size == 2


def test_prepare_says_what_is_there_and_draws_it(tmp_path, tfds_dir):
  done = run_module("cvae_jax.prepare", "synth_notes/tiny", f"--data_dir={tfds_dir}")
  assert done.returncode == 0, done.stderr
  assert "train: 108 examples" in done.stdout and "valid: 54 examples" in done.stdout
  row = next(line.split() for line in done.stdout.splitlines() if line.startswith("bass"))
  assert row[:2] == ["bass", "36"]
  figure = done.stdout.split("figure  ")[1].split()[0]
  assert open(figure, "rb").read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
  "arguments,says",
  [
    ([], "give the name of one data set, such as synth_notes, got 0"),
    (["piano"], "data.name must be one of drums, folder_notes, folder_scores, "),
    (["synth_notes/huge"], "variant of synth_notes must be one of default, tiny"),
    (
      ["nsynth_wav", "--config.data.storage=int8", "--config.data.dir=."],
      "data.storage must be one",
    ),
    (["synth_notes", "--config.data.storage=int8"], "there is no field data.storage of data.name="),
    (["synth_notes", "--nonsense"], "nonsense"),
  ],
)
def test_what_prepare_cannot_do_is_one_line(tmp_path, arguments, says):
  done = run_module("cvae_jax.prepare", *arguments, f"--data_dir={tmp_path}")
  assert done.returncode == 2 and done.stderr.count("\n") == 1
  assert done.stderr.startswith("error: ") and says in done.stderr
  assert not list(tmp_path.iterdir())


def test_what_is_stored_as_16_bits_is_clipped_and_not_wrapped():
  audio = np.zeros(labels.NUM_SAMPLES, np.float32)
  audio[:3] = 1.0, -1.0, 1.5
  stored = np.frombuffer(notes.encode_audio(audio).item(), np.int16)
  assert stored[:4].tolist() == [32767, -32768, 32767, 0]
