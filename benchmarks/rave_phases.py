"""RAVE's held-out recordings through its latents: by phases, and by the dimensions that are kept.

python benchmarks/rave_phases.py --workdirs runs/phase1 runs/rave --data.dir=RECORDINGS \
    --fidelities 0.8 0.9 0.95 0.99 1.0

Prints Markdown: dimensions; spectral distances of waveforms and of bands, as in training but with
the original's floor; log-mel distance (root mean square, 64 bands of 1,024 points, down to 60 dB
below the loudest); loudness error; and two Fréchet distances between recordings and what is made of
them: of the mean and deviation of these bands over windows of half a second, and of the features of
a classifier that was trained to tell the training recordings apart, over windows of a second. The
last row is the recordings' halves against each other, by alternate windows: what no model can be
better than. Of a run with a prior, Fréchet distances of what is drawn follow, beside draws of
N(0, I).
"""

import argparse

import jax
import numpy as np

import cvae_jax
from cvae_jax import evaluate
from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.data import pipeline
from cvae_jax.evaluation.metrics import classifier
from cvae_jax.evaluation.metrics import distribution
from cvae_jax.methods.common import rave_parts
from cvae_jax.training import compilation

_MELS, _SIZE, _HOP = 64, 1024, 256
_FLOOR_DB = -60.0
_SILENCE = 1e-3  # peak
_STEPS = 200  # of the classifier
_LABEL = "recording"  # that it learns


def log_mel(audio: np.ndarray, rate: int) -> np.ndarray:
  """[M, N, 64] dB of [M, T] waveforms, full scale being 0 dB of power in a band."""
  import librosa

  bank = librosa.filters.mel(sr=rate, n_fft=_SIZE, n_mels=_MELS)
  spectra = np.abs(librosa.stft(audio, n_fft=_SIZE, hop_length=_HOP)) ** 2
  return 10.0 * np.log10(np.einsum("kf,mfn->mnk", bank, spectra) + 1e-8)


