"""How well the vibrato of notes is found and taken away: `audio/vibrato.py` on synthetic notes.

python benchmarks/vibrato.py [--notes=64]

Renders notes of random instruments of each family of `synth_notes`. Prints how many have a vibrato
found, by how much the frequency of their partials deviates before and after it is taken away, the
signal-to-noise ratio of notes that lost it and got it again, and, where the recipe says what it is,
the errors of rate and depth.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import controls
from cvae_jax.audio import vibrato
from cvae_jax.data import labels
from cvae_jax.data.synthetic import recipes
from cvae_jax.training import compilation

_RATE = labels.SAMPLE_RATE
# The number of an instrument that is its rate, which its depth follows; and both ranges.
_TRUTHS = {
  "brass": (4, (4.5, 6.0), (0.0, 15.0)),
  "flute": (2, (4.0, 6.5), (2.0, 20.0)),
  "reed": (3, (4.0, 6.0), (0.0, 12.0)),
  "string": (4, (4.5, 6.5), (5.0, 25.0)),
  "vocal": (3, (4.5, 6.5), (10.0, 35.0)),
}


def _spread(deviation, energy):
  """[B] standard deviations in cents of what sounds before the release."""
  sounds = np.array(energy > 0.01 * energy.max(axis=-1, keepdims=True))
  sounds[:, round(0.75 * sounds.shape[1]) :] = False
  cents = 1731.0 * np.asarray(deviation)
  return np.array([np.std(x[mask]) for x, mask in zip(cents, sounds, strict=True)])


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("--notes", type=int, default=64, help="of each family")
  count = parser.parse_args().notes
  rng = np.random.default_rng(0)
  estimate = compilation.jit(lambda x, f0_hz: vibrato.estimate(x, f0_hz, _RATE))
  measure = compilation.jit(lambda x, f0_hz: vibrato.measure_deviation(x, f0_hz, _RATE))
  remove, add = (
    compilation.jit(lambda x, v, f=f: f(x, v, _RATE)) for f in (vibrato.remove, vibrato.add)
  )
  heads = ["family", "found, %", "deviation, cents", "after", "round trip, dB"]
  heads += ["error of the rate, Hz: median, 90 %", "depth, relative"]
  print(f"| {' | '.join(heads)} |")
  print("|---|---|---|---|---|---|---|")
  for family in recipes.RECIPES:
    numbers = rng.uniform(size=(count, recipes.NUM_PARAMETERS)).astype(np.float32)
    pitch, velocity = rng.integers(30, 96, count), rng.integers(25, 128, count)
    source = rng.integers(0, 3, count)
    audio = recipes.render(
      family,
      jnp.asarray(numbers),
      jnp.asarray(source),
      jnp.asarray(pitch),
      jnp.asarray(velocity),
      jax.random.key(1),
    )
    f0_hz = controls.pitch_to_hz(jnp.asarray(pitch, jnp.float32))
    found = estimate(audio, f0_hz)
    steady = remove(audio, found)
    before, after = (_spread(*measure(x, f0_hz)) for x in (audio, steady))
    error = np.mean(np.square(add(steady, found) - audio), axis=-1)
    ratio = 10.0 * np.log10(np.mean(np.square(audio), axis=-1) / (error + 1e-12))
    has = np.asarray(found.depth) > 0.0
    row = f"| {family} | {100 * has.mean():.0f} | {np.median(before):.1f} | {np.median(after):.1f} "
    row += f"| {np.median(ratio):.0f} "
    if family in _TRUTHS and has.any():
      column, rates, depths = _TRUTHS[family]
      rate, depth = (
        low + (high - low) * numbers[has, column + i]
        for i, (low, high) in enumerate((rates, depths))
      )
      errors = np.abs(np.asarray(found.rate_hz)[has] - rate)
      ratio = 1200.0 * np.log2(1.0 + np.asarray(found.depth)[has]) / depth
      row += f"| {np.median(errors):.3f}, {np.quantile(errors, 0.9):.3f} | {np.median(ratio):.3f} |"
    else:
      row += "| | |"
    print(row, flush=True)


if __name__ == "__main__":
  main()
