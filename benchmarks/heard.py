"""What the classifier of families goes by: how much of a note it must be given to hear it right.

python benchmarks/heard.py [RUN ...] [--every=2]

Held-out notes of `synth_notes` as they are; through the features and back; without what is softer
than 60 dB under full scale; smeared over three frames. And of each run: held-out notes that it
gives back, notes that it draws, and notes that it draws at temperature 0. Where what is given back
is heard no better than what is drawn, it is not the drawing of z that is at fault.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import decibel
from cvae_jax.audio import level
from cvae_jax.core import config as config_lib
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.measures import generation
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation


def make_losses(representation, floor_db):
  """Functions of (audio [B, T], key) that lose something of notes, by name."""

  def through(change):
    def lose(audio, key):
      features = change(representation.encode(level.normalize(audio)))
      return level.peak_normalize(representation.decode(features, key))

    return compilation.jit(lose)

  quiet = decibel.to_unit(jnp.float32(-60.0), floor_db)
  return {
    "as they are": lambda audio, key: audio,
    "through the features": through(lambda x: x),
    "without what is under -60 dB": through(lambda x: jnp.where(x < quiet, -1.0, x)),
    "over three frames": through(lambda x: (jnp.roll(x, 1, 1) + x + jnp.roll(x, -1, 1)) / 3.0),
  }


def print_heard(what: str, heard: np.ndarray, wanted: np.ndarray) -> None:
  """A line: the share that is heard right, of all and by family."""
  right = heard == wanted
  by_family = [f"{100 * right[wanted == f].mean():4.0f}" for f in np.unique(wanted)]
  print(f"{what:40}{100 * right.mean():6.1f}  {'  '.join(by_family)}", flush=True)


def main() -> None:
  """Prints what is heard of each."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("runs", nargs="*", metavar="RUN", help="workdirs, trained on synth_notes")
  parser.add_argument("--every", type=int, default=2, help="of so many held-out notes, one")
  args = parser.parse_args()
  config = config_lib.get_base_config()
  data = pipeline.open_data(config.data)
  form = labels.FORM
  run = measures.Run(config, methods.make_method(config, form, data.vocabulary), None, data)
  classifier, _ = generation.get_classifier(run, form)
  rows = np.arange(len(data.held_out))[:: args.every]
  batches = list(pipeline.eval_batches(data.held_out, 32, rows))
  wanted = np.concatenate([b["family"][b["mask"] > 0] for b in batches])

  def listen(make):
    heard = [
      classifier.predict(np.asarray(make(batch, jax.random.key(i)))[batch["mask"] > 0])
      for i, batch in enumerate(batches)
    ]
    return np.concatenate([h.predict("family") for h in heard])

  names = "  ".join(labels.FAMILIES[f][:4] for f in np.unique(wanted))
  print(f"{'family heard, %':40}{'all':>6}  {names}")
  representation = methods.make_representation(config, form)
  floor_db = config.representation.floor_db
  for name, lose in make_losses(representation, floor_db).items():
    print_heard(name, listen(lambda b, key, lose=lose: lose(b["audio"], key)), wanted)
  for workdir in args.runs:
    synth = synthesizer.load(workdir)
    reconstruct = compilation.jit(synth.method.reconstruct)
    sample = compilation.jit(synth.method.sample)

    def give_back(b, key, synth=synth, reconstruct=reconstruct):
      return reconstruct(synth.params, run.inputs_of(b), key)

    def draw(b, key, temperature=1.0, synth=synth, sample=sample):
      asked = methods.at_temperature(run.labels_of(b), len(b["mask"]), temperature)
      return sample(synth.params, asked, key)

    print_heard(f"{workdir}: given back", listen(give_back), wanted)
    print_heard(f"{workdir}: drawn", listen(draw), wanted)
    print_heard(f"{workdir}: at temperature 0", listen(lambda b, k, f=draw: f(b, k, 0.0)), wanted)


if __name__ == "__main__":
  main()
