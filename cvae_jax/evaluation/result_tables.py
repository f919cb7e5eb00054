"""Tables of results: sections of related measures, with their bounds."""

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import Any
from typing import NamedTuple

from cvae_jax.evaluation import tables
from cvae_jax.evaluation.tables import Measure


class Section(NamedTuple):
  """A table with a row for each measure.

  Attributes:
    title: of the section.
    note: a short description.
    path: path of a run's numbers in its results, with '{}' for the measure's key.
    bounds: paths of the bounds, by column title.
    measures: rows, with their key as `path`.
    others: formats of measures that are not in `measures`, by suffix of their key; the first suffix
      that matches applies, with '{}' in the title for the rest of the key, and None hides them.
  """

  title: str
  note: str
  path: str
  bounds: dict[str, str]
  measures: tuple[Measure, ...]
  others: tuple[tuple[str, Measure | None], ...] = ()


_SHARE = 100.0
SECTIONS = (
  Section(
    "Reconstruction, in the model's features",
    "Held-out notes, decoded from the posterior mean. Distances are comparable only between runs "
    "with the same representation. The PCA has as many components as the latent has dimensions.",
    "eval.{}",
    {"PCA": "baselines.pca_*.{}", "mean spectrogram": "baselines.mean.{}"},
    (
      Measure("lsd_db", "log-spectral distance, dB ↓"),
      Measure("rmse_db", "RMS error, dB ↓"),
    ),
  ),
  Section(
    "Reconstruction of scores",
    "Tokens of held-out scores that are right, of a code drawn from the posterior: given the true "
    "steps before, and given the decoder's own.",
    "eval.{}",
    {},
    (
      Measure("teacher_forced", "teacher-forced, % ↑", 1, _SHARE),
      Measure("free_running", "free-running, % ↑", 1, _SHARE),
      Measure("whole", "whole scores without an error, % ↑", 1, _SHARE),
      Measure("kl_bits", "KL, bits", 1),
    ),
  ),
  Section(
    "Pitch",
    "Median pitch by YIN of generated notes, and of the training notes that have their labels.",
    "pitch.{}",
    {"real notes": "pitch.data"},
    (Measure("generated", "within 50 cents, % ↑", 1, _SHARE),),
  ),
  Section(
    "Likelihood",
    "Lower bounds of log p(x|c) of the features, and the KL divergence of posterior and prior.",
    "eval.{}",
    {},
    (
      Measure("elbo", "ELBO, nats ↑", 0),
      Measure("bits_per_dim", "bits per dimension ↓", 3),
      Measure("kl", "KL, nats", 1),
    ),
  ),
  Section(
    "Use of the latent",
    "Active units (Burda et al. 2016), and the importance-weighted bound with 32 samples.",
    "use.{}",
    {},
    (
      Measure("active_units", "active dimensions", 0),
      Measure("elbo", "ELBO of the same examples, nats ↑", 0),
      Measure("importance_weighted", "importance-weighted bound, nats ↑", 0),
    ),
  ),
  Section(
    "Reconstruction, as waveforms",
    "Distances of waveforms, comparable between all representations.",
    "waveform.{}",
    {},
    (
      Measure("lsd_db", "log-spectral distance, dB ↓"),
      Measure("multi_resolution", "multi-resolution STFT distance ↓", 3),
      Measure("mcd_db", "mel-cepstral distortion, dB ↓"),
      Measure("si_sdr_db", "SI-SDR, dB ↑", 1),
      Measure("loudness_l1_db", "loudness, L1, dB ↓"),
      Measure("f0_l1_semitones", "f0, L1, semitones ↓", 3),
      Measure("f0_outliers", "f0, outliers ↓", 3),
    ),
  ),
  Section(
    "Generation",
    "Sounds generated with the labels of held-out sounds, evaluated by a classifier trained on the "
    "training sounds. Sets are compared with the half of the held-out sounds whose labels match. "
    "Ceiling: real held-out sounds. Floor: sines at the requested pitches.",
    "generation.generated.{}",
    {"ceiling": "generation.ceiling.{}", "floor": "generation.floor.{}"},
    (
      Measure("pitch_yin", "in tune by YIN, % ↑", 1, _SHARE),
      Measure("pitch_clear", "with a clear pitch by YIN, % ↑", 1, _SHARE),
      Measure("frechet", "Fréchet distance ↓", 1),
      Measure("kernel", "kernel distance ↓", 2),
      Measure("ndb", "different bins of 50, % ↓", 0, _SHARE),
      Measure("jensen_shannon", "Jensen-Shannon divergence of bins, nats ↓", 3),
      Measure("density", "density ↑"),
      Measure("coverage", "coverage, % ↑", 1, _SHARE),
      Measure("diversity", "diversity within a condition", 1),
      Measure("nearest_training", "distance to the nearest training sound", 1),
      Measure("inception_score", "inception score ↑", 1),
    ),
    (
      ("_agreement", Measure("", "{} accuracy, % ↑", 1, _SHARE)),
      ("_entropy", Measure("", "{} entropy, nats ↓")),
      ("", Measure("", "{}", 3)),
    ),
  ),
  Section(
    "Artefacts of generated notes",
    "Medians over notes, beside the real notes whose labels they have. Release: the level after "
    "the note is let go, relative to before. Decay and attack: mean difference to real notes over "
    "families; training notes are as many, of other instruments.",
    "artefacts.generated.{}",
    {
      "reconstructed": "artefacts.reconstructed.{}",
      "real notes": "artefacts.real.{}",
      "training notes": "artefacts.training.{}",
    },
    (
      Measure("release_db", "release, dB", 1),
      Measure("tail_db", "last 50 ms under the peak, dB", 1),
      Measure("bursts", "bursts after the release, % ↓", 1, _SHARE),
      Measure("between_partials_db", "power between partials, dB", 1),
      Measure("decay_error_db", "error of decays, dB ↓", 1),
      Measure("attack_error", "error of attack times, % ↓", 0, _SHARE),
      Measure("attack_median_error", "of their medians, % ↓", 0, _SHARE),
    ),
  ),
  Section(
    "Generated scores",
    "Scores generated with the labels of held-out scores, compared with these; data: training "
    "scores compared with them, and copies, means and labels of the held-out scores themselves.",
    "scores.generated.{}",
    {"data": "scores.data.{}"},
    (
      Measure("copies", "copies of training windows, %", 1, _SHARE),
      Measure("distinct", "distinct windows, % ↑", 1, _SHARE),
      Measure("similarity_error", "error of self-similarity over lags ↓", 3),
    ),
    (
      ("_js", Measure("", "{}: Jensen-Shannon divergence, nats ↓", 4)),
      ("_overlap", Measure("", "{}: overlapping area ↑", 3)),
      ("_distances", Measure("", "{}: overlapping area of distances ↑", 3)),
      ("_agreement", Measure("", "{} as asked for, % ↑", 1, _SHARE)),
      ("_correlation", Measure("", "{}: rank correlation with what is asked for ↑", 3)),
      ("", Measure("", "{}, mean", 3)),
    ),
  ),
  Section(
    "Velocity",
    "Rank correlation of velocity with loudness and spectral centroid, at eight velocities per z.",
    "velocity.{}",
    {},
    (
      Measure("correlation", "loudness follows velocity ↑", 3),
      Measure("brightening", "brightness follows velocity", 3),
    ),
  ),
  Section(
    "Labels in the code",
    "Held-out accuracy of a linear classifier of codes drawn from the posterior. Lower is better "
    "for labels that the model is conditioned on, since z need not encode them again.",
    "probes.{}",
    {"chance": "probes.{}_chance"},
    (),
    (("_chance", None), ("_of_mean", None), ("", Measure("", "{}, %", 1, _SHARE))),
  ),
  Section(
    "Clusters by k-means",
    "Clusters of codes, of a PCA and of the features, compared with the main label, such as the "
    "family of a note (Aljalbout et al. 2018).",
    "clusters.code.{}",
    {"PCA": "clusters.pca_*.{}", "features": "clusters.features.{}"},
    (
      Measure("accuracy", "accuracy, % ↑", 1, _SHARE),
      Measure("nmi", "NMI ↑", 3),
      Measure("ari", "ARI ↑", 3),
    ),
  ),
  Section(
    "Interpolation",
    "Nine steps between the codes of two notes, as sounds. 1 is a straight line of equal steps.",
    "interpolation.{}",
    {},
    (
      Measure("straightness", "straightness ↑"),
      Measure("largest_step", "largest step over the mean ↓"),
    ),
  ),
  Section(
    "Disentanglement",
    "For notes whose generative factors are known.",
    "disentanglement.{}",
    {},
    (
      Measure("mig", "MIG ↑", 3),
      Measure("sap", "SAP ↑", 3),
      Measure("modularity", "modularity ↑", 3),
      Measure("dci_disentanglement", "DCI disentanglement ↑", 3),
      Measure("dci_completeness", "DCI completeness ↑", 3),
      Measure("dci_informativeness", "DCI informativeness ↑", 3),
      Measure("factor_vae", "factor-VAE score ↑", 3),
    ),
  ),
  Section(
    "Other metrics",
    "Further metrics of the method on held-out examples, under its own names.",
    "eval.{}",
    {},
    (),
    (("", Measure("", "{}", 4)),),
  ),
  Section(
    "Own measures",
    "What the modules of `eval.measures` return.",
    "own.{}",
    {},
    (),
    (("", Measure("", "{}", 4)),),
  ),
  Section(
    "The runs",
    "Size and duration of the runs.",
    "{}",
    {},
    (
      Measure("parameters", "parameters", 0),
      Measure("step", "steps", 0),
      Measure("seconds", "seconds", 0),
    ),
  ),
)


