import base64
import html.parser
import io
import json
import math
import os
import re
import shutil

from conftest import get_config
from conftest import one_line
from conftest import run_module
import numpy as np
import pytest
import soundfile

from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.evaluation import drawing
from cvae_jax.evaluation import result_tables
from cvae_jax.report import __main__ as report
from cvae_jax.report import maps
from cvae_jax.report import page
from cvae_jax.report import side_by_side


def results(lsd, frechet=None, **more):
  made = {"step": 10, "eval": {"lsd_db": lsd, "rmse_db": 5.0}, **more}
  if frechet is not None:
    made["generation"] = {
      "generated": {"frechet": frechet, "diversity": 1.0},
      "ceiling": {"frechet": 2.0},
      "floor": {"frechet": 99.0},
    }
  return made


def table_of(title, *runs):
  section = next(s for s in result_tables.SECTIONS if s.title == title)
  return result_tables.make_table(section, [f"run {i}" for i in range(len(runs))], runs)


def test_every_measure_says_its_direction_or_has_none():
  titles = [m.title for s in result_tables.SECTIONS for m in s.measures]
  assert len({(s.title, m.path) for s in result_tables.SECTIONS for m in s.measures}) == len(titles)
  # What an arrow would be wrong for: sizes, and what depends on what is wanted.
  without = {t for t in titles if not t.endswith(("↑", "↓"))}
  assert without == {
    "KL, nats", "KL, bits", "active dimensions", "brightness follows velocity",
    "diversity within a condition",
    "distance to the nearest training sound", "parameters", "steps", "seconds", "release, dB",
    "last 50 ms under the peak, dB", "power between partials, dB", "copies of training windows, %",
  }  # fmt: skip


def test_what_no_section_names_is_shown_all_the_same():
  made = results(1.0, probes={"kind": 0.5, "kind_chance": 0.1, "kind_of_mean": 0.6})
  made["eval"] |= {"critic_loss": 0.25, "kl": 3.0}
  made["generation"] = {
    "generated": {"kind_agreement": 0.75, "own_measure": 2.0, "frechet": 1.0},
    "ceiling": {"kind_agreement": 1.0},
  }
  rows = lambda title: {row[0]: row[1:] for row in table_of(title, made).rows}
  assert rows("Labels in the code") == {"kind, %": ["50.0", "10.0"]}
  assert rows("Generation")["kind accuracy, % ↑"] == ["75.0", "100.0"]
  assert rows("Generation")["own measure"] == ["2.000", "-"]
  assert rows("Other metrics") == {"critic loss": ["0.2500"]}  # The others have their places.


def test_the_best_of_a_row_is_marked_and_bounds_are_no_runs():
  found = table_of("Generation", results(1.0, 30.0), results(2.0, 20.0), results(3.0))
  assert found.header == ["", "run 0", "run 1", "run 2", "ceiling", "floor"]
  rows = {row[0]: (row[1:], best) for row, best in zip(found.rows, found.best, strict=True)}
  assert rows["Fréchet distance ↓"] == (["30.0", "20.0", "-", "2.0", "99.0"], {2})
  assert rows["diversity within a condition"] == (["1.0", "1.0", "-", "-", "-"], set())
  alone = table_of("Reconstruction, in the model's features", results(1.0))
  assert alone.header == ["", "run 0"] and alone.best == [set(), set()]
  same = table_of("Reconstruction, in the model's features", results(1.0), results(1.0))
  assert same.best == [set(), set()]
  assert table_of("Disentanglement", results(1.0)) is None


def test_a_pca_of_any_size_is_a_bound():
  bounds = {"pca_64": {"lsd_db": 3.0, "rmse_db": 4.0}, "mean": {"lsd_db": 9.0, "rmse_db": 9.5}}
  found = table_of("Reconstruction, in the model's features", results(1.0, baselines=bounds))
  assert found.rows[0] == ["log-spectral distance, dB ↓", "1.00", "3.00", "9.00"]


def test_markdown_has_the_numbers_and_the_best_in_bold():
  text = result_tables.to_markdown([table_of("Generation", results(1, 30.0), results(2, 20.0))])
  assert "| Fréchet distance ↓ | 30.0 | **20.0** | 2.0 | 99.0 |" in text


