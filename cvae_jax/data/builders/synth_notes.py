"""`synth_notes`: the embedded data set, 4,092 notes made by classic synthesis.

Eleven families in three sources, 14 instruments of each (462 in all), pitches 21 to 108 and
NSynth's five velocities, held for 3 s and released for 1 s. Of the 14 instruments, ten are for
training, with 10 notes each; two each are held out for validation and test, with 6 notes each. Many
instruments with few notes each generalise better to held-out instruments than few instruments with
many notes.
Everything is drawn from one seed.
"""

from collections.abc import Iterator
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data.synthetic import recipes

_BATCH = 64


@dataclasses.dataclass
class SynthNotesConfig(tfds.core.BuilderConfig):
  """Size of a variant.

  Attributes:
    instruments: instruments of each family and source, by split.
    notes: notes of each instrument, by split.
    families: names of the families.
    seed: of all random draws.
  """

  instruments: tuple[int, int, int] = (10, 2, 2)
  notes: tuple[int, int, int] = (10, 6, 6)
  families: tuple[str, ...] = labels.FAMILIES
  seed: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
  """The labels of a split's notes, as columns of M integers."""

  family: np.ndarray
  source: np.ndarray
  instrument: np.ndarray
  pitch: np.ndarray
  velocity: np.ndarray


SPLITS = ("train", "valid", "test")


def instrument_names(config: SynthNotesConfig) -> list[str]:
  """Names of all instruments of a variant, in the order of their labels."""
  return [
    f"{family}_{source}_{number:03d}"
    for family in config.families
    for source in labels.SOURCES
    for number in range(sum(config.instruments))
  ]


