"""The f0 tracker beside librosa's and neural ones, on recordings whose f0 is known.

python benchmarks/f0.py RECORDINGS [--seconds=60] [--snr=20 --snr=10] [--trackers=track,pesto]

RECORDINGS is a folder with pairs NAME.flac and NAME.f0.csv (time in s, f0 in Hz, 0 where no note
sounds). Prints mir_eval's measures of melody extraction (raw pitch and chroma accuracy within 50
cents, voicing recall and false alarms), gross errors (over 600 cents), the area under the curve of
voicing (the share of pairs of a sounding and a silent frame of which the sounding one has the
higher confidence: it depends on no threshold), and how many times faster than real time; for every
recording, and on average. With --snr also for the recordings with white noise at that
signal-to-noise ratio, the same noise for all. Needs mir_eval. Neural trackers are skipped where
they are not installed: pip install pesto-pitch torchcrepe (both bring PyTorch and torchaudio, and
their weights). A frame is voiced if its confidence is over 0.5; torchcrepe's over 0.21, as its
documentation has it.
"""

import argparse
from collections.abc import Callable
import functools
import glob
import importlib
import os
import time

import jax
import jax.numpy as jnp
import librosa
import mir_eval
import numpy as np
import scipy.stats
import soundfile

from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import f0 as f0_lib

RATE, FRAME, HOP, FMIN_HZ, FMAX_HZ = 16_000, 1024, 160, 60.0, 1500.0
CREPE_VOICED = 0.21  # periodicity
COLUMNS = ("pitch", "chroma", "gross", "recall", "false", "AUC", "x real time")


