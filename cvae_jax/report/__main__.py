"""Compares runs on one HTML page of tables, figures and sounds; also as Markdown, CSV and PNG.

python -m cvae_jax.report runs/vae runs/cvae --out=report/

Numbers are from each run's results.json: `python -m cvae_jax.evaluate --workdir=RUN --full`
computes all of them. Maps are computed from the runs themselves.
"""

from collections.abc import Mapping
import csv
import io
import logging
import os
from typing import Any

from cvae_jax import evaluate
from cvae_jax.core import atomic
from cvae_jax.core import cli
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import outputs
from cvae_jax.evaluation import result_tables

_log = logging.getLogger("cvae_jax.report")  # Also when run as __main__.


def read_results(workdir: str) -> dict[str, Any]:
  """Reads a run's results.

  Raises:
    UserError: if the workdir holds no run, or it has not been evaluated.
  """
  config_file.load(workdir)
  results = evaluate.load_results(workdir)
  if results is None:
    raise errors.UserError(
      f"{os.path.join(workdir, evaluate.RESULTS)} cannot be read: "
      f"python -m cvae_jax.evaluate --workdir={workdir} --full writes it"
    )
  return results


def name_runs(workdirs: list[str]) -> list[str]:
  """Names runs by the fewest trailing path components that make the names unique."""
  parts = [os.path.normpath(os.path.abspath(w)).split(os.sep) for w in workdirs]
  for count in range(1, max(map(len, parts)) + 1):
    names = ["/".join(p[-count:]) for p in parts]
    if len(set(names)) == len(names):
      return names
  raise errors.UserError("a run is given twice")


def differing_settings(workdirs: list[str]) -> dict[str, list[str]]:
  """The config fields that differ between runs, with a value for each run."""

  def as_text(value):
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)

  flat = [config_lib.flatten(config_file.load(w)) for w in workdirs]
  names = sorted(n for n in set().union(*flat) if not n.startswith(config_file.WITHOUT_EFFECT))
  values = {name: [as_text(f.get(name)) for f in flat] for name in names}
  return {name: row for name, row in values.items() if len(set(row)) > 1}


def to_csv(tables: list[result_tables.Table]) -> str:
  """Formats tables as CSV: section, measure, and a column for every run and bound."""
  out = io.StringIO()
  writer = csv.writer(out, lineterminator="\n")
  for table in tables:
    writer.writerow(["section", "measure", *table.header[1:]])
    writer.writerows([table.section.title, *row] for row in table.rows)
  return out.getvalue()


def describe_examples(workdir: str, results: Mapping[str, Any]) -> str:
  """Describes the examples a run was evaluated on: data set, split and number."""
  data = config_file.load(workdir).data
  return f"{data.name}, {results.get('split', '?')}, {results.get('notes', '?')}"


def main(argv: list[str] | None = None) -> None:
  """Writes the report."""
  parser = cli.Parser(prog="python -m cvae_jax.report", description=__doc__)
  parser.add_argument("runs", nargs="+", metavar="RUN", help="workdirs")
  parser.add_argument("--out", default="report", help="directory of the report (default report)")
  parser.add_argument("--title", default="Runs of cvae_jax", help="title of the page")
  parser.add_argument(
    "--maps",
    type=flag_types.whole(most=100_000),
    default=200,
    metavar="NOTES",
    help="notes in the maps of each run (default 200); 0 for no maps",
  )
  args = parser.parse_args(argv)
  if args.maps and args.maps < 4:
    raise errors.UserError(f"--maps must be 0, or 4 or more, got {args.maps}")
  outputs.check_directory(args.out)
  names = name_runs(args.runs)
  results = [read_results(w) for w in args.runs]
  examples_of = [describe_examples(w, r) for w, r in zip(args.runs, results, strict=True)]
  is_comparable = len(set(examples_of)) == 1
  titles = names
  if not is_comparable:
    titles = [
      f"{name} ({description})" for name, description in zip(names, examples_of, strict=True)
    ]
    _log.warning(
      "the runs were evaluated on different examples (%s): no best values and no bounds are shown",
      "; ".join(dict.fromkeys(examples_of)),
    )
  tables = result_tables.make_tables(titles, results, is_comparable)

  from cvae_jax.evaluation import drawing
  from cvae_jax.report import maps
  from cvae_jax.report import page
  from cvae_jax.report import side_by_side
  from cvae_jax.synthesis import synthesizer

  runs = []
  for name, workdir in zip(names, args.runs, strict=True):
    examples, run_maps = None, []
    if args.maps:
      synth = synthesizer.load(workdir)
      if synth.method.encode is not None:
        _log.info("mapping %s", workdir)
        examples = maps.collect(synth, args.maps)
        run_maps = maps.make_maps(examples.codes, synth.config.seed)
    runs.append(page.RunPage(name, workdir, examples if run_maps else None, run_maps))
  figure = side_by_side.draw(names, args.runs)
  if figure is not None:
    drawing.write_png(os.path.join(args.out, side_by_side.FILENAME), figure)
    _log.info("%s", os.path.join(args.out, side_by_side.FILENAME))
  written = {
    "index.html": page.render(args.title, tables, runs, differing_settings(args.runs), figure),
    "report.md": f"# {args.title}\n\n{result_tables.to_markdown(tables)}",
    "report.csv": to_csv(tables),
  }
  for name, text in written.items():
    path = os.path.join(args.out, name)
    with atomic.open_file(path, encoding="utf-8") as f:
      f.write(text)
    _log.info("%s", path)


if __name__ == "__main__":
  cli.run(main)
