"""How near synthetic drums are to recorded ones: measurements by kind, and a classifier.

python benchmarks/drums.py --dir=DIR [--labels=labels.csv] [--kind=kind] [--kit=kit] \
    [--steps=500] [--folds=0]

DIR is a folder of recorded one-shots with a table: file, kind and kit. Printed are, for each kind,
the median and the 10th and 90th percentile of

    attack    time from -20 to -3 dB of the loudest 2 ms, in ms
    decay     time from there to the last 10 ms that are louder than -40 dB, in ms
    centroid  of the power spectrum, in Hz
    sweep     dominant frequency below 1 kHz in the first 32 ms, over that 80 ms later, in octaves
    crest     peak over RMS of what is louder than -40 dB, in dB
    flatness  geometric over arithmetic mean of the power in third octaves from 50 Hz, in dB
    kits      mean distance of log mel spectra between different kits of a kind, in dB

synthetic above recorded; faults of synthetic sounds (clicks at the end, DC, clipping); and
confusion matrices of two classifiers that are trained on synthetic drums alone, for held-out
synthetic kits and for the recorded sounds: random trees on mel spectra in eight spans of time up
to 1.6 s, and `evaluation.metrics.classifier`. With --folds they are also trained on recorded drums
of the other kits, which is how far they come.
"""

import argparse
import csv
import itertools
import os

import librosa
import numpy as np
import sklearn.ensemble

from cvae_jax.audio import files
from cvae_jax.core import config as config_lib
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import pipeline
from cvae_jax.evaluation.metrics import classifier

RATE = 16_000
MEASURES = ("attack", "decay", "centroid", "sweep", "crest", "flatness")


def read_recorded(folder, table, kind_column, kit_column, num_samples):
  """(audio [M, T], index of the kind [M], kit [M]) of a table's sounds of the ten kinds."""
  with open(os.path.join(folder, table), encoding="utf-8") as f:
    rows = [row for row in csv.DictReader(f) if row[kind_column] in drums.KINDS]
  audio = [files.read_note(os.path.join(folder, r["file"]), num_samples, RATE).audio for r in rows]
  kinds = [drums.KINDS.index(row[kind_column]) for row in rows]
  return np.stack(audio), np.asarray(kinds), np.asarray([row[kit_column] for row in rows])


def read_synthetic(split):
  """The same of `synth_drums`."""
  config = config_lib.get_base_config(data="synth_drums").data
  source = pipeline.open_split(data_sets.load(config), split)
  audio = np.stack([source[i]["audio"] for i in range(len(source))])
  return audio, source.labels["kind"], source.labels["kit"]


def _envelope_db(audio, seconds):
  window = np.hanning(round(2 * seconds * RATE) + 2)[1:-1]
  power = np.convolve(np.square(audio), window / window.sum(), mode="same")
  return 10.0 * np.log10(power / power.max() + 1e-12)


def _dominant_hz(audio):
  spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size), 8192))
  frequencies = np.fft.rfftfreq(8192, 1 / RATE)
  band = (frequencies > 25.0) & (frequencies < 1000.0)
  return float(frequencies[band][spectrum[band].argmax()])


def measure(audio):
  """`MEASURES` of a sound ([T])."""
  fast, slow = _envelope_db(audio, 0.002), _envelope_db(audio, 0.01)
  begin = int((fast > -20.0).argmax())
  peak = begin + int((fast[begin:] > -3.0).argmax())
  end = int(np.flatnonzero(slow > -40.0)[-1])
  power = np.square(np.abs(np.fft.rfft(audio)))
  frequencies = np.fft.rfftfreq(audio.size, 1 / RATE)
  edges = 50.0 * 2.0 ** (np.arange(22) / 3.0)
  bands = np.asarray(
    [power[(frequencies >= a) & (frequencies < b)].mean() for a, b in itertools.pairwise(edges)]
  )
  first = np.pad(audio[begin : begin + 2560], (0, 2560))
  sounding = audio[begin : max(end, begin + 160)]
  return {
    "attack": 1e3 * (peak - begin) / RATE,
    "decay": 1e3 * (end - peak) / RATE,
    "centroid": float(power @ frequencies / power.sum()),
    "sweep": np.log2(_dominant_hz(first[:512]) / _dominant_hz(first[1280:2304])),
    "crest": 20 * np.log10(np.abs(audio).max() / np.sqrt(np.mean(np.square(sounding)))),
    "flatness": 10 * (np.log10(bands + 1e-12).mean() - np.log10(bands.mean())),
  }


