"""Ablations: one question, and a run for every variant.

A file of `configs/ablations` defines `get_ablation(variant='')`, as a config file defines
`get_config`. All runs of an ablation share data, budget and seeds, and differ only in the ablated
fields.
"""

from collections.abc import Sequence
import csv
import glob
import io
import itertools
import math
import os
from typing import Any
from typing import NamedTuple

import ml_collections
import numpy as np

from cvae_jax import evaluate
from cvae_jax.core import atomic
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_file
from cvae_jax.core import parts
from cvae_jax.evaluation import drawing
from cvae_jax.evaluation import tables

PARAMETERS = tables.Measure("parameters", "parameters", 0)
LSD = tables.Measure("eval.lsd_db", "log-spectral distance, dB ↓")
WAVEFORM_LSD = tables.Measure("waveform.lsd_db", "log-spectral distance of the sound, dB ↓")
BITS = tables.Measure("eval.bits_per_dim", "bits per dimension ↓", 3)
KL = tables.Measure("eval.kl", "KL, nats", 0)
PITCH = tables.Measure("pitch.generated", "in tune, % ↑", 1, 100.0)
PROBE_FAMILY = tables.Measure("probes.family", "family read from z, %", 1, 100.0)
PROBE_PITCH = tables.Measure("probes.pitch", "pitch read from z, %", 1, 100.0)
FRECHET = tables.Measure("generation.generated.frechet", "Fréchet distance ↓", 1)
FAMILY = tables.Measure("generation.generated.family_agreement", "family accuracy, % ↑", 1, 100.0)
SECONDS = tables.Measure("seconds", "seconds", 0)


class Ablation(NamedTuple):
  """A question and its runs.

  Attributes:
    question: in one line.
    base: config that all runs share.
    variants: the fields that each variant sets, by dotted name, by variant.
    measures: columns of the table and panels of the figure.
  """

  question: str
  base: ml_collections.ConfigDict
  variants: dict[str, dict[str, Any]]
  measures: tuple[tables.Measure, ...] = (LSD, WAVEFORM_LSD, KL, PITCH, PARAMETERS, SECONDS)


class Job(NamedTuple):
  """A run of an ablation."""

  variant: str
  seed: int

  def workdir(self, workdir: str) -> str:
    """Workdir of the run, within the ablation's workdir."""
    return os.path.join(workdir, "runs", self.variant, f"seed-{self.seed}")


def get_base() -> ml_collections.ConfigDict:
  """The base config of the ablations: the thesis' network, at a size that trains in minutes.

  Features are levels of 128 mel bands every 512 samples, 126 x 128, conditioned on all four labels.
  """
  config = config_lib.get_base_config(representation="log_mel", model="conv2d")
  config.representation.n_mels = 128
  config.model.channels = (16, 32, 64)
  config.model.flat_channels = 16
  config.model.latent_dim = 64
  config.condition.labels = ("pitch", "family", "source", "velocity")
  config.optimizer.learning_rate = 4e-3  # 1e-3 and 2e-3 are worse after so few steps
  config.optimizer.warmup_steps = config.method.beta_warmup_steps = 100
  config.train.steps = 400
  config.eval.waveform_notes = 96
  config.eval.pitch_notes = 96
  config.eval.probe_notes = 1024
  measure_at_the_end(config)
  return config


def load_config(file: str, name: str) -> ml_collections.ConfigDict:
  """The config `name` of the folder above that of `file`: 'musicvae.py:drums'."""
  configs = os.path.dirname(os.path.dirname(os.path.abspath(file)))
  return config_lib.load(os.path.join(configs, name))


def measure_at_the_end(config: ml_collections.ConfigDict) -> None:
  """Evaluates and saves a run once, at the end, without the bounds, which all runs share."""
  config.train.log_every_steps = 200
  config.eval.every_steps = config.checkpoint.every_steps = 1_000_000
  config.eval.baselines = False
  config.eval.sample_notes = 0
  config.checkpoint.keep = 1


