"""What lies between two scores: a latent's path beside a mixture of their steps, as a figure.

    python benchmarks/score_interpolation.py RUN --out=docs/musicvae_interpolation.png

Pairs of held-out scores of different tunes, eleven points from A to B. In data space a step of the
mixture is B's with the probability of the way gone, else A's (Roberts et al. 2018, section 5.2).
Left: the share of steps that differ from A's. Right: -log p of the scores by a language model of
the training scores (`metrics.ngram`), relative to that of the ends.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np

from cvae_jax.data import pipeline
from cvae_jax.evaluation.metrics import ngram
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer

WEIGHTS = np.linspace(0.0, 1.0, 11)


def pairs(source, count: int, rng) -> np.ndarray:
  """[count, 2, L] scores of different tunes."""
  tunes = np.asarray([name.rpartition(":")[0] for name in source.labels["id"]])
  chosen = []
  while len(chosen) < count:
    a, b = rng.integers(0, len(source), 2)
    if tunes[a] != tunes[b]:
      chosen.append([source[int(a)]["tokens"], source[int(b)]["tokens"]])
  return np.asarray(chosen)


def latent_path(synth, a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """[11, L] decoded from the arc between two scores' codes; the ends as they are decoded."""
  ends = [latent_space.encode(synth, x) for x in (a, b)]
  return latent_space.decode(
    synth, latent_space.interpolate(synth, *ends, len(WEIGHTS), "spherical")
  )


def data_path(a: np.ndarray, b: np.ndarray, rng) -> np.ndarray:
  """[11, L] mixtures of steps."""
  return np.where(rng.random((len(WEIGHTS), len(a))) < WEIGHTS[:, None], b, a)


def main() -> None:
  """Prints the curves, and draws them."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("run")
  parser.add_argument("--pairs", type=int, default=200)
  parser.add_argument("--order", type=int, default=8, help="of the language model")
  parser.add_argument("--out")
  args = parser.parse_args()
  synth, rng = synthesizer.load(args.run), np.random.default_rng(0)
  data = pipeline.open_data(synth.config.data)
  train = np.stack([data.train[i]["tokens"] for i in range(len(data.train))])
  model = ngram.NGram(args.order, synth.form.tokenizer.size).fit(train)
  curves: dict[str, list[np.ndarray]] = {}
  for a, b in pairs(data.held_out, args.pairs, rng):
    paths = {"latent space": latent_path(synth, a, b), "data space": data_path(a, b, rng)}
    for name, path in paths.items():
      differs = np.mean(path != path[0], axis=1)
      cost = model.nll(path)
      curves.setdefault(name, []).append(np.stack([differs, cost / (0.5 * (cost[0] + cost[-1]))]))
  means = {name: np.mean(values, axis=0) for name, values in curves.items()}
  for name, (differs, cost) in means.items():
    steps = np.diff(differs)
    print(f"{name}: differs from A {np.round(differs, 3).tolist()}, largest of its steps "
          f"{steps.max():.3f}; -log p over the ends' {np.round(cost, 2).tolist()}")  # fmt: skip
  if args.out:
    draw(means, args.out)


def draw(means, path: str) -> None:
  """Draws the two curves of each way."""
  figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.0), layout="constrained")
  titles = ("steps that differ from A", "-log p, over that of the ends")
  for i, (axis, title) in enumerate(zip(axes, titles, strict=True)):
    for name, curve in means.items():
      axis.plot(WEIGHTS, curve[i], marker="o", markersize=3, label=name)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("from A to B")
    axis.spines[["top", "right"]].set_visible(False)
  axes[0].legend(frameon=False, fontsize=9)
  figure.savefig(path, dpi=110)


if __name__ == "__main__":
  main()
