"""RAVE's held-out recordings through its latents: by phases, and by the dimensions that are kept.

python benchmarks/rave.py --workdirs runs/phase1 runs/rave --fidelities 0.8 0.9 0.95 0.99 1.0 \
    --data.dir=RECORDINGS

Prints Markdown: dimensions; spectral distances of waveforms and of bands, as in training but with
the original's floor; log-mel distance (root mean square, 64 bands of 1,024 points, down to 60 dB
below the loudest); loudness error; and the Fréchet distance between recordings and what is made of
them, of the mean and deviation of these bands over windows of half a second. The last row is the
recordings' halves against each other, by alternate excerpts: what no model can be better than. Of
a run with a prior, Fréchet distances of what is drawn follow, beside draws of N(0, I).
"""

import argparse

import jax
import numpy as np

import cvae_jax
from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.data import pipeline
from cvae_jax.evaluation.metrics import distribution
from cvae_jax.methods.common import rave_parts
from cvae_jax.training import compilation

_MELS, _SIZE, _HOP = 64, 1024, 256
_FLOOR_DB = -60.0


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


def measure(synth, audio: np.ndarray, seed: int = 0) -> dict[str, float]:
  """The row of a run; its method's fidelity is the config's."""
  method, rate = synth.method, synth.sample_rate
  evaluate, reconstruct = compilation.jit(method.eval_step), compilation.jit(method.reconstruct)
  sums: dict[str, float] = {}
  made = []
  for i, start in enumerate(range(0, len(audio), 8)):
    part = audio[start : start + 8]
    padded = np.pad(part, [(0, 8 - len(part)), (0, 0)])
    mask = (np.arange(8) < len(part)).astype(np.float32)
    rng = jax.random.fold_in(jax.random.key(seed), i)
    for name, (total, _) in evaluate(synth.params, {"audio": padded, "mask": mask}, rng).items():
      sums[name] = sums.get(name, 0.0) + float(total) / len(audio)
    made.append(np.asarray(reconstruct(synth.params, {"audio": padded}, rng))[: len(part)])
  real, fake = (log_mel(x, rate) for x in (audio, np.concatenate(made)))
  floor = real.max() + _FLOOR_DB
  real, fake = np.maximum(real, floor), np.maximum(fake, floor)
  row = {name: sums[name] for name in ("spectral", "spectral_of_bands", "loudness_l1_db")}
  row["mel_db"] = float(np.sqrt(np.mean((fake - real) ** 2)))
  row["frechet"] = distribution.frechet_distance(windows(real, rate), windows(fake, rate))
  return row


def measure_drawn(synth, audio: np.ndarray, seed: int = 0) -> tuple[float, float]:
  """Fréchet distances of as many examples, drawn of the prior and of N(0, I) latents."""
  method, rate, count = synth.method, synth.sample_rate, len(audio)
  decode, key = compilation.jit(method.decode), jax.random.key(seed)
  analysis = synth.params[rave_parts.ANALYSIS]
  drawn = method.draw_code(synth.params, methods.at_temperature({}, count), key)
  z = jax.random.normal(key, drawn.shape)
  levels = log_mel(audio, rate)
  floor = levels.max() + _FLOOR_DB
  real = windows(np.maximum(levels, floor), rate)

  def compare(codes):
    made = [decode(synth.params, codes[n : n + 8], {}, key) for n in range(0, count - 7, 8)]
    fake = np.maximum(log_mel(np.concatenate(made), rate), floor)
    return distribution.frechet_distance(real, windows(fake, rate))

  return compare(drawn), compare((z - analysis["mean"]) @ analysis["basis"])


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdirs", nargs="+", required=True)
  parser.add_argument("--fidelities", nargs="+", type=float, default=[0.95])
  parser.add_argument("--data.dir", dest="data_dir", required=True)
  args = parser.parse_args()
  print(
    "| run | fidelity | dimensions | spectral, waveforms | bands | log-mel, dB | loudness, dB "
    "| Fréchet |\n" + "|---" * 8 + "|"
  )
  for workdir in args.workdirs:
    synth = cvae_jax.load(workdir)
    config = synth.config.copy_and_resolve_references()
    config_lib.override(config, f"data.dir={args.data_dir}")
    held_out = pipeline.open_data(config.data).held_out
    audio = np.stack([held_out[i]["audio"] for i in range(len(held_out))])
    for fidelity in args.fidelities:
      asked = synth.with_fields({"method.fidelity": fidelity})
      row = measure(asked, audio)
      count = asked.method.streamer.count_heard(asked.params, fidelity)
      print(
        f"| {workdir} | {fidelity:g} | {count} | {row['spectral']:.2f} "
        f"| {row['spectral_of_bands']:.2f} | {row['mel_db']:.2f} | {row['loudness_l1_db']:.2f} "
        f"| {row['frechet']:.1f} |",
        flush=True,
      )
  levels = log_mel(audio, synth.sample_rate)
  real = windows(np.maximum(levels, levels.max() + _FLOOR_DB), synth.sample_rate)
  print(f"| recordings | | | | | | | {distribution.frechet_distance(real[::2], real[1::2]):.1f} |")
  if synth.method.can_sample:
    prior, normal = measure_drawn(synth, audio)
    print(f"\nFréchet distance of what is drawn: prior {prior:.1f}, N(0, I) {normal:.1f}")


if __name__ == "__main__":
  main()