def test_the_terminal_has_the_same_tables_with_their_bounds_under_their_titles():
  bounds = {"pca_64": {"lsd_db": 3.0, "rmse_db": 4.0}, "mean": {"lsd_db": 9.0, "rmse_db": 9.5}}
  pitch = {"generated": 0.5, "data": 0.75, "notes": 8}
  made = results(1.0, 30.0, baselines=bounds, pitch=pitch, notes=66, split="valid")
  lines = result_tables.describe(made).splitlines()
  assert lines[0] == "on 66 held-out examples (valid):"
  column = lines[2].index("mean spectrogram")
  assert lines[3].split() == ["log-spectral", "distance,", "dB", "↓", "1.00", "3.00", "9.00"]
  assert lines[3][column:] == "9.00".rjust(len("mean spectrogram"))
  pitched = next(i for i, line in enumerate(lines) if line.startswith("  Pitch (8 examples)"))
  assert lines[pitched + 1].split()[-2:] == ["50.0", "75.0"]
  assert not any("Disentanglement" in line for line in lines)
  assert result_tables.describe({"notes": 2, "split": "test"}) == "on 2 held-out examples (test):"


def test_names_are_as_long_as_they_must_be():
  assert report.name_runs(["runs/a", "runs/b"]) == ["a", "b"]
  assert report.name_runs(["x/a/seed-0", "x/b/seed-0"]) == ["a/seed-0", "b/seed-0"]
  with pytest.raises(errors.UserError, match="given twice") as error:
    report.name_runs(["runs/a", "runs/../runs/a"])
  one_line(error)


def test_maps_keep_what_lies_together_together():
  rng = np.random.default_rng(0)
  group = np.repeat([0, 1], 30)
  codes = rng.normal(size=(60, 8)) + 20 * group[:, None]
  for one in maps.make_maps(codes):
    assert one.places.shape == (60, 2) and one.places.min() >= 0 and one.places.max() <= 1
    centre = [one.places[group == g].mean(axis=0) for g in (0, 1)]
    spread = max(one.places[group == g].std() for g in (0, 1))
    assert np.linalg.norm(centre[0] - centre[1]) > spread, one.title


def test_sounds_come_out_of_the_page_as_they_went_in():
  audio = (0.5 * np.sin(np.arange(16_000) * 0.2)).astype(np.float32)
  url = page.encode_audio(audio, 16_000, "flac")
  back, rate = soundfile.read(io.BytesIO(base64.b64decode(url.split(",")[1])))
  assert rate == 16_000 and np.abs(back - audio).max() < 1e-4
  small = page.encode_audio(audio, 16_000, "mp3")
  back, _ = soundfile.read(io.BytesIO(base64.b64decode(small.split(",")[1])))
  assert np.sqrt(np.mean(back**2)) == pytest.approx(0.5 / math.sqrt(2), rel=0.1)
  odd = page.encode_audio(audio, 17_000, "mp3")  # MP3 has no such rate.
  back, rate = soundfile.read(io.BytesIO(base64.b64decode(odd.split(",")[1])))
  assert rate == 17_000 and np.abs(back - audio).max() < 1e-4


class Parser(html.parser.HTMLParser):
  def __init__(self):
    super().__init__()
    self.open, self.counts, self.addresses = [], {}, []

  def handle_starttag(self, tag, attributes):
    self.counts[tag] = self.counts.get(tag, 0) + 1
    self.addresses += [v for k, v in attributes if k in ("src", "href")]
    if tag not in ("meta", "img", "br"):
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


