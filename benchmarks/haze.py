"""Power between the partials of reconstructed notes: in the predicted spectrogram, or only after?

python benchmarks/haze.py RUN [--every=4]

Held-out notes of a run on spectrograms in dB: medians of the power between partials over the whole,
in the features and in the waveform, for real notes, for real notes through the features and back,
and for the run's reconstructions, as predicted and with levels that are steadied over time; and the
share of power by the distance from the nearest partial.
"""

import argparse

import jax
import numpy as np

from cvae_jax.data import pipeline
from cvae_jax.evaluation.metrics import artefacts
from cvae_jax.methods.common import waveforms
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

DISTANCES_HZ = (0, 4, 8, 16, 32, 64, 128)


def hz(pitch: np.ndarray) -> np.ndarray:
  """[B, 1] fundamentals."""
  return 440.0 * 2.0 ** ((np.asarray(pitch, np.float64)[:, None] - 69.0) / 12.0)


def between_in_features(
  level_db: np.ndarray, pitch: np.ndarray, frequencies_hz: np.ndarray
) -> np.ndarray:
  """[B] power between partials over the whole in dB, of [B, N, F] levels."""
  power = (10.0 ** (level_db / 10.0)).sum(axis=1)
  nearest_hz = np.maximum(np.round(frequencies_hz / hz(pitch)), 1.0) * hz(pitch)
  reach_hz = np.maximum(0.25 * hz(pitch), 3.0 * (frequencies_hz[1] - frequencies_hz[0]))
  is_between = np.abs(frequencies_hz - nearest_hz) > reach_hz
  return 10.0 * np.log10(np.maximum((power * is_between).sum(1) / power.sum(1), 1e-12))


def by_distance(audio: np.ndarray, pitch: np.ndarray, sample_rate: int) -> list[float]:
  """Medians over notes of the share of power, in dB, by Hz from the nearest partial."""
  part = audio[:, round(0.3 * sample_rate) : round(2.8 * sample_rate)].astype(np.float64)
  power = np.square(np.abs(np.fft.rfft(part * np.hanning(part.shape[1]))))
  frequencies_hz = np.fft.rfftfreq(part.shape[1], 1.0 / sample_rate)
  distance = np.abs(
    frequencies_hz - np.maximum(np.round(frequencies_hz / hz(pitch)), 1.0) * hz(pitch)
  )
  total, shares = power.sum(axis=1), []
  for low, high in zip(DISTANCES_HZ, (*DISTANCES_HZ[1:], np.inf), strict=True):
    within = (power * ((distance >= low) & (distance < high))).sum(axis=1)
    shares.append(float(np.median(10.0 * np.log10(np.maximum(within / total, 1e-12)))))
  return shares


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("run", metavar="RUN", help="workdir of a run of method vae")
  parser.add_argument("--every", type=int, default=4, help="of so many held-out notes, one")
  args = parser.parse_args()
  synth = synthesizer.load(args.run)
  data, form = pipeline.open_data(synth.config.data), synth.form
  parts = synth.method.encode.args[0]  # What the method's functions are bound to.

  def predict(params, batch):
    inputs = parts.inputs(batch)
    code = parts.encode(params, inputs).mean
    predicted = parts.decode(params, code, inputs.c)
    return inputs.x, predicted, parts.reconstruct(params, code, inputs.c), code

  def decode(x, code, key):
    audio = parts.join_measured(parts.representation.decode(x, key), code)
    return waveforms.finish(form, audio)

  predict, decode = compilation.jit(predict), compilation.jit(decode)
  rows, columns = np.arange(0, len(data.held_out), args.every), {}
  for i, batch in enumerate(pipeline.eval_batches(data.held_out, 32, rows)):
    is_real = batch["mask"] > 0
    inputs = {k: v for k, v in batch.items() if k != "id"}
    x, predicted, steady, code = predict(synth.params, inputs)
    made = {
      "pitch": batch["pitch"],
      "real": batch["audio"],
      "real, decoded": decode(x, code, jax.random.key(i)),
      "predicted": decode(predicted, code, jax.random.key(i)),
      "steadied": decode(steady, code, jax.random.key(i)),
      "features real": parts.representation.level_db(x),
      "features predicted": parts.representation.level_db(predicted),
      "features steadied": parts.representation.level_db(steady),
    }
    for name, value in made.items():
      columns.setdefault(name, []).append(np.asarray(value)[is_real])
  found = {name: np.concatenate(values) for name, values in columns.items()}
  pitch, frequencies_hz = found["pitch"], np.asarray(parts.representation.frequencies_hz)
  for name in ("features real", "features predicted", "features steadied"):
    between = between_in_features(found[name], pitch, frequencies_hz)
    print(f"{name:24}{np.median(between):7.1f} dB between partials")
  print(f"\n{'':24}{'between':>9}" + "".join(f"{f'from {d} Hz':>13}" for d in DISTANCES_HZ))
  for name in ("real", "real, decoded", "predicted", "steadied"):
    between = artefacts.between_partials_db(found[name], pitch, form.sample_rate)
    shares = by_distance(found[name], pitch, form.sample_rate)
    print(f"{name:24}{np.median(between):9.1f}" + "".join(f"{x:13.1f}" for x in shares))


if __name__ == "__main__":
  main()
