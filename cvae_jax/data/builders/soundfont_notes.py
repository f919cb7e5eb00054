"""`soundfont_notes`: the programs of a soundfont, rendered in NSynth's protocol by FluidSynth.

Every General MIDI program is an instrument. It plays pitches 21 to 108 at five velocities, held for
3 s and released for 1 s, at 16 kHz in mono, without reverb and chorus. One gain per program brings
its loudest note to half of full scale; relative levels are the soundfont's.

A note is left out if it is silent, or if the soundfont's nearest sample is more than `max_stretch`
semitones away, since a sample transposed that far no longer sounds like the instrument.

`soundfont_notes` holds out programs: a sixth of every family each for validation and test.
`soundfont_notes/notes` holds out notes of the training programs.
"""

from collections.abc import Iterator
import dataclasses
import hashlib
import logging
import os
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.core import errors
from cvae_jax.data import general_midi
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import soundfont

_log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
HELD_OUT = ("instruments", "notes")


@dataclasses.dataclass
class SoundfontConfig(tfds.core.BuilderConfig):
  """The notes of a soundfont to render.

  Attributes:
    path: of the SF2 or SF3 file.
    held_out: 'instruments' or 'notes'.
    programs: numbers of the programs.
    pitches: MIDI numbers.
    velocities: 1 to 127.
    max_stretch: semitones; notes farther from any sample are left out.
  """

  path: str = ""
  held_out: str = "instruments"
  programs: tuple[int, ...] = ()
  pitches: tuple[int, ...] = ()
  velocities: tuple[int, ...] = labels.VELOCITIES
  max_stretch: int = 12


def instrument_name(program: general_midi.Program) -> str:
  """An instrument's name as in NSynth, with the number of the program."""
  return f"{program.family}_{program.source}_{program.number:03d}"


def split_of(config: SoundfontConfig) -> dict[int, str]:
  """The split of each program: a sixth each of every family of three or more is held out."""
  families: dict[str, list[int]] = {}
  for number in config.programs:
    families.setdefault(general_midi.program(number).family, []).append(number)
  splits = dict.fromkeys(config.programs, "train")
  for family, numbers in families.items():
    seed = int.from_bytes(hashlib.sha256(family.encode()).digest()[:4], "big")
    order = np.random.default_rng(seed).permutation(numbers).tolist()
    count = 0 if len(numbers) < 3 else -(-len(numbers) // 6)
    for split in ("valid", "test"):
      for number in order[:count]:
        splits[number] = split
      order = order[count:]
  return splits


def note_split(name: str) -> str:
  """The split of a note by the hash of its name: a twentieth each is held out."""
  number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 20
  return {0: "valid", 1: "test"}.get(number, "train")


def make_config(config: Any, held_out: str = "instruments") -> SoundfontConfig:
  """Makes the builder config of a soundfont.

  Args:
    config: the `data.soundfont` section of a config.
    held_out: 'instruments' or 'notes'.

  Raises:
    UserError: if the soundfont cannot be read, or has no such programs.
  """
  path = soundfont.find_soundfont(config.path)
  pitches = tuple(range(labels.MIN_PITCH, labels.MAX_PITCH + 1, config.pitch_step))
  for velocity in config.velocities:
    if not 1 <= velocity <= 127:
      raise errors.UserError(f"data.soundfont.velocities must be 1-127, got {velocity}")
  synth = soundfont.Synthesizer(path)
  try:
    available = [number for number in range(128) if synth.has(number)]
  finally:
    synth.close()
  missing = sorted(set(config.programs) - set(available))
  if missing:
    raise errors.UserError(f"data.soundfont.programs: {path} has no program {missing[0]} in bank 0")
  programs = tuple(sorted(config.programs)) or tuple(
    n for n in available if config.include_effects or general_midi.program(n).is_note
  )
  with open(path, "rb") as f:
    content = hashlib.file_digest(f, "sha256").hexdigest()
  selection = (content, programs, pitches, tuple(config.velocities), config.max_stretch)
  stem = notes.name_part(os.path.splitext(os.path.realpath(path))[0])
  fingerprint = hashlib.sha256(repr(selection).encode()).hexdigest()[:10]
  return SoundfontConfig(
    name=f"{stem}-{held_out}-{fingerprint}",
    description=f"{len(programs)} programs of {os.path.basename(path)}; {held_out} held out",
    path=path,
    held_out=held_out,
    programs=programs,
    pitches=pitches,
    velocities=tuple(config.velocities),
    max_stretch=config.max_stretch,
  )


class SoundfontNotes(tfds.core.GeneratorBasedBuilder):
  """Notes of a soundfont's programs, rendered with FluidSynth."""

  VERSION = tfds.core.Version("1.0.1")

  def _info(self) -> tfds.core.DatasetInfo:
    programs = map(general_midi.program, self.builder_config.programs)
    return self.dataset_info_from_configs(
      description=__doc__, features=notes.make_features([instrument_name(p) for p in programs])
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager
    return {split: self._generate_examples(split) for split in SPLITS}

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    config = self.builder_config
    zones, splits = soundfont.sampled_pitches(config.path), split_of(config)
    keys_of_program: dict[int, tuple[list[int], list[tuple[int, int]]]] = {}
    for program in config.programs:
      name = instrument_name(general_midi.program(program))
      pitches = [
        pitch
        for pitch in config.pitches
        if soundfont.reachable(zones.get(program, []), pitch, config.max_stretch)
      ]
      keys = [
        (pitch, velocity)
        for pitch in pitches
        for velocity in config.velocities
        if split == (
          splits[program] if config.held_out == "instruments"
          else note_split(notes.note_str(name, pitch, velocity))
        )
      ]  # fmt: skip
      if keys:
        keys_of_program[program] = pitches, keys
    num_silent, count = 0, 0
    for program, played in soundfont.play_ahead(
      config.path, keys_of_program, max(config.velocities)
    ):
      general_program = general_midi.program(program)
      name = instrument_name(general_program)
      num_silent += played.silent
      for (pitch, velocity), samples in zip(played.keys, played.samples, strict=True):
        count += 1
        yield notes.make_example(
          notes.note_str(name, pitch, velocity),
          notes.to_float(samples),
          pitch,
          velocity,
          name,
          general_program.family,
          general_program.source,
        )
    _log.info(
      "%s: %d notes of %d programs, %d silent notes left out",
      split, count, len(keys_of_program), num_silent,
    )  # fmt: skip
