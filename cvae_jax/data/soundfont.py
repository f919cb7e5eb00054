"""Soundfonts: finding them, their sampled pitches, and rendering with FluidSynth."""

from collections.abc import Iterator
from collections.abc import Mapping
import concurrent.futures
import logging
import os
import queue
from typing import NamedTuple

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.data import notes

PEAK = 0.5  # of a program's loudest note, in full scale
_SILENCE = 10 ** (-60 / 20)  # of that peak; softer notes count as silent
PERCUSSION_BANK = 128
# Default soundfonts of Debian, Arch, Fedora and Homebrew.
DEFAULTS = (
  "/usr/share/sounds/sf2/default-GM.sf2",
  "/usr/share/sounds/sf3/default-GM.sf3",
  "/usr/share/soundfonts/default.sf2",
  "/usr/share/sounds/sf2/FluidR3_GM.sf2",
  "/opt/homebrew/share/fluid-synth/sf2/FluidR3_GM.sf2",
)


class Played(NamedTuple):
  """A program's notes.

  Attributes:
    keys: (pitch, velocity) of each.
    samples: [M, T] int16.
    silent: number of silent notes, which are left out.
  """

  keys: list[tuple[int, int]]
  samples: np.ndarray
  silent: int


def find_soundfont(path: str | None) -> str:
  """Checks a soundfont's path; None finds the system's default soundfont.

  Raises:
    UserError: if there is none, or the file is not a soundfont.
  """
  if path is None:
    installed = [p for p in DEFAULTS if os.path.isfile(p)]
    if not installed:
      raise errors.UserError(
        "no soundfont is installed: give --config.data.soundfont.path=FILE.sf2, or on Debian "
        "`apt-get install fluidsynth fluid-soundfont-gm`"
      )
    return installed[0]
  try:
    with open(path, "rb") as f:
      head = f.read(12)
  except OSError as e:
    raise errors.UserError(f"data.soundfont.path {path} cannot be read: {e.strerror}") from None
  if head[:4] != b"RIFF" or head[8:] != b"sfbk":
    raise errors.UserError(f"data.soundfont.path {path} is not an SF2 or SF3 soundfont")
  return path


class Protocol(NamedTuple):
  """How notes are played.

  Attributes:
    bank: of the programs.
    sample_rate: in Hz.
    hold_s: time of the release.
    duration_s: length of a note.
  """

  bank: int = 0
  sample_rate: int = labels.SAMPLE_RATE
  hold_s: float = labels.HOLD_S
  duration_s: float = labels.NUM_SAMPLES / labels.SAMPLE_RATE


NSYNTH = Protocol()


class Synthesizer:
  """FluidSynth with a soundfont; not thread-safe."""

  def __init__(self, path: str, protocol: Protocol = NSYNTH):
    try:
      import fluidsynth
    except (ImportError, AttributeError) as e:  # The latter where the C library is missing.
      raise errors.UserError(
        "soundfonts need FluidSynth: `pip install 'cvae_jax[soundfont]'` and its library, on "
        f"Debian `apt-get install fluidsynth` ({e})"
      ) from None
    settings = {"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.polyphony": 64}
    self._synth = fluidsynth.Synth(0.2, float(protocol.sample_rate), **settings)
    self._bank = protocol.bank
    self._hold = round(protocol.hold_s * protocol.sample_rate)
    self._size = round(protocol.duration_s * protocol.sample_rate)
    self._font = self._synth.sfload(path)
    if self._font < 0:
      raise errors.UserError(f"data.soundfont.path {path} cannot be loaded by FluidSynth")

  def has(self, program: int) -> bool:
    return self.name(program) is not None

  def name(self, program: int) -> str | None:
    """The name of a program; None if there is none."""
    name = self._synth.sfpreset_name(self._font, self._bank, program)
    return name.decode(errors="replace") if isinstance(name, bytes) else name

  def set_gain(self, gain: float) -> None:
    self._synth.setting("synth.gain", float(gain))

  def play(self, program: int, pitch: int, velocity: int) -> np.ndarray:
    """Renders one note ([T] float32), after resetting the synthesizer."""
    self._synth.system_reset()
    self._synth.program_select(0, self._font, self._bank, program)
    self._synth.noteon(0, pitch, velocity)
    hold = self._synth.get_samples(self._hold)
    self._synth.noteoff(0, pitch)
    release = self._synth.get_samples(self._size - self._hold)
    stereo = np.concatenate([hold, release]).reshape(-1, 2)
    return stereo.astype(np.float32).mean(axis=1) / notes.FULL_SCALE

  def close(self) -> None:
    self._synth.delete()


