"""Results as tables: which measures stand together, and between which bounds."""

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import Any
from typing import NamedTuple

from cvae_jax.evaluation import tables
from cvae_jax.evaluation.tables import Measure


class Section(NamedTuple):
  """A table with a measure a row.

  Attributes:
    title: of the section.
    note: what it shows, in a sentence or two.
    path: of a run's numbers in its results, with '{}' for the measure's own key.
    bounds: paths of the bounds, by the title of their column.
    measures: by their key.
    others: how measures are shown that are none of these, by the end of their key: the first ending
      that fits says how, with '{}' for the rest of the key, or None for not at all.
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
    "Held-out notes, decoded from the posterior's mean. Features differ between representations, "
    "and so do their distances; PCA has as many components as the latent has dimensions.",
    "eval.{}",
    {"PCA": "baselines.pca_*.{}", "mean spectrogram": "baselines.mean.{}"},
    (
      Measure("lsd_db", "log-spectral distance, dB ↓"),
      Measure("rmse_db", "RMS error, dB ↓"),
    ),
  ),
  Section(
    "Pitch",
    "Generated notes, by YIN's median; real ones are the training notes whose labels they have.",
    "pitch.{}",
    {"real notes": "pitch.data"},
    (Measure("generated", "within 50 cents, % ↑", 1, _SHARE),),
  ),
  Section(
    "Likelihood",
    "Bounds of log p(x|c) of the features. The KL is what a code says beyond the prior.",
    "eval.{}",
    {},
    (
      Measure("elbo", "ELBO, nats ↑", 0),
      Measure("bits_per_dim", "bits a dimension ↓", 3),
      Measure("kl", "KL, nats", 1),
    ),
  ),
  Section(
    "Use of the latent",
    "Dimensions whose posterior mean moves (Burda et al. 2016), and the bound by 32 samples.",
    "use.{}",
    {},
    (
      Measure("active_units", "active dimensions", 0),
      Measure("elbo", "ELBO of these examples, nats ↑", 0),
      Measure("importance_weighted", "importance-weighted bound, nats ↑", 0),
    ),
  ),
  Section(
    "Reconstruction, as it is heard",
    "Distances of waveforms: one ruler for all representations.",
    "waveform.{}",
    {},
    (
      Measure("lsd_db", "log-spectral distance, dB ↓"),
      Measure("multi_resolution", "multi-resolution STFT distance ↓", 3),
      Measure("mcd_db", "mel-cepstral distortion, dB ↓"),
      Measure("si_sdr_db", "SI-SDR, dB ↑", 1),
    ),
  ),
  Section(
    "Generation",
    "Sounds generated under the labels of held-out ones, by a classifier trained on the training "
    "sounds. Sets are compared by halves of the held-out sounds with the same labels. Ceiling: "
    "real held-out sounds. Floor: sines of the pitches asked for.",
    "generation.generated.{}",
    {"ceiling": "generation.ceiling.{}", "floor": "generation.floor.{}"},
    (
      Measure("pitch_yin", "in tune by YIN, % ↑", 1, _SHARE),
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
    "families.",
    "artefacts.generated.{}",
    {"reconstructed": "artefacts.reconstructed.{}", "real notes": "artefacts.real.{}"},
    (
      Measure("release_db", "release, dB", 1),
      Measure("tail_db", "last 50 ms under the peak, dB", 1),
      Measure("bursts", "bursts after the release, % ↓", 1, _SHARE),
      Measure("between_partials_db", "power between partials, dB", 1),
      Measure("decay_error_db", "error of decays, dB ↓", 1),
      Measure("attack_error", "error of attack times, % ↓", 0, _SHARE),
    ),
  ),
  Section(
    "Velocity",
    "Eight velocities of one z: rank correlation with loudness, and with the spectral centroid.",
    "velocity.{}",
    {},
    (
      Measure("correlation", "loudness follows velocity ↑", 3),
      Measure("brightening", "brightness follows velocity", 3),
    ),
  ),
  Section(
    "Labels in the code",
    "Accuracy of a linear classifier of codes drawn from the posterior, on held-out examples. A "
    "conditional model need not repeat in z what it is given in c: less is better there.",
    "probes.{}",
    {"chance": "probes.{}_chance"},
    (),
    (("_chance", None), ("_of_mean", None), ("", Measure("", "{}, %", 1, _SHARE))),
  ),
  Section(
    "Clusters by k-means",
    "As many clusters as the main label has names, families of notes (Aljalbout et al. 2018), on "
    "codes, on a PCA and on raw features.",
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
    "Nine steps between two notes' codes, heard. 1 is a straight line in steps of one size.",
    "interpolation.{}",
    {},
    (
      Measure("straightness", "straightness ↑"),
      Measure("largest_step", "largest step over the mean ↓"),
    ),
  ),
  Section(
    "Disentanglement",
    "Where the notes' factors are known.",
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
    "What else the method returns of held-out examples, by its own names.",
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
    "Of the whole command.",
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
    section: whose they are.
    header: of the columns.
    rows: the measure's title, a cell for every run and for every bound.
    best: of each row the columns of the runs that are best; none where there is one run alone.
  """

  section: Section
  header: list[str]
  rows: list[list[str]]
  best: list[set[int]]


