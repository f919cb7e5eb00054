"""Waveforms from levels: phase recovery, learned inversion and librosa beside each other.

python benchmarks/inversion.py RUN [RUN ...] [--split=valid] [--limit=64] [--set FIELD=VALUE ...]

RUN is a workdir of method `mcnn`; the first says which data and representation, and --set changes
them, as data.name=drums. Every way inverts the features of the same held-out sounds, at one peak:

    lsd        log-spectral distance of the features, in dB; of frames that sound in the original
    conv.      spectral convergence |S - S'| / |S| of the STFT
    multi      multi-resolution distance of spectra, in nepers
    stripes    level at multiples of rate / hop * 2^k over that around them, made less original, in
               dB, of the k for which it is the largest: of the harmonic stripes of networks
    rise       share of sounds whose time from -40 dB to the peak of the envelope of 2 ms is within
               1 ms of the original's, in %; the median of the difference, in ms
    ms, xRT    time of one sound, the median of ten, and sound per time; on the cores of the process
    faster     than 100 iterations of Griffin-Lim here

`taskset -c 0 python benchmarks/inversion.py ...` is of one core.
"""

import argparse
import os
import time

import jax
import jax.numpy as jnp
import librosa
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.audio import stft
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_file
from cvae_jax.data import data_sets
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.methods.common import inversion
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import waveforms
from cvae_jax.training import compilation

BATCH = 16
PHASES = (("random", 100), ("integrated", 0), ("integrated", 8))


def read(config, split, limit):
  """(form, [M, T] held-out sounds at one peak)."""
  source = pipeline.open_split(data_sets.load(config.data), split)
  rows = notes.spread_rows(len(source), limit)
  audio = np.stack([source[int(row)]["audio"] for row in rows])
  return data_sets.make_form(config.data), np.asarray(level.normalize(jnp.asarray(audio)))


def make_ways(config, form, workdirs):
  """Names, and functions from ([B, N, F, 1] features, key) to [B, T] waveforms."""
  ways = {}
  for start, iterations in PHASES:
    chosen = config.copy_and_resolve_references()
    chosen.representation.update(phase_start=start, griffin_lim_iters=iterations)
    ways[f"{start} + {iterations}"] = methods.make_representation(chosen, form)
  for workdir in workdirs:
    chosen = config.copy_and_resolve_references()
    chosen.representation.inversion = f"mcnn:{workdir}"
    found = inversion.open_run(chosen, form)
    plain = methods.make_representation(chosen, form)
    ways[os.path.basename(workdir)] = inversion.attach(plain, found, form)

  def bind(representation):
    decode = lambda features, key: waveforms.decode_features(representation, form, features, key)
    return compilation.jit(decode)

  return {name: bind(representation) for name, representation in ways.items()}


def make_peer(config, form):
  """The same of librosa's Griffin-Lim of 100 iterations, on this representation's magnitudes."""
  settings = config.representation
  representation = methods.make_representation(config, form)

  def invert(features, key):
    del key
    magnitudes = np.asarray(representation.magnitude(features))
    audio = [
      librosa.griffinlim(
        magnitude.T, n_iter=100, hop_length=settings.hop_length, win_length=settings.win_length,
        n_fft=settings.n_fft, length=form.num_samples, random_state=0,
      )
      for magnitude in magnitudes
    ]  # fmt: skip
    return level.peak_normalize(level.fade_ends(jnp.asarray(np.stack(audio)), form.sample_rate))

  return invert


def envelope(audio, sample_rate):
  """[M, T] root of the power in a window of 2 ms."""
  window = np.hanning(round(0.004 * sample_rate) + 2)[1:-1]
  smooth = lambda x: np.convolve(np.square(x), window / window.sum(), mode="same")
  return np.sqrt(np.maximum(np.stack([smooth(x) for x in audio]), 0.0))


def rise_ms(audio, sample_rate):
  """[M] time from -40 dB of the peak to the peak of the envelope."""
  curve = envelope(audio, sample_rate)
  peak = curve.max(axis=1, keepdims=True)
  return 1e3 * (curve.argmax(axis=1) - (curve > 0.01 * peak).argmax(axis=1)) / sample_rate


