"""The audio transforms beside librosa's: agreement, phase recovery, speed.

python benchmarks/audio.py                        # on the notes of tests/fixtures
python benchmarks/audio.py --notes=DIR/nsynth-valid --limit=200

Prints Markdown. Phase recovery is from the magnitudes of an STFT of 2,048 samples and hop 512, as
the default representation has it; its errors are of the recovered waveform's magnitudes.
"""

import argparse
import concurrent.futures
import functools
import os
import pathlib

import jax
import jax.numpy as jnp
import limits  # benchmarks/limits.py
import numpy as np

from cvae_jax.audio import cqt
from cvae_jax.audio import decibel
from cvae_jax.audio import f0
from cvae_jax.audio import files
from cvae_jax.audio import level
from cvae_jax.audio import loudness
from cvae_jax.audio import mdct
from cvae_jax.audio import mel
from cvae_jax.audio import phase
from cvae_jax.audio import pqmf
from cvae_jax.audio import stft
from cvae_jax.core import lazy_librosa
from cvae_jax.data import labels
from cvae_jax.evaluation.metrics import pitch as pitch_metric

librosa = lazy_librosa.load()

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/nsynth/nsynth-valid"
_RATE = labels.SAMPLE_RATE
_FULL_SCALE = 512.0  # of a Hann window of 2,048 samples
_BATCH = 16


def read_notes(directory: str, limit: int) -> tuple[np.ndarray, np.ndarray]:
  """[M, T] notes of a folder, at one peak level, and the pitches that their names give ([M])."""
  paths = sorted(pathlib.Path(directory, "audio").iterdir())
  order = np.random.default_rng(0).permutation(len(paths))[:limit]
  chosen = [paths[i] for i in sorted(order)]
  audio = [files.read_note(str(p), labels.NUM_SAMPLES, _RATE).audio for p in chosen]
  pitch = [int(p.stem.rsplit("-", 2)[1]) for p in chosen]
  return np.array(level.normalize(jnp.asarray(np.stack(audio)))), np.asarray(pitch)


def measure_agreement(notes: np.ndarray) -> list[tuple[str, str, float]]:
  """(transform, reference, largest error relative to the reference's largest value)."""
  x = jnp.asarray(notes)

  def relative(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())

  spectrum = librosa.stft(notes, n_fft=2048, hop_length=512)
  magnitude = np.abs(spectrum)
  swapped = lambda a: np.swapaxes(np.asarray(a), -1, -2)
  ours = np.asarray(stft.stft(x))
  rows = [
    ("stft", "librosa.stft", relative(ours, swapped(spectrum))),
    (
      "istft",
      "librosa.istft",
      relative(
        stft.istft(jnp.asarray(swapped(spectrum)), length=notes.shape[1]),
        librosa.istft(spectrum, hop_length=512, length=notes.shape[1]),
      ),
    ),
    ("istft(stft)", "the waveform", relative(stft.istft(jnp.asarray(ours), length=64_000), notes)),
    (
      "amplitude_to_db",
      "librosa.amplitude_to_db",
      relative(decibel.amplitude_to_db(jnp.asarray(magnitude)), librosa.amplitude_to_db(magnitude)),
    ),
  ]
  for htk in (False, True):
    theirs = librosa.feature.melspectrogram(S=magnitude, sr=_RATE, n_mels=128, htk=htk)
    mine = mel.linear_to_mel(jnp.asarray(swapped(magnitude)), _RATE, 128, htk=htk)
    name = "HTK" if htk else "Slaney"
    rows.append((f"linear_to_mel ({name})", "librosa.feature.melspectrogram",
                 relative(mine, swapped(theirs))))  # fmt: skip
  settings = dict(fmin=32.703, n_bins=84, bins_per_octave=12)
  theirs = swapped(np.abs(librosa.cqt(notes, sr=_RATE, sparsity=0.0, **settings)))
  mine = np.abs(np.asarray(cqt.cqt(x, _RATE, 512, 32.703, 84, 12)))
  rows += [
    ("cqt, top octave", "librosa.cqt", relative(mine[..., -12:], theirs[..., -12:])),
    ("cqt, all octaves", "librosa.cqt (resamples)", relative(mine, theirs)),
    ("imdct(mdct)", "the waveform", relative(mdct.imdct(mdct.mdct(x), 64_000), notes)),
    ("synthesise(analyse)", "the waveform", relative(pqmf.synthesise(pqmf.analyse(x)), notes)),
    ("rms", "librosa.feature.rms", relative(loudness.rms(x), librosa.feature.rms(y=notes)[:, 0])),
    (
      "a_weighting",
      "librosa.A_weighting",
      relative(loudness.a_weighting(np.arange(1.0, 8e3)), librosa.A_weighting(np.arange(1.0, 8e3))),
    ),
  ]
  return rows


