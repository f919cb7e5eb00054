"""Which errors of levels matter, and what steadying levels over time gives: `method.smoothing_db`.

python benchmarks/smoothing.py RUN [--tolerances=0,4,8] [--reaches=0.25] [--attack=0.25]
  [--data=synth_notes]

Decodes the spectrograms of real held-out notes, a run's reconstructions and what it generates, with
levels smoothed by every tolerance in dB and reach in s. Prints the log-spectral distance of the
features; the Fréchet distance to real notes by the classifier of `evaluate`, between halves as it
is there, and ('all') between all notes and all real ones; the family accuracy; the power between
partials; and the error of attack times, of the means of families and of their medians. Four rows
more tell which errors matter. 'slow errors' are real notes with the reconstructions' errors of
levels, but for what varies within half a second, and 'fast errors' those with that alone; 'errors
of attacks' are real notes whose first --attack seconds are those of the reconstruction, and in
'errors after them' all else is.
"""

import argparse
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage

from cvae_jax import methods
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.measures import artefacts as artefact_measure
from cvae_jax.evaluation.measures import generation
from cvae_jax.evaluation.metrics import artefacts
from cvae_jax.evaluation.metrics import distribution
from cvae_jax.methods.common import waveforms
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

_BATCH = 32
_SLOW_S = 0.5


def predict(run: measures.Run, parts) -> dict[str, np.ndarray]:
  """Features of the real notes, reconstructed and generated, [M, N, F, 1]; codes and labels."""

  @compilation.jit
  def features(params, batch, labels, rng):
    inputs = parts.inputs(batch)
    code = parts.encode(params, inputs).mean
    drawn = run.method.draw_code(params, labels, rng)
    decode = lambda z: parts.decode(params, z, inputs.c)
    return inputs.x, decode(code), decode(drawn), code, drawn

  columns: dict[str, list[np.ndarray]] = {}
  for i, batch in enumerate(pipeline.eval_batches(run.data.held_out, _BATCH)):
    labels = methods.at_temperature(run.labels_of(batch), _BATCH)
    key = jax.random.fold_in(jax.random.key(run.config.seed), i)
    made = features(run.params, run.inputs_of(batch), labels, key)
    names = ("real", "reconstructed", "generated", "codes", "drawn codes")
    named = dict(zip(names, made, strict=True))
    for name, value in {**named, **run.labels_of(batch), "audio": batch["audio"]}.items():
      columns.setdefault(name, []).append(np.asarray(value)[batch["mask"] > 0])
  return {name: np.concatenate(values) for name, values in columns.items()}


def split_errors(
  found: dict[str, np.ndarray], frame_s: float, attack_s: float
) -> dict[str, np.ndarray]:
  """Real features with a part of the reconstructions' errors, [M, N, F, 1]; by the part's name.

  Where a note is silent, or reconstructed as silence, its error is whole in both.
  """
  num_frames = round(_SLOW_S / frame_s)
  errors = found["reconstructed"] - found["real"]
  sounds = (found["real"] > -1.0) & (found["reconstructed"] > -1.0)
  mean = lambda x: scipy.ndimage.uniform_filter1d(x, num_frames, axis=1, mode="constant")
  slow = mean(np.where(sounds, errors, 0.0)) / np.maximum(mean(sounds.astype(np.float32)), 1e-6)
  parts = {"slow errors": slow, "fast errors": errors - slow}
  split = {
    name: np.maximum(found["real"] + np.where(sounds, part, errors), -1.0)
    for name, part in parts.items()
  }
  is_attack = (np.arange(errors.shape[1]) < round(attack_s / frame_s))[:, None, None]
  split["errors of attacks"] = np.where(is_attack, found["reconstructed"], found["real"])
  split["errors after them"] = np.where(is_attack, found["real"], found["reconstructed"])
  return split


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("run", metavar="RUN", help="workdir of a run of method vae")
  parser.add_argument("--tolerances", default="0,4,8", help="in dB, between commas")
  parser.add_argument("--reaches", default="0.25", help="in s, between commas")
  parser.add_argument("--attack", type=float, default=0.25, help="how long it is, in s")
  parser.add_argument("--data", help="data set of the same notes, for one classifier of two runs")
  args = parser.parse_args()
  synth = synthesizer.load(args.run)
  if args.data:
    synth = synth.with_fields({"data.name": args.data})
  data = pipeline.open_data(synth.config.data)
  run = measures.Run(synth.config, synth.method, synth.params, data)
  parts, form = synth.method.encode.args[0], synth.form
  found = predict(run, parts)
  frame_s = synth.config.representation.hop_length / form.sample_rate
  parts_of_errors = split_errors(found, frame_s, args.attack)
  found |= parts_of_errors
  classifier, _ = generation.get_classifier(run, form)
  real = classifier.predict(found["audio"])
  halves = generation.deal(found, ("family", "pitch", "source", "velocity"))
  reference = artefact_measure.describe(found["audio"], found, form.sample_rate)

  def decode_with(tolerance_db, reach_s):
    config = synth.config.copy_and_resolve_references()
    config.method.update(smoothing_db=tolerance_db, smoothing_s=reach_s)

    @compilation.jit
    def decode(x, code, rng):
      steady = waveforms.steady_levels(config, parts.representation, form, x)
      audio = parts.join_measured(parts.representation.decode(steady, rng), code)
      return parts.representation.level_db(steady), waveforms.finish(form, audio)

    return decode

  level_db = np.asarray(parts.representation.level_db(jnp.asarray(found["real"])))
  print(
    f"{'':34}{'LSD, dB':>9}{'Fréchet':>9}{'all':>7}{'family, %':>11}{'between, dB':>13}"
    f"{'attack, %':>11}{'median':>8}"
  )
  pairs = itertools.product(
    map(float, args.tolerances.split(",")), map(float, args.reaches.split(","))
  )
  for tolerance_db, reach_s in pairs:
    decode = decode_with(tolerance_db, reach_s)
    for name in ("real", "reconstructed", "generated", *parts_of_errors):
      codes = found["drawn codes" if name == "generated" else "codes"]
      starts = range(0, len(level_db), _BATCH)
      made = [
        decode(found[name][i : i + _BATCH], codes[i : i + _BATCH], jax.random.key(i))
        for i in starts
      ]
      levels, audio = (np.concatenate([np.asarray(x[k]) for x in made]) for k in (0, 1))
      predicted = classifier.predict(audio)
      frechet = np.mean(
        [
          distribution.frechet_distance(real.features[b], predicted.features[a])
          for a, b in (halves, halves[::-1])
        ]
      )
      frechet_of_all = distribution.frechet_distance(real.features, predicted.features)
      family = np.mean(predicted.predict("family") == found["family"])
      between = artefacts.between_partials_db(audio, found["pitch"], form.sample_rate)
      faults = artefact_measure.describe(audio, found, form.sample_rate)
      differences = artefact_measure.compare(faults, reference)
      attack, median = (differences[x] for x in ("attack_error", "attack_median_error"))
      distance = np.sqrt(np.square(levels - level_db).mean(axis=2)).mean()
      print(
        f"{f'{name}, {tolerance_db:g} dB, {reach_s:g} s':34}{distance:9.2f}{frechet:9.1f}"
        f"{frechet_of_all:7.1f}{100 * family:11.1f}{np.median(between):13.1f}"
        f"{100 * attack:11.0f}{100 * median:8.0f}",
        flush=True,
      )


if __name__ == "__main__":
  main()
