"""How near a model can come to a synthetic note: what neither labels nor instrument say of it.

python benchmarks/irreducible.py [RUN] [--draws=16]

Breath, hammers and bows are noise: the same instrument, pitch and velocity give other samples
every time. The held-out notes of `synth_notes` are rendered again with other noise, all else the
same, and set beside the mean of the others in the model's features. A model that knew everything of
a note but its noise could give that mean, and nothing nearer; what is nearer has kept noise in z.
Of a run trained on `synth_notes`, the distances of its own reconstructions stand beside.
"""

import argparse

import jax
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.core import config as config_lib
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data.builders import synth_notes
from cvae_jax.data.synthetic import recipes
from cvae_jax.evaluation.metrics import baselines
from cvae_jax.synthesis import synthesizer

_BATCH = 32


def print_reconstructions(workdir: str) -> None:
  """Prints a run's log-spectral distance by family, on training notes and on held-out ones."""
  synth = synthesizer.load(workdir)
  data = pipeline.open_data(synth.config.data)
  eval_step = jax.jit(synth.method.eval_step)
  print(f"\n{workdir}, log-spectral distance, dB")
  found: dict[str, list[float]] = {"train": [], "held out": []}
  for name, source in (("train", data.train), ("held out", data.held_out)):
    for family in range(len(labels.FAMILIES)):
      rows = np.flatnonzero(source.labels["family"] == family)
      rows = rows[notes.spread_rows(len(rows), _BATCH)]
      batch = next(pipeline.eval_batches(source, _BATCH, rows))
      inputs = {key: batch[key] for key in (*sources.batch_keys(source), "mask")}
      total, count = eval_step(synth.params, inputs, jax.random.key(0))["lsd_db"]
      found[name].append(float(total / count))
  names = (*labels.FAMILIES, "mean")
  for values in found.values():
    values.append(float(np.mean(values)))
  for family, train, held_out in zip(names, *found.values(), strict=True):
    print(f"{family:12} train {train:5.2f}  held out {held_out:5.2f}")


def main() -> None:
  """Prints the distance by family, and of all."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("run", nargs="?", metavar="RUN", help="workdir")
  parser.add_argument("--draws", type=int, default=16, help="of the noise (default 16)")
  args = parser.parse_args()
  data = synth_notes.SynthNotesConfig(name="default")
  plan = synth_notes.make_plan(data, "valid")
  parameters = synth_notes.instrument_parameters(data)
  representation = methods.make_representation(config_lib.get_base_config(), labels.FORM)

  def render(family, instrument, source, pitch, velocity, key):
    audio = recipes.render(family, instrument, source, pitch, velocity, key)
    return representation.level_db(representation.encode(level.normalize(audio)))

  render = jax.jit(render, static_argnames="family")
  sums: dict[str, float] = {}
  squares: dict[str, float] = {}
  counts: dict[str, int] = {}
  for name in data.families:
    rows = np.flatnonzero(plan.family == labels.FAMILIES.index(name))
    for chunk, full in notes.batches(rows, _BATCH):
      columns = (parameters[plan.instrument[full]], plan.source[full], plan.pitch[full])
      made = np.stack(
        [
          render(name, *columns, plan.velocity[full], jax.random.key(draw))[: chunk.size]
          for draw in range(args.draws)
        ]
      )
      found = baselines.error_sums(made[0], made[1:].mean(axis=0))
      sums[name] = sums.get(name, 0.0) + found["lsd_db"]
      squares[name] = squares.get(name, 0.0) + found["mse_db2"]
      counts[name] = counts.get(name, 0) + chunk.size
  print(f"{'':12}{'notes':>6}{'log-spectral distance':>24}{'RMS error':>12}")
  for name in (*counts, "all"):
    of = list(counts) if name == "all" else [name]
    count = sum(counts[n] for n in of)
    lsd = sum(sums[n] for n in of) / count
    error = (sum(squares[n] for n in of) / count) ** 0.5
    print(f"{name:12}{count:6}{lsd:21.2f} dB{error:9.2f} dB")
  if args.run:
    print_reconstructions(args.run)


if __name__ == "__main__":
  main()