def get_tiny(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The same config at a size that trains in seconds, for tests."""
  channels = config.model.channels
  config_lib.apply_variants(config, "tiny")
  config.model.channels = (4,) * len(channels)
  config.train.steps = 4
  config.train.log_every_steps = 4
  config.eval.every_steps = config.checkpoint.every_steps = 100
  config.eval.pitch_notes = config.eval.waveform_notes = 4
  config.eval.probe_notes = 8
  config.eval.generation_notes = min(config.eval.generation_notes, 8)
  config.eval.sample_notes = 0
  return config


def load(path: str) -> Ablation:
  """Loads an ablation from FILE or FILE:variant.

  Raises:
    UserError: if there is no such file, or it defines no ablation.
  """
  return parts.call_file(path, "get_ablation", "ablation")


def make_jobs(ablation: Ablation, num_seeds: int) -> list[Job]:
  """All runs, in order: every variant with the first seed, then with the next."""
  return [Job(v, s) for s, v in itertools.product(range(num_seeds), ablation.variants)]


def make_config(ablation: Ablation, job: Job) -> ml_collections.ConfigDict:
  """The config of a run."""
  config = ablation.base.copy_and_resolve_references()
  config_lib.update(config, ablation.variants[job.variant])
  config.seed = job.seed
  return config


def read_results(config: ml_collections.ConfigDict, workdir: str) -> dict[str, Any] | None:
  """Reads the results of a finished run; None if it is not finished."""
  results = evaluate.load_results(workdir)
  return results if results and results.get("train_steps") == config.train.steps else None


def find_twin(config: ml_collections.ConfigDict, workdir: str) -> str | None:
  """Finds a finished run of a sibling ablation with an identical config.

  Most ablations have the base among their variants, which is therefore trained only once.

  Args:
    config: of the run.
    workdir: of the ablation; sibling ablations are searched in its parent directory.

  Returns:
    The run's workdir, or None.
  """
  fields = config_lib.flatten(config)
  pattern = os.path.join(os.path.dirname(os.path.abspath(workdir)), "*", "runs", "*", "seed-*")
  for candidate in sorted(glob.glob(pattern)):
    if (
      read_results(config, candidate) is not None
      and config_lib.flatten(config_file.load(candidate)) == fields
    ):
      return candidate
  return None


def take_over(twin: str, workdir: str) -> None:
  """Copies a twin's config and results; the results record the twin's workdir."""
  results = evaluate.load_results(twin) or {}
  config_file.save(config_file.load(twin), workdir)
  evaluate.save_results({**results, "run": os.path.abspath(twin)}, workdir)


class Row(NamedTuple):
  """Results of a variant.

  Attributes:
    variant: its name.
    mean: over seeds, by measure.
    deviation: sample standard deviation over seeds, by measure; NaN for a single seed.
    seeds: number of finished runs.
  """

  variant: str
  mean: list[float]
  deviation: list[float]
  seeds: int


def collect(ablation: Ablation, workdir: str, num_seeds: int) -> list[Row]:
  """Rows of all variants, from the finished runs in a workdir."""
  rows = []
  for variant in ablation.variants:
    seed_values = []
    for seed in range(num_seeds):
      job = Job(variant, seed)
      results = read_results(make_config(ablation, job), job.workdir(workdir))
      if results is not None:
        seed_values.append([m.of(results) for m in ablation.measures])
    values = np.asarray(seed_values).reshape(len(seed_values), len(ablation.measures))
    missing = [math.nan] * len(ablation.measures)
    mean = values.mean(axis=0).tolist() if seed_values else missing
    deviation = values.std(axis=0, ddof=1).tolist() if len(seed_values) > 1 else missing
    rows.append(Row(variant, mean, deviation, len(seed_values)))
  return rows


def to_markdown(ablation: Ablation, rows: Sequence[Row]) -> str:
  """Formats the question and the table as Markdown."""
  header = ["variant", *(m.title for m in ablation.measures)]
  digits = [m.digits for m in ablation.measures]
  body = [[row.variant, *map(tables.cell, row.mean, digits, row.deviation)] for row in rows]
  return ablation.question + "\n\n" + tables.to_markdown(header, body)


def to_csv(ablation: Ablation, rows: Sequence[Row]) -> str:
  """Formats mean, deviation and number of seeds by variant as CSV, in full precision."""
  out = io.StringIO()
  writer = csv.writer(out, lineterminator="\n")
  paths = [m.path for m in ablation.measures]
  writer.writerow(["variant", "seeds", *paths, *(f"{path} deviation" for path in paths)])
  for row in rows:
    numbers = ["" if math.isnan(x) else repr(x) for x in (*row.mean, *row.deviation)]
    writer.writerow([row.variant, row.seeds, *numbers])
  return out.getvalue()


def write_report(ablation: Ablation, workdir: str, num_seeds: int) -> str:
  """Writes table.md, table.csv and figure.png into the workdir; returns the table."""
  rows = collect(ablation, workdir, num_seeds)
  table = to_markdown(ablation, rows)
  for name, text in (("table.md", table), ("table.csv", to_csv(ablation, rows))):
    with atomic.open_file(os.path.join(workdir, name), encoding="utf-8") as f:
      f.write(text)
  finished_rows = [row for row in rows if not all(map(math.isnan, row.mean))]
  if finished_rows:
    panels = [
      (m.title, [r.mean[i] for r in finished_rows], [r.deviation[i] for r in finished_rows])
      for i, m in enumerate(ablation.measures)
      if m not in (PARAMETERS, SECONDS) and not all(math.isnan(r.mean[i]) for r in finished_rows)
    ]
    png = drawing.draw_bars(ablation.question, [row.variant for row in finished_rows], panels)
    drawing.write_png(os.path.join(workdir, "figure.png"), png)
  return table