class Table(NamedTuple):
  """A section's numbers as text.

  Attributes:
    section: of the numbers.
    header: titles of the columns.
    rows: the measure's title, then a cell for every run and every bound.
    best: columns of the best runs, by row; empty if there is only one run.
  """

  section: Section
  header: list[str]
  rows: list[list[str]]
  best: list[set[int]]


def _place(measure: Measure, path: str) -> Measure:
  return measure._replace(path=path.format(measure.path))


def _numbers_at(path: str, results: Mapping[str, Any]) -> list[str]:
  """Keys of all numbers at a path that ends in '{}'."""
  value: Any = results
  for key in path.split(".")[:-1]:
    value = value.get(key) if isinstance(value, Mapping) else None
  return [k for k, v in value.items() if _is_number(v)] if isinstance(value, Mapping) else []


def _is_number(value) -> bool:
  return isinstance(value, (int, float)) and not isinstance(value, bool)


def all_measures(section: Section, results: Sequence[Mapping[str, Any]]) -> list[Measure]:
  """A section's measures, followed by other measures that occur in the results."""
  listed = {m.path for s in SECTIONS if s.path == section.path for m in s.measures} | {"notes"}
  section_measures = list(section.measures)
  keys = dict.fromkeys(key for r in results for key in _numbers_at(section.path, r))
  for key in keys if section.others else ():
    if key in listed:
      continue
    suffix, measure = next((e, m) for e, m in section.others if key.endswith(e))
    if measure is not None:
      name = key.removesuffix(suffix).replace("_", " ")
      section_measures.append(measure._replace(path=key, title=measure.title.format(name)))
  return section_measures


