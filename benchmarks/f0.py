"""The f0 tracker beside librosa's YIN and pYIN, on recordings whose f0 is known.

python benchmarks/f0.py RECORDINGS [--seconds=60]

RECORDINGS is a folder with pairs NAME.flac and NAME.f0.csv (time in s, f0 in Hz, 0 where no note
sounds). Prints mir_eval's measures of melody extraction (raw pitch and chroma accuracy within 50
cents, voicing recall and false alarms), gross errors (over 600 cents), and how many times faster
than real time. A frame of the tracker's is voiced if its confidence is over 0.5. Needs mir_eval.
"""

import argparse
import glob
import os
import time

import jax
import jax.numpy as jnp
import librosa
import mir_eval
import numpy as np
import soundfile

from cvae_jax.audio import f0 as f0_lib

RATE, FRAME, HOP, FMIN_HZ, FMAX_HZ = 16_000, 1024, 160, 60.0, 1500.0


def read(path: str, seconds: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Waveform, times of frames in s, and the f0 of every frame in Hz, 0 where there is none."""
  audio, rate = soundfile.read(path)
  audio = librosa.resample(audio, orig_sr=rate, target_sr=RATE)[: round(RATE * seconds)]
  rows = np.genfromtxt(path.removesuffix(".flac") + ".f0.csv", delimiter=",")
  rows = rows[np.isfinite(rows[:, 1])]
  times = np.arange(1 + len(audio) // HOP) * HOP / RATE
  known_hz, voiced = mir_eval.melody.resample_melody_series(
    rows[:, 0], rows[:, 1], (rows[:, 1] > 0).astype(float), times
  )
  return audio.astype(np.float32), times, np.where(voiced > 0.5, known_hz, 0.0)


def track(audio):
  """The tracker's f0 in Hz, and whether each frame is voiced."""
  found_hz, confidence = _track(jnp.asarray(audio), FMIN_HZ, FMAX_HZ, RATE, FRAME, HOP)
  return np.asarray(found_hz), np.asarray(confidence) > 0.5


_track = jax.jit(f0_lib.track, static_argnums=(1, 2, 3, 4, 5))


def yin(audio):
  """librosa's YIN, which says nothing of voicing."""
  settings = {"fmin": FMIN_HZ, "fmax": FMAX_HZ, "sr": RATE, "frame_length": FRAME}
  found_hz = librosa.yin(audio, hop_length=HOP, **settings)
  return found_hz, np.ones(len(found_hz), bool)


def pyin(audio):
  """librosa's pYIN."""
  settings = {"fmin": FMIN_HZ, "fmax": FMAX_HZ, "sr": RATE, "frame_length": FRAME}
  found_hz, voiced, _ = librosa.pyin(audio, hop_length=HOP, fill_na=None, **settings)
  return found_hz, voiced


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("folder", metavar="RECORDINGS")
  parser.add_argument(
    "--seconds", type=float, default=60.0, help="of each recording, from its start"
  )
  args = parser.parse_args()
  paths = sorted(glob.glob(os.path.join(args.folder, "*.f0.csv")))
  names = ("pitch", "chroma", "gross", "recall", "false", "x real time")
  print(f"{'':40}" + "".join(f"{name:>12}" for name in names))
  for path in paths:
    audio, _, known_hz = read(path.removesuffix(".f0.csv") + ".flac", args.seconds)
    for function in (track, yin, pyin):
      if function is track:
        function(audio)  # Compiles it.
      start = time.perf_counter()
      found_hz, voiced = function(audio)
      speed = len(audio) / RATE / (time.perf_counter() - start)
      count = min(len(found_hz), len(known_hz))
      known, found = known_hz[:count], found_hz[:count]
      cents, found_cents = (mir_eval.melody.hz2cents(x) for x in (known, found))
      is_known, is_found = known > 0, voiced[:count]
      melody = (is_known, cents, is_found, found_cents)
      recall, false_alarms = mir_eval.melody.voicing_measures(is_known, is_found)
      gross = np.mean(np.abs(cents - found_cents)[is_known] > 600)
      values = (
        mir_eval.melody.raw_pitch_accuracy(*melody),
        mir_eval.melody.raw_chroma_accuracy(*melody),
        gross,
        recall,
        false_alarms,
      )
      title = f"{os.path.basename(path).removesuffix('.f0.csv')[:30]} {function.__name__}"
      print(
        f"{title:40}" + "".join(f"{100 * v:12.2f}" for v in values) + f"{speed:12.0f}", flush=True
      )


if __name__ == "__main__":
  main()