def play_program(
  synth: Synthesizer,
  program: int,
  pitches: list[int],
  loudest: int,
  keys: list[tuple[int, int]],
) -> Played:
  """Renders notes of a program at the gain that brings its loudest pitch to `PEAK`.

  Args:
    synth: the synthesizer.
    program: 0 to 127.
    pitches: all pitches of the program, from which the gain is measured.
    loudest: velocity of that measurement.
    keys: (pitch, velocity) of the notes to render.
  """
  gain = 0.2
  for _ in range(4):  # Until no probe clips.
    synth.set_gain(gain)
    peak = max(float(np.abs(synth.play(program, pitch, loudest)).max()) for pitch in pitches)
    if peak < 0.9:
      break
    gain /= 4
  synth.set_gain(min(gain * PEAK / max(peak, 1e-4), 10.0))
  audio = np.stack([synth.play(program, *key) for key in keys])
  audible = np.abs(audio).max(axis=1) > _SILENCE * PEAK
  # The mean of two channels may lie between two integers.
  samples = np.round(audio[audible] * notes.FULL_SCALE).astype(np.int16)
  return Played(
    [k for k, h in zip(keys, audible, strict=True) if h], samples, int((~audible).sum())
  )


def sampled_pitches(path: str) -> dict[int, list[tuple[int, int, int]]]:
  """(lowest key, highest key, root key) of every zone, by program of bank 0."""
  from sf2utils import sf2parse

  level = logging.getLogger().level
  zones: dict[int, list[tuple[int, int, int]]] = {}
  try:
    logging.getLogger().setLevel(logging.ERROR)  # sf2utils warns of every irregularity.
    with open(path, "rb") as f:
      presets = [p for p in sf2parse.Sf2File(f).presets if getattr(p, "bank", None) == 0]
      for preset in presets:
        program_zones = zones.setdefault(preset.preset, [])
        for outer in preset.bags:
          for inner in outer.instrument.bags if outer.instrument is not None else ():
            if inner.sample is None:
              continue
            low, high = inner.key_range or (0, 127)
            outer_low, outer_high = outer.key_range or (0, 127)
            root = inner.base_note if inner.base_note is not None else inner.sample.original_pitch
            program_zones.append((max(low, outer_low), min(high, outer_high), root))
  finally:
    logging.getLogger().setLevel(level)
  return zones


def reachable(zones: list[tuple[int, int, int]], pitch: int, max_stretch: int) -> bool:
  """Whether a zone plays the pitch with a sample at most `max_stretch` semitones away."""
  return any(low <= pitch <= high and abs(pitch - root) <= max_stretch for low, high, root in zones)


def play_ahead(
  path: str,
  planned: Mapping[int, tuple[list[int], list[tuple[int, int]]]],
  loudest: int,
  protocol: Protocol = NSYNTH,
) -> Iterator[tuple[int, Played]]:
  """Renders programs in order, on all cores: FluidSynth releases the GIL.

  Args:
    path: of the soundfont.
    planned: by program, all its pitches and the keys to render, see `play_program`.
    loudest: see `play_program`.
    protocol: how the notes are played.
  """
  cores, programs = os.cpu_count() or 1, list(planned)
  idle: queue.SimpleQueue[Synthesizer] = queue.SimpleQueue()
  synths = [Synthesizer(path, protocol) for _ in range(min(cores, len(programs)))]
  for synth in synths:
    idle.put(synth)

  def play(program):
    synth = idle.get()
    try:
      pitches, keys = planned[program]
      return play_program(synth, program, pitches, loudest, keys)
    finally:
      idle.put(synth)

  try:
    with concurrent.futures.ThreadPoolExecutor(max(len(synths), 1)) as pool:
      # At most one program per core ahead: each takes some 60 MB.
      pending = {p: pool.submit(play, p) for p in programs[:cores]}
      for i, program in enumerate(programs):
        played = pending.pop(program).result()
        if i + cores < len(programs):
          next_program = programs[i + cores]
          pending[next_program] = pool.submit(play, next_program)
        yield program, played
  finally:
    for synth in synths:
      synth.close()
