"""How well the attacks of notes are found and taken away: `audio/attack.py`.

python benchmarks/attack.py [--notes=64] [--dir=FOLDER]

Renders notes of random instruments of each family of `synth_notes`, or reads those of a folder in
NSynth's layout. Prints the attack times that are found, by how much the level of 10 to 40 ms is
under that of 100 to 200 ms before and after the attack is taken away (the ideal is that of a decay:
0 dB or more), and, where the recipe says what it is, the error of the time.
"""

import argparse
import glob
import json
import os

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import attack
from cvae_jax.audio import files
from cvae_jax.data import labels
from cvae_jax.data.synthetic import recipes
from cvae_jax.evaluation.metrics import artefacts
from cvae_jax.training import compilation

_RATE = labels.SAMPLE_RATE
# The number of an instrument that is its attack time, and the range in s.
_TRUTHS = {
  "bass": (6, (0.003, 0.02)),
  "flute": (7, (0.03, 0.15)),
  "organ": (9, (0.004, 0.03)),
  "reed": (7, (0.015, 0.08)),
  "string": (7, (0.05, 0.4)),
}


def _render(family, count):
  """[B, T] notes, and their true attack times in s or None."""
  rng = np.random.default_rng(list(recipes.RECIPES).index(family))
  numbers = rng.uniform(size=(count, recipes.NUM_PARAMETERS)).astype(np.float32)
  pitch, velocity = rng.integers(30, 96, count), rng.integers(25, 128, count)
  audio = recipes.render(
    family,
    jnp.asarray(numbers),
    jnp.asarray(rng.integers(0, 3, count)),
    jnp.asarray(pitch),
    jnp.asarray(velocity),
    jax.random.key(1),
  )
  if family not in _TRUTHS:
    return audio, None
  column, (low, high) = _TRUTHS[family]
  return audio, low * (high / low) ** numbers[:, column]


def _read(folder, count):
  """Families and [B, T] of their notes, of a folder in NSynth's layout."""
  with open(os.path.join(folder, "examples.json")) as file:
    examples = json.load(file)
  families: dict[str, list[str]] = {}
  for path in sorted(glob.glob(os.path.join(folder, "audio", "*"))):
    name = os.path.splitext(os.path.basename(path))[0]
    families.setdefault(examples[name]["instrument_family_str"], []).append(path)
  for family, paths in sorted(families.items()):
    notes = [files.read_note(path, labels.NUM_SAMPLES, _RATE).audio for path in paths[:count]]
    yield family, jnp.stack(notes), None


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("--notes", type=int, default=64, help="of each family")
  parser.add_argument("--dir", help="folder of notes in NSynth's layout, in place of rendered ones")
  args = parser.parse_args()
  estimate = compilation.jit(lambda x: attack.estimate(x, _RATE))
  remove = compilation.jit(lambda x, a: attack.remove(x, a, _RATE))
  print("| family | time, ms: 10 %, median, 90 % | curve | onset, dB | after | error of the time |")
  print("|---|---|---|---|---|---|")
  rendered = ((family, *_render(family, args.notes)) for family in recipes.RECIPES)
  for family, audio, truth in _read(args.dir, args.notes) if args.dir else rendered:
    found = estimate(audio)
    onsets = [
      np.median(artefacts.level_db(x, _RATE, 0.01, 0.04) - artefacts.level_db(x, _RATE, 0.1, 0.2))
      for x in (np.asarray(audio), np.asarray(remove(audio, found)))
    ]
    times = 1e3 * np.quantile(found.time_s, (0.1, 0.5, 0.9))
    row = f"| {family} | {', '.join(f'{x:.0f}' for x in times)} | {np.median(found.curve):.1f} "
    row += f"| {onsets[0]:.1f} | {onsets[1]:.1f} "
    if truth is not None:
      error = np.abs(np.asarray(found.time_s) / truth - 1.0)
      row += f"| {100 * np.median(error):.0f} %, {100 * np.quantile(error, 0.9):.0f} % "
    else:
      row += "| "
    print(row + "|", flush=True)


if __name__ == "__main__":
  main()
