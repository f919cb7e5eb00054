"""`soundfont_notes`: the programs of a soundfont, played in NSynth's protocol by FluidSynth.

Every General MIDI program is an instrument; it plays pitches 21 to 108 at five velocities, each
held for 3 s and let go for 1 s, at 16 kHz in mono, without reverb and chorus. Levels are those of
the soundfont but for one gain a program, which brings its loudest note to half of full scale.

A note is left out where it is silent, or where the nearest sample that the soundfont has for it
lies more than `max_stretch` semitones away: it is then a sample played too fast, and no instrument.

`soundfont_notes` holds out programs: of every family some for validation and some for test.
`soundfont_notes/notes` holds out notes of the programs that are trained on.
"""

from collections.abc import Iterator
import concurrent.futures
import dataclasses
import hashlib
import logging
import os
import queue
import re
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax import errors
from cvae_jax.data import general_midi
from cvae_jax.data import labels
from cvae_jax.data import notes

_log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
HELD_OUT = ("instruments", "notes")
PEAK = 0.5  # of a program's loudest note, in full scale
_SILENCE = 10 ** (-60 / 20)  # of that peak: what is softer is no note
_HOLD = int(labels.HOLD_S * labels.SAMPLE_RATE)
# Where Debian, Arch, Fedora and Homebrew put the soundfont that a system has by default.
DEFAULTS = (
  "/usr/share/sounds/sf2/default-GM.sf2",
  "/usr/share/sounds/sf3/default-GM.sf3",
  "/usr/share/soundfonts/default.sf2",
  "/usr/share/sounds/sf2/FluidR3_GM.sf2",
  "/opt/homebrew/share/fluid-synth/sf2/FluidR3_GM.sf2",
)


@dataclasses.dataclass
class SoundfontConfig(tfds.core.BuilderConfig):
  """What of a soundfont is played.

  Attributes:
    path: of the SF2 or SF3 file.
    held_out: 'instruments' or 'notes'.
    programs: numbers of the programs.
    pitches: MIDI numbers.
    velocities: 1 to 127.
    max_stretch: semitones from the nearest sample; more is left out.
  """

  path: str = ""
  held_out: str = "instruments"
  programs: tuple[int, ...] = ()
  pitches: tuple[int, ...] = ()
  velocities: tuple[int, ...] = labels.VELOCITIES
  max_stretch: int = 12


class Played(NamedTuple):
  """A program's notes.

  Attributes:
    keys: (pitch, velocity) of each.
    samples: [M, T] int16.
    silent: how many more there were that could not be heard.
  """

  keys: list[tuple[int, int]]
  samples: np.ndarray
  silent: int


def find_soundfont(path: str | None) -> str:
  """The path, or that of the system's own soundfont.

  Raises:
    UserError: where there is none, or it is no soundfont.
  """
  if path is None:
    found = [p for p in DEFAULTS if os.path.isfile(p)]
    if not found:
      raise errors.UserError(
        "no soundfont is installed: give --config.data.soundfont.path=FILE.sf2, or on Debian "
        "`apt-get install fluidsynth fluid-soundfont-gm`"
      )
    return found[0]
  try:
    with open(path, "rb") as f:
      head = f.read(12)
  except OSError as e:
    raise errors.UserError(f"data.soundfont.path {path} cannot be read: {e.strerror}") from None
  if head[:4] != b"RIFF" or head[8:] != b"sfbk":
    raise errors.UserError(f"data.soundfont.path {path} is no SF2 or SF3 soundfont")
  return path


