import csv
import functools
import json
import math
import os

from conftest import ROOT
from conftest import example_batch
from conftest import make_method
from conftest import run_module
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from cvae_jax import ablate
from cvae_jax import evaluate
from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.data import pipeline
from cvae_jax.data.synthetic import factors
from cvae_jax.evaluation import ablation as ablation_lib
from cvae_jax.evaluation import tables

FILES = sorted((ROOT / "configs" / "ablations").glob("*.py"))
NAMES = {
  "depth", "latent_dim", "channels", "downsampling", "upsampling", "output_size", "representation",
  "stft_parameters", "condition", "conditioning_labels", "beta", "leakage", "reconstruction_loss",
  "refinements", "guidance", "optimizer",
}  # fmt: skip


def test_every_question_of_the_thesis_is_asked():
  assert {path.stem for path in FILES} == NAMES


def method_of_scores(config):
  """The method of a config, and a batch of the grammar's scores."""
  data = pipeline.open_data(config.data)
  keys = (data.form.key, *data.vocabulary.names)
  batch = {key: np.stack([data.train[i][key] for i in range(2)]) for key in keys}
  return methods.make_method(config, data.form, data.vocabulary, num_examples=100), batch


@functools.cache  # The base of most of them is the same.
def takes_a_step(config):
  config = ml_collections.ConfigDict(json.loads(config))
  config_check.check(config)
  if "scores" in config.data:
    method, batch = method_of_scores(config)
  else:
    method, batch = make_method(config, instruments=9, num_examples=100), example_batch()
  if config.data.name.startswith("synth_notes/factors"):
    batch["factors"] = np.zeros((2, len(factors.NAMES)), np.float32)
  state = jax.eval_shape(lambda: method.init(jax.random.key(0), batch))
  after, metrics = jax.eval_shape(method.train_step, state, batch)
  assert jax.tree.map(jnp.shape, after.params) == jax.tree.map(jnp.shape, state.params)
  assert metrics["loss"].shape == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_variant_is_a_run_of_its_own_that_takes_a_step(path):
  ablation = ablation_lib.load(str(path))
  assert ablation.question.endswith("?") and ablation.question in path.read_text()[:200]
  flat = [
    config_lib.flatten(ablation_lib.make_config(ablation, ablation_lib.Job(v, 0)))
    for v in ablation.variants
  ]
  assert len({json.dumps(f, sort_keys=True, default=str) for f in flat}) == len(flat) >= 2
  shared = {name for f in flat for name in f if any(f[name] != other.get(name) for other in flat)}
  asked = {name for fields in ablation.variants.values() for name in fields}
  # And in nothing else do they differ, but for the fields that another part has.
  replaced = tuple(f"{s}." for s in config_lib.SECTIONS if f"{s}.name" in asked)
  assert {name for name in shared if not name.startswith(replaced)} <= asked
  tiny = ablation_lib.load(f"{path}:tiny")
  for variant in tiny.variants:
    takes_a_step(ablation_lib.make_config(tiny, ablation_lib.Job(variant, 0)).to_json())


@pytest.mark.slow
def test_an_ablation_runs_goes_on_and_makes_its_table(tmp_path, tfds_dir):
  command = (
    "cvae_jax.ablate", f"--config={ROOT}/configs/ablations/output_size.py:tiny",
    f"--workdir={tmp_path}", f"--set=data.tfds_dir={tfds_dir}",
  )  # fmt: skip
  listed = run_module(*command, "--list")
  assert listed.stdout.split("\n")[:2] == ["0: exact, seed 0", "1: zero_pad, seed 0"]
  first = run_module(*command, "--index=1")
  assert first.returncode == 0, first.stderr
  done = run_module(*command)
  assert done.returncode == 0, done.stderr
  assert "zero_pad, seed 0: already finished" in done.stdout
  table = (tmp_path / "table.md").read_text()
  assert table in done.stdout and table.startswith("Does it matter how the output")
  found = [
    json.loads((tmp_path / "runs" / name / "seed-0" / "results.json").read_text())
    for name in ("exact", "zero_pad")
  ]
  assert found[0]["eval"]["lsd_db"] != found[1]["eval"]["lsd_db"]
  for results in found:
    assert f"| {results['eval']['lsd_db']:.2f} | {results['waveform']['lsd_db']:.2f} |" in table