def log_mel(audio):
  """[M, features] log mel spectra of the first half second, at one peak."""
  audio = audio[:, : RATE // 2] / np.abs(audio).max(axis=1, keepdims=True)
  mel = librosa.feature.melspectrogram(
    y=audio, sr=RATE, n_fft=1024, hop_length=256, n_mels=40, center=True
  )
  return 10.0 * np.log10(mel + 1e-5).reshape(len(audio), -1)


def distance_between_kits(features, kits):
  """Mean distance of sounds of different kits, in dB a cell."""
  square = np.square(features).sum(1)
  distance = np.maximum(square[:, None] + square - 2.0 * features @ features.T, 0.0)
  different = kits[:, None] != kits
  return float(np.sqrt(distance / features.shape[1])[different].mean()) if different.any() else 0.0


def print_faults(audio):
  """Clicks, DC and clipping of sounds."""
  peak = np.abs(audio).max(axis=1)
  end = np.abs(audio[:, -16:]).max(axis=1) / peak
  offset = np.abs(audio.mean(axis=1)) / peak
  print(
    f"{len(audio)} synthetic: last ms at most {20 * np.log10(end.max() + 1e-9):.0f} dB of the peak,"
    f" DC at most {20 * np.log10(offset.max() + 1e-9):.0f} dB; peaks {peak.min():.2f} to "
    f"{peak.max():.2f}"
  )


def print_table(sets):
  """Measurements of (name, audio, kinds, kits) each."""
  print(f"{'kind':14}{'':6}{'n':>6}" + "".join(f"{name:>22}" for name in MEASURES) + "    kits")
  for number, kind in enumerate(drums.KINDS):
    for name, audio, kinds, kits in sets:
      rows = np.flatnonzero(kinds == number)[:200]
      values = [measure(x) for x in audio[rows]]
      cells = ""
      for key in MEASURES:
        low, middle, high = np.percentile([value[key] for value in values], (10, 50, 90))
        digits = 2 if key == "sweep" else 0
        cells += f"{middle:10.{digits}f} {f'{low:.{digits}f}-{high:.{digits}f}':>11}"
      distance = distance_between_kits(log_mel(audio[rows]), kits[rows])
      print(f"{kind:14}{name:6}{len(rows):6}{cells}{distance:8.1f}")


def print_confusion(title, kinds, predicted):
  """Rows are the kinds, columns the predictions; in % of a row."""
  count = len(drums.KINDS)
  matrix = np.zeros((count, count))
  np.add.at(matrix, (kinds, predicted), 1)
  recall = np.diag(matrix) / np.maximum(matrix.sum(1), 1)
  print(
    f"\n{title}: {100 * np.mean(kinds == predicted):.1f} % right, mean of the kinds "
    f"{100 * recall[matrix.sum(1) > 0].mean():.1f} %"
  )
  print(" " * 18 + "".join(f"{kind[:9]:>10}" for kind in drums.KINDS))
  for i, kind in enumerate(drums.KINDS):
    shares = 100 * matrix[i] / max(matrix[i].sum(), 1)
    print(f"{kind:14}{int(matrix[i].sum()):4}" + "".join(f"{share:10.0f}" for share in shares))


def mel_profile(audio, rate=RATE):
  """[M, 192] levels in dB of 24 mel bands in eight spans of time that grow."""
  ends = np.asarray([0, 2, 5, 10, 20, 40, 80, 160, 320])  # frames of 5 ms
  profiles = []
  for sound in audio / np.abs(audio).max(axis=1, keepdims=True):
    mel = librosa.feature.melspectrogram(y=sound, sr=rate, n_fft=512, hop_length=80, n_mels=24)
    spans = np.stack([mel[:, a:b].mean(axis=1) for a, b in itertools.pairwise(ends)])
    level_db = 10.0 * np.log10(spans + 1e-9)
    profiles.append(np.maximum(level_db - level_db.max(), -70.0).ravel())
  return np.stack(profiles)


def train_trees(audio, kinds, profile=mel_profile):
  """Random trees on profiles of sounds; returns what predicts kinds."""
  trees = sklearn.ensemble.ExtraTreesClassifier(
    400, min_samples_leaf=2, class_weight="balanced", random_state=0
  ).fit(profile(audio), kinds)
  return lambda sounds: trees.predict(profile(sounds))


def train_network(audio, kinds, steps):
  """The package's classifier; returns what predicts kinds."""
  read = lambda rows: {"audio": audio[rows], "kind": kinds[rows]}
  trained = classifier.train(read, len(audio), steps, {"kind": len(drums.KINDS)}, RATE)
  return lambda sounds: trained.predict(sounds).predict("kind")


def main():
  """Prints the tables."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
  parser.add_argument("--dir", required=True)
  parser.add_argument("--labels", default="labels.csv")
  parser.add_argument("--kind", default="kind")
  parser.add_argument("--kit", default="kit")
  parser.add_argument("--steps", type=int, default=500, help="of the network; 0 for none")
  parser.add_argument("--folds", type=int, default=0, help="of the recorded kits; 0 for none")
  options = parser.parse_args()
  audio, kinds, kits = read_synthetic("train")
  held_audio, held_kinds, _ = read_synthetic("valid")
  real_audio, real_kinds, real_kits = read_recorded(
    options.dir, options.labels, options.kind, options.kit, audio.shape[1]
  )
  print_faults(np.concatenate([audio, held_audio]))
  print_table([("synth", audio, kinds, kits), ("real", real_audio, real_kinds, real_kits)])
  trainers = {"trees": train_trees}
  if options.steps:
    trainers["network"] = lambda audio, kinds: train_network(audio, kinds, options.steps)
  fold_of_kit = {kit: i % max(options.folds, 1) for i, kit in enumerate(np.unique(real_kits))}
  folds = np.asarray([fold_of_kit[kit] for kit in real_kits])
  for name, train in trainers.items():
    predict = train(audio, kinds)
    print_confusion(f"{name}, held-out synthetic kits", held_kinds, predict(held_audio))
    print_confusion(f"{name}, recorded", real_kinds, predict(real_audio))
    if options.folds:
      predicted = np.zeros_like(real_kinds)
      for fold in range(options.folds):
        own = folds == fold
        predicted[own] = train(real_audio[~own], real_kinds[~own])(real_audio[own])
      print_confusion(f"{name}, recorded, by those of other kits", real_kinds, predicted)


if __name__ == "__main__":
  main()
