"""Soundfonts: which there are, what their samples reach, and FluidSynth playing them."""

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


class Synthesizer:
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


def play_program(
  synth: Synthesizer,
  program: int,
  pitches: list[int],
  loudest: int,
  keys: list[tuple[int, int]],
) -> Played:
  """Plays notes of a program at the gain that brings the loudest of its pitches to `PEAK`.

  Args:
    synth: to play with.
    program: 0 to 127.
    pitches: all that the program has, whichever of them are played.
    loudest: velocity that they are probed with.
    keys: (pitch, velocity) of the notes.
  """
  gain = 0.2
  for _ in range(4):  # Until none of the probes is past full scale.
    synth.set_gain(gain)
    peak = max(float(np.abs(synth.play(program, pitch, loudest)).max()) for pitch in pitches)
    if peak < 0.9:
      break
    gain /= 4
  synth.set_gain(min(gain * PEAK / max(peak, 1e-4), 10.0))
  audio = np.stack([synth.play(program, *key) for key in keys])
  heard = np.abs(audio).max(axis=1) > _SILENCE * PEAK
  # Between two channels a sample may lie halfway.
  samples = np.round(audio[heard] * notes.FULL_SCALE).astype(np.int16)
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


def play_ahead(
  path: str, planned: Mapping[int, tuple[list[int], list[tuple[int, int]]]], loudest: int
) -> Iterator[tuple[int, Played]]:
  """Programs in turn with what they played, on all cores: FluidSynth runs outside of Python.

  Args:
    path: of the soundfont.
    planned: by program, all its pitches and the keys to play, see `play_program`.
    loudest: see `play_program`.
  """
  cores, programs = os.cpu_count() or 1, list(planned)
  idle: queue.SimpleQueue[Synthesizer] = queue.SimpleQueue()
  synths = [Synthesizer(path) for _ in range(min(cores, len(programs)))]
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