def test_the_table_has_means_and_deviations_of_what_is_finished(tmp_path):
  ablation = ablation_lib.load(str(ROOT / "configs" / "ablations" / "output_size.py"))
  steps = ablation.base.train.steps
  written = {("exact", 0): (4.0, steps), ("exact", 1): (5.0, steps), ("zero_pad", 0): (6.0, 3)}
  for job, (lsd, step) in written.items():
    where = tmp_path / ablation_lib.Job(*job).workdir("")
    where.mkdir(parents=True)
    results = {"train_steps": step, "parameters": 1_234_567, "eval": {"lsd_db": lsd}}
    (where / "results.json").write_text(json.dumps(results))
  table = ablation_lib.write_report(ablation, str(tmp_path), 2)
  assert "| exact | 4.50 ± 0.71 | - | - | - | 1,234,567 ± 0 | - |" in table
  assert "| zero_pad | - | - | - | - | - | - |" in table  # It has not come to its end.
  rows = list(csv.DictReader((tmp_path / "table.csv").open()))
  assert [(row["variant"], row["seeds"]) for row in rows] == [("exact", "2"), ("zero_pad", "0")]
  assert float(rows[0]["eval.lsd_db deviation"]) == pytest.approx(np.std([4, 5], ddof=1))
  assert (tmp_path / "figure.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_run_that_another_ablation_has_made_is_not_made_again(tmp_path):
  ours, theirs = (
    ablation_lib.load(f"{ROOT}/configs/ablations/{n}.py") for n in ("depth", "channels")
  )
  job = ablation_lib.Job("16, 32, 64", 0)
  config, made = ablation_lib.make_config(theirs, job), job.workdir(str(tmp_path / "channels"))
  config_file.save(config, made)
  same = ablation_lib.make_config(ours, ablation_lib.Job("3 layers", 0))
  workdir = str(tmp_path / "depth")
  assert ablation_lib.find_twin(same, workdir) is None  # It is not finished.
  evaluate.save_results({"train_steps": config.train.steps, "eval": {"lsd_db": 4.0}}, made)
  assert ablation_lib.find_twin(same, workdir) == made
  for variant, seed in (("2 layers", 0), ("3 layers", 1)):
    other = ablation_lib.make_config(ours, ablation_lib.Job(variant, seed))
    assert ablation_lib.find_twin(other, workdir) is None
  ablate.run_job(ours, ablation_lib.Job("3 layers", 0), workdir)
  rows = {row.variant: row for row in ablation_lib.collect(ours, workdir, 1)}
  assert rows["3 layers"].mean[0] == 4.0 and rows["2 layers"].seeds == 0


@pytest.mark.slow
def test_a_run_that_fails_leaves_the_others_and_is_named(tmp_path, tfds_dir):
  done = run_module(
    "cvae_jax.ablate", f"--config={ROOT}/configs/ablations/output_size.py:tiny",
    f"--workdir={tmp_path}", f"--set=data.tfds_dir={tfds_dir}", "--set=data.eval_split=nowhere",
  )  # fmt: skip
  assert done.returncode == 1
  assert "error: not finished: exact, seed 0; zero_pad, seed 0" in done.stderr
  assert os.path.exists(tmp_path / "table.md")


@pytest.mark.parametrize(
  "arguments,says",
  [
    (["--config=configs/ablations/none.py"], "configs/ablations/none.py does not exist"),
    (["--config=configs/cvae.py"], "is no ablation: it has no get_ablation"),
    (["--config=configs/ablations/depth.py", "--set=train.stepz=3"], "--set wants FIELD=VALUE"),
    (["--config=configs/ablations/depth.py", "--seeds=0"], "--seeds must be 1 or more, got 0"),
    (["--config=configs/ablations/depth.py", "--index=9"], "--index must be 0 to 3, got 9"),
    (
      ["--config=configs/ablations/depth.py", "--set=train.steps=0"],
      "train.steps must be positive",
    ),
  ],
)
def test_what_cannot_be_asked_is_one_line(tmp_path, arguments, says):
  done = run_module("cvae_jax.ablate", *arguments, f"--workdir={tmp_path / 'w'}")
  assert done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr
  assert not (tmp_path / "w").exists()


def test_a_cell_without_a_number_is_a_dash():
  assert tables.cell(math.nan, 1) == "-"
  assert tables.cell(1234.5, 1) == "1,234.5"
  assert tables.cell(2.346, 2, 0.1) == "2.35 ± 0.10"
  with pytest.raises(errors.UserError):
    ablation_lib.load("nowhere.py")


def test_a_measure_is_found_by_its_path():
  results = {"eval": {"lsd_db": 2.0, "none": None}, "baselines": {"pca_64": {"lsd_db": 3.0}}}
  assert tables.Measure("eval.lsd_db", "", scale=100.0).of(results) == 200.0
  assert tables.Measure("baselines.pca_*.lsd_db", "").of(results) == 3.0
  for path in ("eval.none", "eval.lsd_db.more", "nothing", "baselines.mean*.lsd_db"):
    assert math.isnan(tables.Measure(path, "").of(results))
  assert [tables.Measure("", t).direction for t in ("a ↑", "b, dB ↓", "c")] == [1, -1, 0]