class _Synthesizer:
  """FluidSynth with a soundfont, for one thread."""

  def __init__(self, path: str):
    try:
      import fluidsynth
    except (ImportError, AttributeError) as e:  # The latter where the C library is missing.
      raise errors.UserError(
        "soundfont_notes needs FluidSynth: `pip install 'cvae_jax[soundfont]'` and its library, on "
        f"Debian `apt-get install fluidsynth` ({e})"
      ) from None
    settings = {"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.polyphony": 64}
    self._synth = fluidsynth.Synth(0.2, float(labels.SAMPLE_RATE), **settings)
    self._font = self._synth.sfload(path)
    if self._font < 0:
      raise errors.UserError(f"data.soundfont.path {path} cannot be loaded by FluidSynth")

  def has(self, program: int) -> bool:
    return self._synth.sfpreset_name(self._font, 0, program) is not None

  def set_gain(self, gain: float) -> None:
    self._synth.setting("synth.gain", float(gain))

  def play(self, program: int, pitch: int, velocity: int) -> np.ndarray:
    """[T] float32 of one note, from a synthesizer that has forgotten all before."""
    self._synth.system_reset()
    self._synth.program_select(0, self._font, 0, program)
    self._synth.noteon(0, pitch, velocity)
    held = self._synth.get_samples(_HOLD)
    self._synth.noteoff(0, pitch)
    released = self._synth.get_samples(labels.NUM_SAMPLES - _HOLD)
    stereo = np.concatenate([held, released]).reshape(-1, 2)
    return stereo.astype(np.float32).mean(axis=1) / notes.FULL_SCALE

  def close(self) -> None:
    self._synth.delete()


def play_program(synth: _Synthesizer, program: int, keys: list[tuple[int, int]]) -> Played:
  """Plays a program's notes at one gain, the one that brings the loudest of them to `PEAK`."""
  loudest = max(velocity for _, velocity in keys)
  probes = sorted({pitch for pitch, _ in keys})[::6]
  gain = 0.2
  for _ in range(4):  # Until none of the probes is past full scale.
    synth.set_gain(gain)
    peak = max(float(np.abs(synth.play(program, pitch, loudest)).max()) for pitch in probes)
    if peak < 0.7:
      break
    gain /= 4
  gain = min(gain * 0.8 * PEAK / max(peak, 1e-4), 10.0)
  synth.set_gain(gain)
  audio = np.stack([synth.play(program, *key) for key in keys])
  peaks = np.abs(audio).max(axis=1)
  heard = peaks > _SILENCE * max(float(peaks.max()), 1e-9)
  scaled = audio[heard] * (PEAK / max(float(peaks.max()), 1e-9))
  samples = np.round(scaled * notes.FULL_SCALE).astype(np.int16)
  return Played([k for k, h in zip(keys, heard, strict=True) if h], samples, int((~heard).sum()))


def sampled_pitches(path: str) -> dict[int, list[tuple[int, int, int]]]:
  """(lowest, highest key, key of the sample) of each zone of each program of bank 0."""
  from sf2utils import sf2parse

  level = logging.getLogger().level
  zones: dict[int, list[tuple[int, int, int]]] = {}
  try:
    logging.getLogger().setLevel(logging.ERROR)  # It tells of every oddity of a file.
    with open(path, "rb") as f:
      presets = [p for p in sf2parse.Sf2File(f).presets if getattr(p, "bank", None) == 0]
      for preset in presets:
        found = zones.setdefault(preset.preset, [])
        for outer in preset.bags:
          for inner in outer.instrument.bags if outer.instrument is not None else ():
            if inner.sample is None:
              continue
            low, high = inner.key_range or (0, 127)
            outer_low, outer_high = outer.key_range or (0, 127)
            root = inner.base_note if inner.base_note is not None else inner.sample.original_pitch
            found.append((max(low, outer_low), min(high, outer_high), root))
  finally:
    logging.getLogger().setLevel(level)
  return zones


def reachable(zones: list[tuple[int, int, int]], pitch: int, max_stretch: int) -> bool:
  """Whether some zone plays a pitch from a sample that is near enough."""
  return any(low <= pitch <= high and abs(pitch - root) <= max_stretch for low, high, root in zones)


def instrument_name(program: general_midi.Program) -> str:
  """NSynth's way of naming an instrument, with the number of the program."""
  return f"{program.family}_{program.source}_{program.number:03d}"


def split_of(config: SoundfontConfig) -> dict[int, str]:
  """The split of each program: of every family with at least three, a sixth each is held out."""
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
  """The split of a note where notes are held out: a twentieth each, by its name."""
  number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 20
  return {0: "valid", 1: "test"}.get(number, "train")