def test_a_page_of_two_runs_needs_nothing_else(tiny_run, tmp_path):
  other = tmp_path / "<other> & 'that'"
  shutil.copytree(tiny_run, other)
  config = json.loads((other / "config.json").read_text())
  config["optimizer"]["learning_rate"] = 0.5
  (other / "config.json").write_text(json.dumps(config))
  out = tmp_path / "report"
  report.main([tiny_run, str(other), f"--out={out}", "--maps=12"])
  assert sorted(os.listdir(out)) == ["index.html", "report.csv", "report.md", "side_by_side.png"]
  text = (out / "index.html").read_text()
  parser = Parser()
  parser.feed(text)
  assert parser.open == [] and parser.counts["h1"] == 1
  assert parser.counts["circle"] >= 2 * 2 * 12 and parser.counts["audio"] == 2 * 2 * 3
  assert all(address.startswith("data:") for address in parser.addresses)
  assert "&lt;other&gt; &amp; &#x27;that&#x27;" in text and "<other>" not in text
  assert "optimizer.learning_rate" in text and "eval.every_steps" not in text
  data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))
  assert (
    [len(v) for v in data["sounds"].values()]
    == [12, 12]
    == [len(v) for v in data["names"].values()]
  )
  measured = json.loads(open(os.path.join(tiny_run, "results.json")).read())
  cell = f"{measured['eval']['lsd_db']:.2f}"
  assert f"<td>{cell}</td>" in text and cell in (out / "report.md").read_text()
  assert cell in (out / "report.csv").read_text()


def test_runs_are_drawn_side_by_side_by_the_notes_that_all_have(tiny_run, tmp_path, monkeypatch):
  other = tmp_path / "other"
  shutil.copytree(os.path.join(tiny_run, "samples"), other / "samples")
  shutil.copy(os.path.join(tiny_run, "config.json"), other)
  notes = sorted(
    {name.rsplit(".", 2)[0] for name in os.listdir(other / "samples") if "wav" in name}
  )
  os.remove(other / "samples" / f"{notes[0]}.original.wav")  # Another run's original is the same.
  for note in notes:  # As of an autoencoder: it makes nothing.
    os.remove(other / "samples" / f"{note}.generated.wav")
  drawn = {}
  monkeypatch.setattr(
    drawing,
    "spectrogram_grid",
    lambda rows, columns, sample_rate: drawn.update(rows=rows, columns=columns) or b"png",
  )
  assert side_by_side.draw(["a", "b"], [tiny_run, str(other)]) == b"png"
  assert drawn["columns"] == ["Original", "a reconstruction", "b reconstruction", "a generated"]
  assert len(drawn["rows"]) == len(notes)
  path = os.path.join(tiny_run, "samples", f"{notes[0]}.generated.wav")
  assert np.array_equal(drawn["rows"][0][1][3], soundfile.read(path, dtype="float32")[0])
  assert side_by_side.draw(["a"], [tiny_run]) is None
  assert side_by_side.draw(["a", "b"], [tiny_run, str(tmp_path)]) is None


@pytest.mark.parametrize(
  "arguments,says",
  [
    (["nowhere"], "nowhere holds no run"),
    (["{run}", "{run}"], "a run is given twice"),
    (["{run}", "--maps=2"], "--maps must be 0, or 4 or more, got 2"),
  ],
)
def test_what_cannot_be_reported_is_one_line(tiny_run, tmp_path, arguments, says):
  given = [a.format(run=tiny_run) for a in arguments]
  with pytest.raises(errors.UserError, match=re.escape(says)) as error:
    report.main([*given, f"--out={tmp_path / 'out'}"])
  one_line(error)
  assert not (tmp_path / "out").exists()


def test_a_run_that_was_not_measured_is_told_how(tiny_run, tmp_path):
  copied = tmp_path / "run"
  shutil.copytree(tiny_run, copied)
  (copied / "results.json").unlink()
  done = run_module("cvae_jax.report", copied, f"--out={tmp_path / 'out'}")
  assert done.returncode == 2 and done.stderr.count("\n") == 1
  assert f"python -m cvae_jax.evaluate --workdir={copied} --full writes it" in done.stderr


def test_settings_that_differ_are_shown_as_one_would_write_them(tmp_path):
  workdirs = []
  for name in ("vae", "cvae"):
    config_file.save(get_config(name), str(tmp_path / name))
    workdirs.append(str(tmp_path / name))
  assert report.differing_settings(workdirs) == {
    "condition.labels": ["none", "pitch, family, source, velocity"],
    "method.flow.clusters": ["512", "0"],
    "method.flow.steps": ["6000", "3000"],
  }
