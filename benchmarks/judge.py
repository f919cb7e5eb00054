"""Whether a conversion sounds like the instrument, by a classifier trained on real recordings.

python benchmarks/judge.py RECORDINGS [RECORDINGS ...] --notes=NOTES --convert=FILE \
    [--convert=FILE ...] --workdir=pretrained:violin --players="John Garner" --players="MinJi Kim"

RECORDINGS are folders with a table recordings.csv: file, instrument, texture, author. NOTES are
folders of single notes that are named as NSynth's ({family}_acoustic_{name}-{pitch}-{velocity}),
which are put together to phrases. FILEs are among the recordings.

Linear discriminant analysis of eight classes of instruments, in excerpts of 2 s at 16 kHz without
silence: mean and standard deviation over the loud frames of MFCCs up to 7 kHz, without the first
(level), and the standard deviation of their differences. Every class, and every player of a class,
has the same weight. All training excerpts are also heard in a random room with a random equaliser,
and in the room that the model has learnt, so that neither is the mark of an instrument. No player
(the author of a recording, the instrument of notes) is judged by a classifier that has heard them:
of real recordings, the first part of the table, the player is left out. What is converted is judged
without its source's player and without --players, those whom the model was trained on; and once
more with the latter.

Printed is the share of excerpts that are called --target, of each source: as it is, in the room
that the model has learnt, converted (in the room, and dry), and played by --other, a model of
another instrument, which should be 0.
"""

import argparse
import collections
import csv
import glob
import os
import tempfile

import jax.numpy as jnp
import librosa
import numpy as np
import scipy.signal

import cvae_jax
from cvae_jax.audio import files
from cvae_jax.audio import filters
from cvae_jax.synthesis import conversion

RATE, HOP, N_FFT, EXCERPT_S = 16_000, 256, 1024, 2.0
FMAX_HZ = 7000.0  # Of nothing above it are all recordings sure to have something.
FRAME_RANGE_DB, EXCERPT_RANGE_DB = 30.0, 30.0  # below the loudest, of what is not silent
SHRINKAGE = 0.1
NOTE_S, MAX_NOTES = 1.0, 40  # of a note; of an instrument
CLASSES = {  # a word of the instrument's description, and its class
  "reading": "speech", "violin": "violin", "cello": "cello", "singing": "voice",
  "voice-oohs": "voice", "vocal": "voice", "flute": "flute", "sax": "reed", "oboe": "reed",
  "reed": "reed", "trumpet": "brass", "brass": "brass", "guitar": "guitar",
}  # fmt: skip


class Excerpts:
  """Features of excerpts, and of each its class, its player and its file.

  Attributes:
    features: rows of [D].
    marks: rows of (class, player, file, whether it is as recorded).
  """

  def __init__(self):
    self.features, self.marks = [], []

  def add(self, audio, *marks) -> None:
    """Adds the excerpts of a waveform."""
    for excerpt in cut(audio):
      self.features.append(describe(excerpt))
      self.marks.append(marks)

  def arrays(self):
    """Features [E, D], and classes, players, files and originality [E]."""
    columns = (np.array(column) for column in zip(*self.marks, strict=True))
    return np.array(self.features), *columns


def read(path: str) -> np.ndarray:
  """A waveform at `RATE`."""
  return files.read_clip(path, RATE).audio