def make_table(
  section: Section,
  names: Sequence[str],
  results: Sequence[Mapping[str, Any]],
  is_comparable: bool = True,
) -> Table | None:
  """Makes a section's table of runs; None if no run has any of its numbers.

  Bounds are taken from the first run that has them. For runs that were evaluated on different
  examples (`is_comparable=False`), no best is marked and no bounds are shown.
  """
  rows, best = [], []
  used_bounds = set()
  for measure in all_measures(section, results):
    run_values = [_place(measure, section.path).of(r) for r in results]
    if all(map(math.isnan, run_values)):
      continue
    bounds = []
    for title, path in section.bounds.items() if is_comparable else ():
      values = [_place(measure, path).of(r) for r in results]
      bounds.append(next((v for v in values if not math.isnan(v)), math.nan))
      if not math.isnan(bounds[-1]):
        used_bounds.add(title)
    rows.append([measure.title, *(tables.cell(v, measure.digits) for v in (*run_values, *bounds))])
    numbers = [v * measure.direction for v in run_values if not math.isnan(v)]
    best_columns = {
      1 + i
      for i, v in enumerate(run_values)
      if is_comparable
      and measure.direction
      and min(numbers) < max(numbers) == v * measure.direction
    }
    best.append(best_columns)
  if not rows:
    return None
  keep = [title in used_bounds for title in section.bounds]
  columns = [True] * (1 + len(names)) + keep
  header = [h for h, k in zip(["", *names, *section.bounds], columns, strict=True) if k]
  rows = [[c for c, k in zip(row, columns, strict=True) if k] for row in rows]
  return Table(section, header, rows, best)


def make_tables(
  names: Sequence[str], results: Sequence[Mapping[str, Any]], is_comparable: bool = True
) -> list[Table]:
  """Makes the tables of all sections that have numbers; see `make_table`."""
  section_tables = [make_table(section, names, results, is_comparable) for section in SECTIONS]
  return [table for table in section_tables if table is not None]


def _title(section: Section, results: Mapping[str, Any]) -> str:
  part = results.get(section.path.partition(".")[0])
  count = part.get("notes") if isinstance(part, Mapping) else None
  return section.title if count is None else f"{section.title} ({count} examples)"


def describe(results: Mapping[str, Any]) -> str:
  """Formats one run's results as tables, for the terminal."""
  lines = [f"on {results['notes']} held-out examples ({results['split']}):"]
  blocks = [
    [[_title(table.section, results), *table.header[1:]], *table.rows]
    for table in make_tables(["model"], [results])
  ]
  title_width = max((len(row[0]) for rows in blocks for row in rows), default=0)
  for rows in blocks:
    widths = [max(10, len(title)) for title in rows[0][1:]]
    lines.append("")
    for row in rows:
      cells = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths, strict=True)]
      indent = "  " if row is rows[0] else "    "
      lines.append("  ".join([f"{indent + row[0]:{title_width + 4}}", *cells]))
  return "\n".join(lines)


def to_markdown(tables_of: Sequence[Table]) -> str:
  """Formats all tables as Markdown, with the best of each row in bold."""
  parts = []
  for table in tables_of:
    rows = [
      [f"**{c}**" if i in best else c for i, c in enumerate(row)]
      for row, best in zip(table.rows, table.best, strict=True)
    ]
    head = [table.header[0] or "measure", *table.header[1:]]
    parts.append(
      f"## {table.section.title}\n\n{table.section.note}\n\n{tables.to_markdown(head, rows)}"
    )
  return "\n".join(parts)