def windows(levels: np.ndarray, rate: int) -> np.ndarray:
  """[W, 128]: mean and deviation over half a second, every quarter of one."""
  length = round(0.5 * rate / _HOP)
  cut = [levels[:, n : n + length] for n in range(0, levels.shape[1] - length + 1, length // 2)]
  return np.concatenate([np.concatenate([x.mean(1), x.std(1)], axis=-1) for x in cut])


def seconds_of(audio: np.ndarray, rate: int) -> np.ndarray:
  """[W, rate] windows of a second, every half, of [M, T] waveforms; those of silence as well."""
  starts = range(0, audio.shape[1] - rate + 1, rate // 2)
  return np.concatenate([audio[:, n : n + rate] for n in starts])


class Ear:
  """What recordings are compared by.

  Args:
    data: of which the training examples teach the classifier.
    rate: in Hz.

  Attributes:
    batches: of the held-out recordings.
    audio: [M, T] all of them.
  """

  def __init__(self, data: pipeline.Data, rate: int):
    self.batches = [
      {name: batch[name] for name in ("audio", "mask")}
      for batch in pipeline.eval_batches(data.held_out, 8)
    ]
    audio = np.concatenate([batch["audio"][batch["mask"] > 0] for batch in self.batches])
    self.audio, self.rate = audio, rate
    levels = log_mel(audio, rate)
    self._floor = levels.max() + _FLOOR_DB
    self._levels = np.maximum(levels, self._floor)
    self._is_loud = np.abs(seconds_of(audio, rate)).max(axis=1) > _SILENCE
    generator = np.random.default_rng(0)

    def read(rows):
      examples = [data.train[int(row)] for row in rows]
      starts = generator.integers(0, audio.shape[1] - rate + 1, len(rows))
      cut = [x["audio"][n : n + rate] for x, n in zip(examples, starts, strict=True)]
      return {"audio": np.stack(cut), _LABEL: np.array([int(x[_LABEL]) for x in examples])}

    classes = {_LABEL: len(data.vocabulary.get(_LABEL).names)}
    self._classifier = classifier.train(read, len(data.train), _STEPS, classes, rate)
    rows = np.arange(len(data.train))
    batch = read(rows)
    found = self._classifier.predict(batch["audio"]).predict(_LABEL)
    self.accuracy = float(np.mean(found == batch[_LABEL]))
    self._compared = (self.mel_windows, self.features)
    self._recordings = [of(audio) for of in self._compared]

  def mel_windows(self, made: np.ndarray) -> np.ndarray:
    """Of the first Fréchet distance."""
    return windows(np.maximum(log_mel(made, self.rate), self._floor), self.rate)

  def features(self, made: np.ndarray) -> np.ndarray:
    """Of the second one: of windows in which the recording is not silent."""
    return self._classifier.predict(seconds_of(made, self.rate)[self._is_loud]).features

  def mel_error(self, made: np.ndarray) -> float:
    """Root mean square in dB."""
    levels = np.maximum(log_mel(made, self.rate), self._floor)
    return float(np.sqrt(np.mean((levels - self._levels) ** 2)))

  def frechet(self, made: np.ndarray) -> tuple[float, float]:
    """Both Fréchet distances of what is made of the recordings."""
    return tuple(
      distribution.frechet_distance(of_audio, of(made))
      for of_audio, of in zip(self._recordings, self._compared, strict=True)
    )

  def halves(self) -> tuple[float, float]:
    """Both Fréchet distances between alternate windows of the recordings."""
    return tuple(distribution.frechet_distance(x[::2], x[1::2]) for x in self._recordings)


def measure(synth, ear: Ear, seed: int = 0) -> dict[str, float]:
  """The row of a run; its method's fidelity is the config's."""
  method, key = synth.method, jax.random.key(seed)
  evaluated = evaluate.average(
    compilation.jit(method.eval_step), synth.params, ear.batches, key, lambda batch: batch
  )
  reconstruct = compilation.jit(method.reconstruct)
  made = [
    np.asarray(reconstruct(synth.params, {"audio": batch["audio"]}, jax.random.fold_in(key, i)))
    for i, batch in enumerate(ear.batches)
  ]
  made = np.concatenate(made)[: len(ear.audio)]
  row = {name: evaluated[name] for name in ("spectral", "spectral_of_bands", "loudness_l1_db")}
  return {**row, "mel_db": ear.mel_error(made), "frechet": ear.frechet(made)}


def measure_drawn(synth, ear: Ear, seed: int = 0) -> list[tuple[float, float]]:
  """Fréchet distances of as many examples, drawn of the prior and of N(0, I) latents."""
  method, count = synth.method, len(ear.audio)
  decode, key = compilation.jit(method.decode), jax.random.key(seed)
  analysis = synth.params[rave_parts.ANALYSIS]
  drawn = method.draw_code(synth.params, methods.at_temperature({}, count), key)
  z = jax.random.normal(key, drawn.shape)

  def compare(codes):
    made = [decode(synth.params, codes[n : n + 8], {}, key) for n in range(0, count, 8)]
    return ear.frechet(np.concatenate(made))

  return [compare(drawn), compare((z - analysis["mean"]) @ analysis["basis"])]


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdirs", nargs="+", required=True)
  parser.add_argument("--fidelities", nargs="+", type=float, default=[0.95])
  parser.add_argument("--data.dir", dest="data_dir", required=True)
  args = parser.parse_args()
  print(
    "| run | fidelity | dimensions | spectral, waveforms | bands | log-mel, dB | loudness, dB "
    "| Fréchet, mel | Fréchet, classifier |\n" + "|---" * 9 + "|"
  )
  ear = None
  for workdir in args.workdirs:
    synth = cvae_jax.load(workdir)
    config = synth.config.copy_and_resolve_references()
    config_lib.override(config, f"data.dir={args.data_dir}")
    if ear is None:
      ear = Ear(pipeline.open_data(config.data), synth.sample_rate)
    for fidelity in args.fidelities:
      asked = synth.with_fields({"method.fidelity": fidelity})
      row = measure(asked, ear)
      count = asked.method.streamer.count_heard(asked.params, fidelity)
      of_mel, of_features = row["frechet"]
      print(
        f"| {workdir} | {fidelity:g} | {count} | {row['spectral']:.2f} "
        f"| {row['spectral_of_bands']:.2f} | {row['mel_db']:.2f} | {row['loudness_l1_db']:.2f} "
        f"| {of_mel:.0f} | {of_features:.2f} |",
        flush=True,
      )
  of_mel, of_features = ear.halves()
  print(f"| recordings | | | | | | | {of_mel:.0f} | {of_features:.2f} |")
  print(f"\nThe classifier knows {100 * ear.accuracy:.0f} % of windows of its training recordings.")
  if synth.method.can_sample:
    for name, (of_mel, of_features) in zip(
      ("the prior", "N(0, I)"), measure_drawn(synth, ear), strict=True
    ):
      print(f"Drawn of {name}: Fréchet {of_mel:.0f}, {of_features:.2f}")


if __name__ == "__main__":
  main()