def _place(measure: Measure, path: str) -> Measure:
  return measure._replace(path=path.format(measure.path))


def _numbers_at(path: str, results: Mapping[str, Any]) -> list[str]:
  """The keys of all numbers at a path that ends with '{}'."""
  value: Any = results
  for key in path.split(".")[:-1]:
    value = value.get(key) if isinstance(value, Mapping) else None
  return [k for k, v in value.items() if _is_number(v)] if isinstance(value, Mapping) else []


def _is_number(value) -> bool:
  return isinstance(value, (int, float)) and not isinstance(value, bool)


def all_measures(section: Section, results: Sequence[Mapping[str, Any]]) -> list[Measure]:
  """A section's measures, and after them those of the results that it does not name."""
  named = {m.path for s in SECTIONS if s.path == section.path for m in s.measures} | {"notes"}
  found = list(section.measures)
  keys = dict.fromkeys(key for r in results for key in _numbers_at(section.path, r))
  for key in keys if section.others else ():
    if key in named:
      continue
    ending, measure = next((e, m) for e, m in section.others if key.endswith(e))
    if measure is not None:
      name = key.removesuffix(ending).replace("_", " ")
      found.append(measure._replace(path=key, title=measure.title.format(name)))
  return found


def make_table(
  section: Section,
  names: Sequence[str],
  results: Sequence[Mapping[str, Any]],
  is_comparable: bool = True,
) -> Table | None:
  """A section's table of runs; None where no run has any of its numbers.

  A bound is the first run's that has it. Runs that were evaluated on different examples are not
  comparable: there is then no best of a row, and no bound.
  """
  rows, best = [], []
  used = set()
  for measure in all_measures(section, results):
    found = [_place(measure, section.path).of(r) for r in results]
    if all(map(math.isnan, found)):
      continue
    bounds = []
    for title, path in section.bounds.items() if is_comparable else ():
      values = [_place(measure, path).of(r) for r in results]
      bounds.append(next((v for v in values if not math.isnan(v)), math.nan))
      if not math.isnan(bounds[-1]):
        used.add(title)
    rows.append([measure.title, *(tables.cell(v, measure.digits) for v in (*found, *bounds))])
    numbers = [v * measure.direction for v in found if not math.isnan(v)]
    winners = {
      1 + i
      for i, v in enumerate(found)
      if is_comparable
      and measure.direction
      and min(numbers) < max(numbers) == v * measure.direction
    }
    best.append(winners)
  if not rows:
    return None
  keep = [title in used for title in section.bounds]
  columns = [True] * (1 + len(names)) + keep
  header = [h for h, k in zip(["", *names, *section.bounds], columns, strict=True) if k]
  rows = [[c for c, k in zip(row, columns, strict=True) if k] for row in rows]
  return Table(section, header, rows, best)


def make_tables(
  names: Sequence[str], results: Sequence[Mapping[str, Any]], is_comparable: bool = True
) -> list[Table]:
  """The tables of every section of which a run has numbers; see `make_table`."""
  made = [make_table(section, names, results, is_comparable) for section in SECTIONS]
  return [table for table in made if table is not None]


def _title(section: Section, results: Mapping[str, Any]) -> str:
  part = results.get(section.path.partition(".")[0])
  count = part.get("notes") if isinstance(part, Mapping) else None
  return section.title if count is None else f"{section.title} ({count} examples)"


def describe(results: Mapping[str, Any]) -> str:
  """One run's results as tables for the terminal."""
  lines = [f"on {results['notes']} held-out examples ({results['split']}):"]
  made = [
    [[_title(table.section, results), *table.header[1:]], *table.rows]
    for table in make_tables(["model"], [results])
  ]
  first = max((len(row[0]) for rows in made for row in rows), default=0)
  for rows in made:
    widths = [max(10, len(title)) for title in rows[0][1:]]
    lines.append("")
    for row in rows:
      cells = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths, strict=True)]
      indent = "  " if row is rows[0] else "    "
      lines.append("  ".join([f"{indent + row[0]:{first + 4}}", *cells]))
  return "\n".join(lines)


def to_markdown(tables_of: Sequence[Table]) -> str:
  """All tables, the best of a row in bold."""
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