def stripes_db(audio, hop_length):
  """[M, K] level at multiples of 2^k frame rates over that around them, of k = 0, 1, .."""
  apart = 32  # bins from one multiple of the frame rate to the next
  size = apart * hop_length
  padded = np.pad(audio, [(0, 0), (0, max(size - audio.shape[1], 0))])
  magnitude = np.abs(np.asarray(stft.stft(jnp.asarray(padded), size, size // 2)))
  level_db = 10.0 * np.log10(np.square(magnitude).mean(axis=1) + 1e-9)
  count = int(np.log2(hop_length)) - 1
  around = np.r_[-12:-3, 4:13]
  found = []
  for k in range(count):
    bins = np.arange(apart << k, size // 2 - apart, apart << k)
    beside = level_db[:, bins[:, None] + around].mean(axis=2)
    found.append((level_db[:, bins] - beside).mean(axis=1))
  return np.stack(found, axis=1)


def make_distances(config, form):
  """A function from two arrays of waveforms to distances [M] by name."""
  representation = methods.make_representation(config, form)
  transform = lambda x: jnp.abs(stft.stft(x, 1024, 256))

  def one(audio, made):
    a, b = (representation.level_db(representation.encode(x)) for x in (audio, made))
    distance = jnp.sqrt(jnp.mean(jnp.square(a - b), axis=2))
    sounds = jnp.any(a > config.representation.floor_db + 1.0, axis=2)
    s, t = transform(audio), transform(made)
    norm = lambda x: jnp.sqrt(jnp.sum(jnp.square(x), axis=(1, 2)))
    return {
      "lsd": jnp.mean(distance, axis=1),
      "sounding": jnp.sum(distance * sounds, axis=1) / jnp.maximum(jnp.sum(sounds, axis=1), 1),
      "conv.": norm(s - t) / norm(s),
      "multi": losses.multi_resolution_stft(audio, made),
    }

  return compilation.jit(one)


def in_batches(function, *arrays):
  """A function's output on batches, concatenated; the last batch may be smaller."""
  parts = [function(*(x[i : i + BATCH] for x in arrays)) for i in range(0, len(arrays[0]), BATCH)]
  return jax.tree.map(lambda *x: np.concatenate(x), *map(jax.device_get, parts))


def time_ms(way, features):
  """Median time of one sound."""
  one, key = features[:1], jax.random.key(0)
  jax.block_until_ready(way(one, key))
  times = []
  for _ in range(10):
    start = time.perf_counter()
    jax.block_until_ready(way(one, key))
    times.append(time.perf_counter() - start)
  return 1e3 * float(np.median(times))


def main():
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
  parser.add_argument("runs", nargs="+", metavar="RUN")
  parser.add_argument("--split", default="valid")
  parser.add_argument("--limit", type=int, default=64, help="sounds, at most")
  parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
  parser.add_argument("--without_peer", action="store_true", help="leave librosa out")
  options = parser.parse_args()
  config = config_file.load(options.runs[0])
  fields = dict(setting.split("=", 1) for setting in options.set)
  if "data.name" in fields:
    rate = data_sets.make_form(config.data).sample_rate
    config_lib.set_part(config, "data", fields.pop("data.name"))
    print(f"data.name={config.data.name}; the run's sounds have {rate} Hz")
  for name, value in fields.items():
    config_lib.override(config, f"{name}={value}")
  form, audio = read(config, options.split, options.limit)
  representation = methods.make_representation(config, form)
  features = in_batches(compilation.jit(representation.encode), audio)
  ways = make_ways(config, form, options.runs)
  if not options.without_peer:
    ways = {"librosa, 100": make_peer(config, form), **ways}
  distances = make_distances(config, form)
  stripes, rises = (stripes_db(audio, config.representation.hop_length),
                    rise_ms(audio, form.sample_rate))  # fmt: skip
  cores = len(os.sched_getaffinity(0))
  print(f"{len(audio)} sounds of {audio.shape[1] / form.sample_rate:.2f} s; cores: {cores}")
  columns = ("lsd", "sounding", "conv.", "multi", "stripes", "rise %", "ms off", "ms", "xRT",
             "faster")  # fmt: skip
  print(f"{'':20}" + "".join(f"{name:>10}" for name in columns))
  times = {name: time_ms(way, features) for name, way in ways.items()}
  for name, way in ways.items():
    made = in_batches(lambda x, way=way: way(x, jax.random.key(0)), features)
    made = np.asarray(level.normalize(jnp.asarray(made)))
    found = in_batches(distances, audio, made)
    values = [found[column].mean() for column in columns[:4]]
    excess = stripes_db(made, config.representation.hop_length) - stripes
    off = np.abs(rise_ms(made, form.sample_rate) - rises)
    values += [excess.mean(axis=0).max(), 100 * (off <= 1.0).mean(), np.median(off), times[name],
               1e3 * form.num_samples / form.sample_rate / times[name],
               times["random + 100"] / times[name]]  # fmt: skip
    print(f"{name:20}" + "".join(f"{value:10.2f}" for value in values), flush=True)


if __name__ == "__main__":
  main()
