"""How fast notes are made, from labels and z to a waveform, and how well the features sound.

python benchmarks/generate.py                     # the default CVAE with each representation
python benchmarks/generate.py --workdir=runs/cvae # a trained run, as it is

MHz is million samples of audio a second; at 16 kHz a note of 4 s is 64,000. The time is from labels
in NumPy to a waveform in NumPy, the network's share apart. How well: the notes of tests/fixtures
through `encode` and `decode`, which is the best that a network can reach with these features; a
network's weights have no bearing on the speed. The limits, in MHz too, are those of `limits.py`.
Prints Markdown.
"""

import argparse
import os
from typing import Any

import audio as audio_benchmark  # benchmarks/audio.py
import jax
import jax.numpy as jnp
import limits  # benchmarks/limits.py
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import representations
from cvae_jax.audio import stft
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_file
from cvae_jax.data import label_table
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

_BATCH = 16
_VOCABULARY = labels.make_vocabulary(["any"])
_MEGASAMPLES = labels.NUM_SAMPLES / 1e6
# Representation, with the default iterations of phase recovery or others, to its way back.
_CASES = {
  "log_magnitude": "phase recovery",
  "log_magnitude, 32 iterations": "phase recovery",
  "log_magnitude, 16 iterations": "phase recovery",
  "log_magnitude, 4 iterations": "phase recovery",
  "log_magnitude, 2 iterations": "phase recovery",
  "log_magnitude, 0 iterations": "phase recovery",
  "log_mel": "phase recovery",
  "cqt": "phase recovery",
  "log_magnitude_if": "exact",
  "log_mel_if": "exact",
  "mdct": "exact",
  "pqmf": "exact",
  "waveform": "exact",
}


def make_synthesizer(config) -> synthesizer.Synthesizer:
  """A CVAE with random weights; those of its start would say nothing but silence."""
  count = 128
  rng = np.random.default_rng(0)
  columns: dict[str, Any] = {name: np.zeros(count, np.int32) for name in notes.BATCH_LABELS}
  columns["pitch"] = rng.integers(36, 97, count).astype(np.int32)
  columns["velocity"] = rng.integers(25, 128, count).astype(np.int32)
  columns["qualities"] = np.zeros((count, len(labels.QUALITIES)), np.float32)
  table = label_table.LabelTable(columns, _VOCABULARY, count)
  method = methods.make_method(config, labels.FORM, _VOCABULARY)
  shapes = jax.eval_shape(lambda: method.init(jax.random.key(0), columns)).params
  params = jax.tree.map(
    lambda s: (
      0.5 * rng.standard_normal(s.shape, np.float32) / max(np.prod(s.shape[:-1]), 10) ** 0.5
    ),
    shapes,
  )
  return synthesizer.Synthesizer(config, 0, jax.device_put(params), method, table, labels.FORM)


def time_notes(synth: synthesizer.Synthesizer, num: int) -> float:
  """Seconds from the labels of `num` notes to their waveforms."""
  drawn = synth.draw_labels(num, 0)
  return limits.best_time(lambda: synth.sample(drawn, 0), 10)


def time_decoding(representation: representations.Representation, synth) -> float:
  """Seconds from the features of a batch of notes, as the network makes them, to waveforms."""
  made = synth.sample(synth.draw_labels(_BATCH, 0), 0)
  features = representation.encode(jnp.asarray(made))
  decode = compilation.jit(representation.decode)
  key = jax.random.key(0)
  return limits.best_time(lambda: decode(features, key), 10)


def measure_limit(synth: synthesizer.Synthesizer, peaks: limits.Peaks) -> tuple[float, float]:
  """Seconds that a batch takes at least, by its operations and by the bytes that it moves."""
  asked = methods.at_temperature(synth.draw_labels(_BATCH, 0), _BATCH)
  key = jax.random.key(0)

  def cost(iterations: int) -> limits.Cost:
    config = synth.config.copy_and_resolve_references()
    if "griffin_lim_iters" in config.representation:
      config.representation.griffin_lim_iters = iterations
    method = methods.make_method(config, labels.FORM, _VOCABULARY)
    return limits.cost_of(method.sample, synth.params, asked, key)

  none = cost(0)
  # Two at a time is how they are compiled; a loop of one round is none.
  two = cost(2) + none.scaled(-1.0)
  pairs = synth.config.representation.get("griffin_lim_iters", 0) / 2
  return peaks.seconds(none + two.scaled(pairs))


def measure_quality(representation, audio, pitch, own_pitch) -> tuple[float, float, float]:
  """Spectral convergence and log-spectral distance in dB, and the share of pitches kept."""
  encode, decode = (compilation.jit(f) for f in (representation.encode, representation.decode))
  key = jax.random.key(0)
  batches = np.array_split(audio, -(-len(audio) // _BATCH))
  again = np.concatenate([np.asarray(decode(encode(jnp.asarray(b)), key)) for b in batches])
  spectra = np.concatenate([np.abs(stft.stft(jnp.asarray(b))) for b in batches])
  with np.errstate(divide="ignore"):  # An exact way back is -inf dB away.
    return audio_benchmark.measure_recovery(again, spectra, own_pitch, pitch)[:3]


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--representations", nargs="*", default=list(_CASES), choices=list(_CASES))
  parser.add_argument("--workdir", help="of a trained run, in place of the default's networks")
  args = parser.parse_args()
  audio, pitch = audio_benchmark.read_notes(str(audio_benchmark.FIXTURES), 1000)
  own_pitch = audio_benchmark.measure_pitch(audio)
  peaks = limits.measure_peaks()
  print(f"jax {jax.__version__} ({jax.devices()[0].platform}, {os.cpu_count()} cores); batch of "
        f"{_BATCH}; quality on {len(audio)} notes; peaks of {peaks.operations / 1e9:.0f} GFLOP/s "
        f"and {peaks.bytes / 1e9:.1f} GB/s\n")  # fmt: skip
  print(
    "| features | inverse | MHz | limit by operations | limit by bytes "
    "| share of time in the network | one note, ms "
    "| spectral convergence | log-spectral distance | pitch kept |\n" + "|---" * 10 + "|"
  )
  if args.workdir:
    names = [config_file.load(args.workdir).representation.name]
  else:
    names = args.representations
  for name in names:
    if args.workdir:
      synth = synthesizer.load(args.workdir)
    else:
      representation_name, *iterations = name.split(", ")
      config = config_lib.get_base_config(representation=representation_name)
      config.condition.labels = ("pitch", "family", "source", "velocity")
      if iterations:
        config.representation.griffin_lim_iters = int(iterations[0].split()[0])
      synth = make_synthesizer(config)
    representation = representations.make_representation(
      synth.config.representation, labels.NUM_SAMPLES, labels.SAMPLE_RATE
    )
    whole, single = time_notes(synth, _BATCH), time_notes(synth, 1)
    by_operations, by_bytes = measure_limit(synth, peaks)
    decoding = time_decoding(representation, synth)
    convergence, distance, kept = measure_quality(representation, audio, pitch, own_pitch)
    print(
      f"| {name} | {_CASES[name]} | {_BATCH * _MEGASAMPLES / whole:.2f} "
      f"| {_BATCH * _MEGASAMPLES / by_operations:.1f} | {_BATCH * _MEGASAMPLES / by_bytes:.1f} "
      f"| {100 * max(0.0, 1 - decoding / whole):.0f} % | {1e3 * single:.0f} "
      f"| {convergence:.1f} dB | {distance:.2f} dB | {100 * kept:.0f} % |",
      flush=True,
    )


if __name__ == "__main__":
  main()