def make_config(config: Any, held_out: str = "instruments") -> SoundfontConfig:
  """The data set that the `data` section of a config asks for.

  Args:
    config: the `data.soundfont` section of a config.
    held_out: 'instruments' or 'notes'.

  Raises:
    UserError: a soundfont that cannot be read, or programs that it does not have.
  """
  path = find_soundfont(config.path)
  pitches = tuple(range(labels.MIN_PITCH, labels.MAX_PITCH + 1, config.pitch_step))
  for velocity in config.velocities:
    if not 1 <= velocity <= 127:
      raise errors.UserError(f"data.soundfont.velocities must be 1-127, got {velocity}")
  synth = _Synthesizer(path)
  try:
    there = [number for number in range(128) if synth.has(number)]
  finally:
    synth.close()
  missing = sorted(set(config.programs) - set(there))
  if missing:
    raise errors.UserError(f"data.soundfont.programs: {path} has no program {missing[0]} in bank 0")
  programs = tuple(sorted(config.programs)) or tuple(
    n for n in there if config.include_effects or general_midi.program(n).is_note
  )
  with open(path, "rb") as f:
    content = hashlib.file_digest(f, "sha256").hexdigest()
  chosen = (content, programs, pitches, tuple(config.velocities), config.max_stretch)
  stem = re.sub(r"\W+", "_", os.path.splitext(os.path.basename(os.path.realpath(path)))[0])
  fingerprint = hashlib.sha256(repr(chosen).encode()).hexdigest()[:10]
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

  VERSION = tfds.core.Version("1.0.0")

  def _info(self) -> tfds.core.DatasetInfo:
    programs = map(general_midi.program, self.builder_config.programs)
    return self.dataset_info_from_configs(
      description=__doc__, features=notes.make_features([instrument_name(p) for p in programs])
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager
    return {split: self._generate_examples(split) for split in SPLITS}

  def _keys(self, program: int, split: str, zones) -> list[tuple[int, int]]:
    """The notes of a program that are in a split and within the reach of its samples."""
    config = self.builder_config
    name = instrument_name(general_midi.program(program))
    if config.held_out == "instruments" and split_of(config)[program] != split:
      return []
    return [
      (pitch, velocity)
      for pitch in config.pitches
      if reachable(zones.get(program, []), pitch, config.max_stretch)
      for velocity in config.velocities
      if config.held_out == "instruments"
      or note_split(notes.note_str(name, pitch, velocity)) == split
    ]

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    config = self.builder_config
    zones = sampled_pitches(config.path)
    planned = {program: self._keys(program, split, zones) for program in config.programs}
    wanted = [program for program, keys in planned.items() if keys]
    silent, count = 0, 0
    for program, played in _play_ahead(config.path, wanted, planned):
      described = general_midi.program(program)
      name = instrument_name(described)
      silent += played.silent
      for (pitch, velocity), samples in zip(played.keys, played.samples, strict=True):
        count += 1
        yield notes.make_example(
          notes.note_str(name, pitch, velocity),
          notes.to_float(samples),
          pitch,
          velocity,
          name,
          described.family,
          described.source,
        )
    _log.info("%s: %d notes of %d programs, %d silent ones left out", split, count, len(wanted),
              silent)  # fmt: skip


def _play_ahead(path, programs, planned) -> Iterator[tuple[int, Played]]:
  """Programs in turn with what they played, on all cores: FluidSynth runs outside of Python."""
  cores = os.cpu_count() or 1
  idle: queue.SimpleQueue[_Synthesizer] = queue.SimpleQueue()
  synths = [_Synthesizer(path) for _ in range(min(cores, len(programs)))]
  for synth in synths:
    idle.put(synth)

  def play(program):
    synth = idle.get()
    try:
      return play_program(synth, program, planned[program])
    finally:
      idle.put(synth)

  try:
    with concurrent.futures.ThreadPoolExecutor(max(len(synths), 1)) as pool:
      # No more than one program a core ahead: each holds some 60 MB.
      ahead = {p: pool.submit(play, p) for p in programs[:cores]}
      for i, program in enumerate(programs):
        played = ahead.pop(program).result()
        if i + cores < len(programs):
          later = programs[i + cores]
          ahead[later] = pool.submit(play, later)
        yield program, played
  finally:
    for synth in synths:
      synth.close()