def read(path: str, seconds: float) -> tuple[np.ndarray, np.ndarray]:
  """Waveform, and the f0 of every frame in Hz, 0 where there is none."""
  audio, rate = soundfile.read(path)
  audio = librosa.resample(audio, orig_sr=rate, target_sr=RATE)[: round(RATE * seconds)]
  rows = np.genfromtxt(path.removesuffix(".flac") + ".f0.csv", delimiter=",")
  rows = rows[np.isfinite(rows[:, 1])]
  times = np.arange(1 + len(audio) // HOP) * HOP / RATE
  known_hz, voiced = mir_eval.melody.resample_melody_series(
    rows[:, 0], rows[:, 1], (rows[:, 1] > 0).astype(float), times
  )
  return audio.astype(np.float32), np.where(voiced > 0.5, known_hz, 0.0)


def add_noise(audio: np.ndarray, snr_db: float) -> np.ndarray:
  """A waveform with white noise, of a power relative to the mean power of the whole."""
  noise = np.random.default_rng(0).standard_normal(len(audio))
  scale = np.sqrt(np.mean(np.square(audio)) * 10.0 ** (-snr_db / 10.0))
  return (audio + scale * noise).astype(np.float32)


def track(audio):
  """The tracker's f0 in Hz, its confidence, and whether each frame is voiced."""
  found_hz, confidence = _track(jnp.asarray(audio), FMIN_HZ, FMAX_HZ, RATE, FRAME, HOP)
  confidence = np.asarray(confidence)
  return np.asarray(found_hz), confidence, confidence > 0.5


_track = jax.jit(f0_lib.track, static_argnums=(1, 2, 3, 4, 5))


def clear(audio):
  """The same as conversions use it: loud frames with a clear pitch are voiced."""
  found = jax.tree.map(np.asarray, _measure(jnp.asarray(audio)))
  confidence = np.where(controls_lib.loud_frames(found), found.confidence, 0.0)
  return found.f0_hz, confidence, controls_lib.clear_frames(found)


def level(audio):
  """The same, but voiced is what is loud: voicing by loudness alone."""
  found = jax.tree.map(np.asarray, _measure(jnp.asarray(audio)))
  return found.f0_hz, found.loudness_db, controls_lib.loud_frames(found)


@jax.jit
def _measure(audio):
  tracking = controls_lib.Tracking(HOP, FMIN_HZ, FMAX_HZ, FRAME)
  return controls_lib.measure(audio, RATE, tracking)


def yin(audio):
  """librosa's YIN, which says nothing of voicing."""
  settings = {"fmin": FMIN_HZ, "fmax": FMAX_HZ, "sr": RATE, "frame_length": FRAME}
  found_hz = librosa.yin(audio, hop_length=HOP, **settings)
  return found_hz, np.ones(len(found_hz)), np.ones(len(found_hz), bool)


def pyin(audio):
  """librosa's pYIN."""
  settings = {"fmin": FMIN_HZ, "fmax": FMAX_HZ, "sr": RATE, "frame_length": FRAME}
  found_hz, voiced, confidence = librosa.pyin(audio, hop_length=HOP, fill_na=None, **settings)
  return found_hz, confidence, voiced


def make_pesto(pesto) -> Callable:
  """The tracker of the package pesto-pitch, which searches all pitches that it knows.

  Source: Riou et al. 2023, "PESTO: Pitch Estimation with Self-supervised Transposition-equivariant
  Objective".
  """
  torch = importlib.import_module("torch")
  model = pesto.load_model("mir-1k_g7", step_size=1000.0 * HOP / RATE, sampling_rate=RATE)

  def run(audio):
    with torch.inference_mode():
      found_hz, confidence, *_ = model(torch.from_numpy(audio), sr=RATE, convert_to_freq=True)
    return found_hz.numpy(), confidence.numpy(), confidence.numpy() > 0.5

  return run


def make_crepe(torchcrepe, capacity: str) -> Callable:
  """The tracker of the package torchcrepe, with its Viterbi path.

  Source: Kim et al. 2018, "CREPE: A Convolutional Representation for Pitch Estimation".
  """
  torch = importlib.import_module("torch")

  def run(audio):
    result = torchcrepe.predict(
      torch.from_numpy(audio)[None], RATE, HOP, FMIN_HZ, FMAX_HZ, capacity,
      return_periodicity=True, batch_size=512,
    )  # fmt: skip
    found_hz, confidence = (x[0].numpy() for x in result)
    return found_hz, confidence, confidence > CREPE_VOICED

  return run


NEURAL = {
  "pesto": ("pesto", make_pesto),
  "crepe_tiny": ("torchcrepe", functools.partial(make_crepe, capacity="tiny")),
  "crepe_full": ("torchcrepe", functools.partial(make_crepe, capacity="full")),
}


OWN = (track, clear, level)  # which compile
PLAIN = {function.__name__: function for function in (*OWN, yin, pyin)}


def make_trackers(names: list[str]) -> dict[str, Callable]:
  """The trackers that there are: functions of a waveform [T], by name."""
  trackers = dict(PLAIN)
  for name, (package, make) in NEURAL.items():
    if name in names:
      try:
        trackers[name] = make(importlib.import_module(package))
      except ImportError as e:
        print(f"{name} is skipped: {e}")
  return {name: trackers[name] for name in names if name in trackers}


def measure(found, known_hz: np.ndarray) -> list[float]:
  """The measures of what a tracker found, all but the last from 0 to 1."""
  count = min(len(found[0]), len(known_hz))
  found_hz, confidence, is_found = (x[:count] for x in found)
  cents, found_cents = (mir_eval.melody.hz2cents(x) for x in (known_hz[:count], found_hz))
  is_known = known_hz[:count] > 0
  melody = (is_known, cents, is_found, found_cents)
  recall, false_alarms = mir_eval.melody.voicing_measures(is_known, is_found)
  statistic = scipy.stats.mannwhitneyu(confidence[is_known], confidence[~is_known]).statistic
  return [
    mir_eval.melody.raw_pitch_accuracy(*melody),
    mir_eval.melody.raw_chroma_accuracy(*melody),
    np.mean(np.abs(cents - found_cents)[is_known] > 600),
    recall,
    false_alarms,
    statistic / (is_known.sum() * (~is_known).sum()),
  ]


def print_row(title: str, values) -> None:
  """A line of the table."""
  *shares, speed = values
  print(f"{title:44}" + "".join(f"{100 * v:12.2f}" for v in shares) + f"{speed:12.1f}", flush=True)


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("folder", metavar="RECORDINGS")
  parser.add_argument(
    "--seconds", type=float, default=60.0, help="of each recording, from its start"
  )
  parser.add_argument("--snr", type=float, action="append", default=[], help="of noise, in dB")
  names = [*PLAIN, *NEURAL]
  parser.add_argument("--trackers", default=",".join(names), help="all by default")
  args = parser.parse_args()
  chosen = args.trackers.split(",")
  if not set(chosen) <= set(names):
    parser.error(f"--trackers are among {', '.join(names)}")
  trackers = make_trackers(chosen)
  paths = sorted(glob.glob(os.path.join(args.folder, "*.f0.csv")))
  print(f"{'':44}" + "".join(f"{name:>12}" for name in COLUMNS))
  rows: dict[tuple, list] = {}
  for path in paths:
    clean, known_hz = read(path.removesuffix(".f0.csv") + ".flac", args.seconds)
    for snr_db in (None, *args.snr):
      audio = clean if snr_db is None else add_noise(clean, snr_db)
      for name, function in trackers.items():
        function(
          audio if function in (track, clear, level) else audio[:RATE]
        )  # Compiles it, or loads it.
        start = time.perf_counter()
        found = function(audio)
        speed = len(audio) / RATE / (time.perf_counter() - start)
        row = [*measure(found, known_hz), speed]
        key = (name, "" if snr_db is None else f"{snr_db:g} dB")
        rows.setdefault(key, []).append(row)
        title = os.path.basename(path).removesuffix(".f0.csv")[:25]
        print_row(" ".join([title, *key]), row)
  print()
  for key, values in rows.items():
    print_row(" ".join(["mean", *key]), np.mean(values, axis=0))


if __name__ == "__main__":
  main()