def measure_yin(notes: np.ndarray) -> tuple[float, float]:
  """Shares of sounding frames whose f0 is within a cent and within a semitone of librosa's."""
  ours = np.asarray(f0.yin(jnp.asarray(notes), 65.0, 2100.0, _RATE))
  theirs = librosa.yin(notes.astype(np.float64), fmin=65.0, fmax=2100.0, sr=_RATE)
  loud = librosa.feature.rms(y=notes)[:, 0] > 1e-3
  cents = 1200 * np.abs(np.log2(ours / theirs))[loud]
  return float(np.mean(cents < 1)), float(np.mean(cents < 100))


def measure_recovery(audio, magnitude, own_pitch, pitch) -> tuple[float, float, float, float]:
  """Spectral convergence in dB, log-spectral distance in dB, and two shares of pitches kept.

  Kept: YIN's median frame within 50 cents of that of the original; and of the label.
  """
  again = np.concatenate(
    [np.abs(stft.stft(jnp.asarray(a))) for a in np.array_split(audio, -(-len(audio) // _BATCH))]
  )
  power = np.sum(np.square(magnitude), axis=(1, 2))
  convergence = np.sqrt(np.sum(np.square(again - magnitude), axis=(1, 2)) / power)
  to_db = lambda m: 20 * np.log10(np.maximum(m / _FULL_SCALE, 1e-4))
  distance = np.sqrt(np.mean(np.square(to_db(again) - to_db(magnitude)), axis=2)).mean()
  found = measure_pitch(audio)
  kept = np.mean(np.abs(found - own_pitch) <= 0.5)
  labelled = np.mean(np.abs(found - pitch) <= 0.5)
  return 20 * np.log10(convergence.mean()), float(distance), float(kept), float(labelled)


def measure_pitch(audio: np.ndarray) -> np.ndarray:
  """YIN's median frame of each waveform, as a MIDI number ([M])."""
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    return np.asarray(list(pool.map(lambda x: pitch_metric.median_pitch(x, _RATE), audio)))


def main() -> None:
  """Prints the tables."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--notes", default=str(FIXTURES), help="folder that holds audio/")
  parser.add_argument("--limit", type=int, default=1000, help="notes at most")
  args = parser.parse_args()
  notes, pitch = read_notes(args.notes, args.limit)
  devices = f"{jax.devices()[0].platform}, {os.cpu_count()} cores"
  print(f"{len(notes)} notes; jax {jax.__version__} ({devices}), librosa {librosa.__version__}\n")

  print("| transform | reference | largest error, relative |\n|---|---|---|")
  for name, reference, error in measure_agreement(notes[:64]):
    print(f"| {name} | {reference} | {error:.1e} |")
  cent, semitone = measure_yin(notes[:64])
  print(f"\nyin: {100 * cent:.2f} % of sounding frames within a cent of librosa.yin, "
        f"{100 * semitone:.2f} % within a semitone\n")  # fmt: skip

  magnitude = np.concatenate(
    [np.abs(stft.stft(jnp.asarray(a))) for a in np.array_split(notes, -(-len(notes) // _BATCH))]
  )

  def ours(num_iters, start):
    def recover(batch):
      key = jax.random.key(0)
      return np.asarray(
        phase.griffin_lim(jnp.asarray(batch), key, num_iters, length=64_000, start=start)
      )

    return recover

  def librosas(num_iters):
    def recover(batch):
      return np.stack(
        [librosa.griffinlim(m.T, n_iter=num_iters, length=64_000, random_state=0) for m in batch]
      )

    return recover

  own_pitch = measure_pitch(notes)
  methods = {
    "integrated phases alone": ours(0, "integrated"),
    "integrated + 8": ours(8, "integrated"),
    "integrated + 12": ours(12, "integrated"),
    "integrated + 16 (default)": ours(16, "integrated"),
    "integrated + 32": ours(32, "integrated"),
    "random + 32": ours(32, "random"),
    "random + 100": ours(100, "random"),
    "librosa, 32": librosas(32),
    "librosa, 100": librosas(100),
  }
  print("| phases, iterations | spectral convergence | log-spectral distance | pitch kept | "
        "pitch of the label | notes/s | MHz |\n|---|---|---|---|---|---|---|")  # fmt: skip
  for name, recover in methods.items():
    batch = magnitude[:_BATCH]
    seconds = limits.best_time(functools.partial(recover, batch), 2 if "librosa" in name else 5)
    audio = np.concatenate(
      [recover(m) for m in np.array_split(magnitude, -(-len(magnitude) // _BATCH))]
    )
    convergence, distance, kept, labelled = measure_recovery(audio, magnitude, own_pitch, pitch)
    rate = len(batch) / seconds
    print(
      f"| {name} | {convergence:.2f} dB | {distance:.3f} dB | {100 * kept:.1f} % | "
      f"{100 * labelled:.1f} % | {rate:.1f} | {rate * 64_000 / 1e6:.2f} |",
      flush=True,
    )
  own = np.mean(np.abs(own_pitch - pitch) <= 0.5)
  print(f"\nthe notes themselves: pitch of the label {100 * own:.1f} %")


if __name__ == "__main__":
  main()