def make_plan(config: SynthNotesConfig, split: str) -> Plan:
  """Draws the notes of a split: distinct (pitch, velocity) pairs for each instrument."""
  position = SPLITS.index(split)
  first = sum(config.instruments[:position])
  pitches = np.arange(labels.MIN_PITCH, labels.MAX_PITCH + 1)
  velocities = np.asarray(labels.VELOCITIES)
  per_group = sum(config.instruments)
  rows = []
  for label, name in enumerate(instrument_names(config)):
    number = label % per_group
    if not first <= number < first + config.instruments[position]:
      continue
    family, source, _ = name.rsplit("_", 2)
    rng = np.random.default_rng([config.seed, 1, label])
    pairs = rng.choice(pitches.size * velocities.size, config.notes[position], replace=False)
    for pair in pairs:
      pitch, velocity = pitches[pair // velocities.size], velocities[pair % velocities.size]
      family_label = labels.FAMILIES.index(family)
      rows.append((family_label, labels.SOURCES.index(source), label, pitch, velocity))
  return Plan(*np.asarray(rows, np.int32).T)


def instrument_parameters(config: SynthNotesConfig) -> np.ndarray:
  """[instruments, recipes.NUM_PARAMETERS] parameters of the instruments, from 0 to 1."""
  rows = [
    np.random.default_rng([config.seed, 2, label]).uniform(size=recipes.NUM_PARAMETERS)
    for label in range(len(instrument_names(config)))
  ]
  return np.asarray(rows, np.float32)


def measure_qualities(audio: jax.Array, pitch: jax.Array) -> jax.Array:
  """Measures those of NSynth's qualities that can be computed from audio; the others are False.

  bright, dark: spectral centroid above 8 or below 2 times the fundamental. fast_decay: after one
  second, 20 dB below the loudest 50 ms. percussive: fast_decay, and loudest in the first 50 ms.
  long_release: 200 ms after note-off, within 20 dB of the level before it.

  Args:
    audio: [B, T] waveforms.
    pitch: [B] MIDI numbers.

  Returns:
    [B, 10] bool, in the order of `labels.QUALITIES`.
  """
  frame = labels.SAMPLE_RATE // 20
  rms = jnp.sqrt(jnp.mean(jnp.square(audio.reshape(audio.shape[0], -1, frame)), axis=-1))
  power = jnp.square(jnp.abs(jnp.fft.rfft(audio)))
  frequencies_hz = jnp.fft.rfftfreq(audio.shape[-1], 1 / labels.SAMPLE_RATE)
  centroid_hz = power @ frequencies_hz / (jnp.sum(power, axis=-1) + 1e-12)
  harmonic = centroid_hz / (440.0 * 2.0 ** ((pitch - 69) / 12))
  release = int(labels.HOLD_S * 20)
  fast_decay = rms[:, 20] < 0.1 * jnp.max(rms, axis=-1)
  measured = {
    "bright": harmonic > 8,
    "dark": harmonic < 2,
    "fast_decay": fast_decay,
    "percussive": fast_decay & (jnp.argmax(rms, axis=-1) == 0),
    "long_release": rms[:, release + 4] > jnp.maximum(0.1 * rms[:, release - 1], 1e-6),
  }
  absent = jnp.zeros_like(fast_decay)
  return jnp.stack([measured.get(quality, absent) for quality in labels.QUALITIES], axis=-1)


@functools.partial(jax.jit, static_argnames="family")
def _render(family, instrument, source, pitch, velocity, seed, index):
  key = jax.random.fold_in(jax.random.key(seed), index)
  audio = recipes.render(family, instrument, source, pitch, velocity, key)
  samples = jnp.round(audio * 32768.0).astype(jnp.int16)
  return samples, measure_qualities(audio, pitch)


def render_plan(
  config: SynthNotesConfig, plan: Plan
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
  """Renders a plan's notes in batches of one family, one batch ahead of the consumer.

  Yields:
    (row of the plan, [T] float32 audio quantised to 16 bits, [10] bool qualities).
  """
  parameters = instrument_parameters(config)
  batches = []
  for name in config.families:
    rows = np.flatnonzero(plan.family == labels.FAMILIES.index(name))
    batches += [(name, *pair) for pair in notes.batches(rows, _BATCH)]

  def dispatch(name, rows, full):
    return rows, _render(
      name,
      parameters[plan.instrument[full]],
      plan.source[full],
      plan.pitch[full],
      plan.velocity[full],
      config.seed,
      int(rows[0]),
    )

  def unpack(rows, rendered):
    samples, qualities = (np.asarray(x) for x in rendered)
    for i, row in enumerate(rows.tolist()):
      yield row, samples[i].astype(np.float32) / 32768.0, qualities[i]

  pending = None
  for batch in batches:
    previous, pending = pending, dispatch(*batch)
    if previous is not None:
      yield from unpack(*previous)
  if pending is not None:
    yield from unpack(*pending)


class SynthNotes(tfds.core.GeneratorBasedBuilder):
  """Notes of eleven families made by additive, subtractive, FM and plucked-string synthesis."""

  VERSION = tfds.core.Version("1.1.0")
  BUILDER_CONFIGS = (
    SynthNotesConfig(name="default", description="4,092 notes of 462 instruments."),
    SynthNotesConfig(
      name="tiny",
      description="72 notes of 9 instruments, for tests.",
      instruments=(1, 1, 1),
      notes=(12, 6, 6),
      families=("bass", "flute", "organ"),
    ),
  )

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      description=__doc__, features=notes.make_features(instrument_names(self.builder_config))
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager
    return {split: self._generate_examples(split) for split in SPLITS}

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    plan = make_plan(self.builder_config, split)
    names = instrument_names(self.builder_config)
    for row, audio, qualities in render_plan(self.builder_config, plan):
      pitch, velocity = int(plan.pitch[row]), int(plan.velocity[row])
      name = names[plan.instrument[row]]
      note = notes.note_str(name, pitch, velocity)
      yield notes.make_example(
        note,
        audio,
        pitch,
        velocity,
        name,
        int(plan.family[row]),
        int(plan.source[row]),
        dict(zip(labels.QUALITIES, qualities.tolist(), strict=True)),
      )