def cut(audio: np.ndarray) -> list[np.ndarray]:
  """Excerpts of 2 s, one a second, of which at least half is not silent."""
  size = round(EXCERPT_S * RATE)
  audio = np.pad(audio, (0, max(size - len(audio), 0)))
  level = librosa.feature.rms(y=audio, frame_length=N_FFT, hop_length=HOP)[0]
  loud = level > np.percentile(level, 95) * 10.0 ** (-EXCERPT_RANGE_DB / 20.0)
  starts = range(0, len(audio) - size + 1, RATE)
  return [audio[s : s + size] for s in starts if loud[s // HOP : (s + size) // HOP].mean() >= 0.5]


def describe(audio: np.ndarray) -> np.ndarray:
  """Features of an excerpt."""
  power = librosa.feature.melspectrogram(
    y=audio, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=64, fmin=60.0, fmax=FMAX_HZ
  )
  total = power.sum(0)
  loud = total > total.max() * 10.0 ** (-FRAME_RANGE_DB / 10.0)
  level_db = librosa.power_to_db(power, ref=power.max(), amin=1e-12, top_db=70.0)
  mfcc = librosa.feature.mfcc(S=level_db, n_mfcc=25)[1:]
  delta = librosa.feature.delta(mfcc, width=5)[:, loud]
  return np.concatenate([mfcc[:, loud].mean(1), mfcc[:, loud].std(1), delta.std(1)])


def add_room(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """A waveform in a random room (0.2 to 1.2 s), with a random equaliser (up to 5 dB)."""
  duration_s = rng.uniform(0.2, 1.2)
  times = np.arange(round(RATE * duration_s)) / RATE
  tail = rng.standard_normal(len(times)) * 10.0 ** (-3.0 * times / duration_s)
  tail = scipy.signal.lfilter(*scipy.signal.butter(1, rng.uniform(1500, 6000), fs=RATE), tail)
  tail *= 10.0 ** (rng.uniform(-12.0, 3.0) / 20.0) / np.linalg.norm(tail)
  tail[0] += 1.0
  spectrum = np.fft.rfft(scipy.signal.fftconvolve(audio, tail)[: len(audio)])
  points = np.log([50.0, 250.0, 700.0, 1800.0, 4000.0, 8000.0])
  frequencies = np.log(np.fft.rfftfreq(len(audio), 1.0 / RATE) + 30.0)
  gain_db = np.interp(frequencies, points, rng.uniform(-5.0, 5.0, len(points)))
  return np.fft.irfft(spectrum * 10.0 ** (gain_db / 20.0), len(audio))


def find_class(description: str) -> str | None:
  """The class of an instrument; None for what has none."""
  return next((name for word, name in CLASSES.items() if word in description), None)


def add_learnt_room(synth, audio: np.ndarray) -> np.ndarray | None:
  """A waveform in the room that a run has learnt; None without one."""
  if not synth.method.performer.has_room:
    return None
  response = jnp.asarray(synth.params["params"]["room"])
  return np.asarray(filters.reverberate(jnp.asarray(audio, jnp.float32)[None], response))[0]


def load(folders: list[str], notes: list[str], synth) -> Excerpts:
  """The excerpts of recordings and notes, as they are and in two rooms."""
  rng, excerpts = np.random.default_rng(0), Excerpts()

  def add(audio, *marks):
    excerpts.add(audio, *marks, True)
    excerpts.add(add_room(audio, rng), *marks, False)
    in_learnt_room = add_learnt_room(synth, audio)
    if in_learnt_room is not None:
      excerpts.add(in_learnt_room, *marks, False)

  for folder in folders:
    with open(os.path.join(folder, "recordings.csv")) as f:
      rows = list(csv.DictReader(f))
    for row in rows:
      name = find_class(row["instrument"])
      if name and row["texture"] != "polyphonic":
        add(read(os.path.join(folder, row["file"])), name, row["author"], row["file"])
  instruments = collections.defaultdict(list)
  for folder in notes:
    for path in glob.glob(os.path.join(folder, "**", "*_acoustic_*"), recursive=True):
      instruments[os.path.basename(path).rsplit("-", 2)[0]].append(path)
  for instrument, paths in sorted(instruments.items()):
    family, _, own = instrument.split("_")
    name = find_class(f"{own} {family}")
    if name is None or "pizz" in own:
      continue
    parts = []
    for path in rng.permutation(sorted(paths))[:MAX_NOTES]:
      note, _ = librosa.effects.trim(read(path), top_db=35)
      parts.append(note[: round(NOTE_S * RATE)] / np.abs(note).max())
    add(np.concatenate(parts), name, instrument, instrument)
  return excerpts


def fit(features, classes, players):
  """A classifier: a function of features [E, D] to names of classes [E].

  Linear discriminant analysis, in which all classes are equally probable and have one covariance,
  shrunk towards a multiple of the identity.
  """
  names = np.unique(classes)
  weights = np.zeros(len(classes))
  for name in names:
    own = np.unique(players[classes == name])
    for player in own:
      chosen = (classes == name) & (players == player)
      weights[chosen] = 1.0 / (len(own) * chosen.sum())
  center = np.average(features, 0, weights)
  scale = np.sqrt(np.average(np.square(features - center), 0, weights))
  x = (features - center) / scale
  means = np.array([np.average(x[classes == n], 0, weights[classes == n]) for n in names])
  rest = x - means[np.searchsorted(names, classes)]
  covariance = (weights[:, None] * rest).T @ rest / weights.sum()
  identity = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
  covariance += SHRINKAGE * (identity - covariance)
  slope = np.linalg.solve(covariance, means.T)
  offset = -0.5 * np.sum(means.T * slope, 0)
  return lambda found: names[np.argmax((found - center) / scale @ slope + offset, 1)]


def judge_real(corpus, target: str) -> None:
  """Prints, of real recordings whose player is left out, how often they are called `target`."""
  features, classes, players, _, originals = corpus
  shares, right = collections.defaultdict(list), collections.defaultdict(list)
  for player in np.unique(players):
    known, own = players != player, (players == player) & originals
    called = fit(features[known], classes[known], players[known])(features[own])
    for name in np.unique(classes[own]):
      chosen = called[classes[own] == name]
      shares[name].append(np.mean(chosen == target))
      right[name].append(np.mean(chosen == name))
      if name == target:
        print(f"{player[:50]:52}{len(chosen):5} excerpts{100 * shares[name][-1]:7.0f}", flush=True)
  for name in shares:
    values = 100 * np.mean(shares[name]), 100 * np.mean(right[name])
    print(f"{name:12}{len(shares[name]):4} players: called {target} {values[0]:5.1f}, ", end="")
    print(f"by its name {values[1]:5.1f}")


def make_versions(synth, other, family: str, path: str) -> dict[str, np.ndarray]:
  """A recording as it is, in the learnt room, and converted in several ways."""
  audio = read(path)
  versions = {"as it is": audio}
  in_learnt_room = add_learnt_room(synth, audio)
  if in_learnt_room is not None:
    versions["in the room"] = in_learnt_room

  def convert(model, **settings):
    with tempfile.TemporaryDirectory() as folder:
      out = os.path.join(folder, "out.wav")
      conversion.convert_file(model, path, out, **settings)
      return read(out)

  versions["converted"] = convert(synth)
  versions["dry"] = convert(synth, in_room=False)
  if other is not None:
    versions[f"as {family}"] = convert(other, labels={"family": family})
  return versions


def main() -> None:
  """Prints the tables."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("folders", nargs="+", metavar="RECORDINGS")
  parser.add_argument("--notes", action="append", default=[])
  parser.add_argument("--convert", action="append", default=[], metavar="FILE")
  parser.add_argument("--workdir", default="pretrained:violin")
  parser.add_argument("--target", default="violin", help="class of the workdir's instrument")
  parser.add_argument("--players", action="append", default=[], help="whom the model has heard")
  parser.add_argument("--other", default="pretrained:ddsp", help="a run with a label family; or ''")
  parser.add_argument("--family", default="flute", help="that the other is played as")
  args = parser.parse_args()
  synth = cvae_jax.load(args.workdir)
  other = cvae_jax.load(args.other) if args.other else None
  corpus = load(args.folders, args.notes, synth).arrays()
  features, classes, players, names, originals = corpus
  print(
    f"{len(features)} excerpts. Real recordings, their player left out; called {args.target}, %"
  )
  judge_real(corpus, args.target)
  heard = np.array([any(p in player for p in args.players) for player in players])
  strict = fit(features[~heard], classes[~heard], players[~heard])
  print("The model's players, none of whom the classifier has heard:")
  for player in np.unique(players[heard]):
    called = strict(features[(players == player) & originals])
    print(f"{player[:50]:52}{len(called):5} excerpts{100 * np.mean(called == args.target):7.0f}")
  print("Conversions: as they are called; in brackets what the rest is called most")
  for path in args.convert:
    own = np.isin(players, players[names == os.path.basename(path)])
    versions = make_versions(synth, other, args.family, path)
    described = {v: np.array([describe(x) for x in cut(audio)]) for v, audio in versions.items()}
    print(f"{os.path.basename(path)}, {len(described['as it is'])} excerpts")
    for title, known in (("without", ~own & ~heard), ("with", ~own)):
      called_by = fit(features[known], classes[known], players[known])
      cells = []
      for version, found in described.items():
        called = called_by(found)
        rest = collections.Counter(called[called != args.target]).most_common(1)
        share = f"{100 * np.mean(called == args.target):.0f}"
        cells.append(f"{version} {share}" + (f" ({rest[0][0]})" if rest else ""))
      print(f"  {title} the model's players: " + ", ".join(cells), flush=True)


if __name__ == "__main__":
  main()
