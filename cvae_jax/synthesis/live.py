"""A run played in real time by f0 and loudness, block by block, of a hand or of a microphone.

f0, loudness ──► Line ──► sound
sound ──► Follower ──► controls ──► Register ──► f0, loudness of the instrument
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import controls as controls_lib
from cvae_jax.core import errors
from cvae_jax.methods.common import performer as performer_lib
from cvae_jax.synthesis import conversion
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

MAX_FRAMES = 64  # of a block
_PAST_S = 0.4  # of sound that f0 is followed through
_HEARD_S = 15.0  # of sound that register and loudness are judged by
_TYPICAL_TOP_DB = -20.0  # loudness of what is loud, before anything was heard
_DB_PER_S = 12.0  # by which the gain moves
_GATE_DB = 45.0  # below what is loud, where there is only the room


def check_block(block_frames: int) -> None:
  """Raises UserError for blocks that are too short or too long."""
  if not 1 <= block_frames <= MAX_FRAMES:
    raise errors.UserError(f"a block must be of 1-{MAX_FRAMES} frames, got {block_frames}")


class Line:
  """A line of one note at a time, played block by block.

  Args:
    synth: a run with a performer.
    block_frames: N, of a block.
    z: [D] latent; None for a run of one timbre.
    labels: of one example, without the pitch.
    seed: of the noise.
    in_room: whether the room that was learnt is heard.

  Raises:
    UserError: if the run is not played by f0 and loudness, or for a block of a wrong length.
  """

  def __init__(
    self,
    synth: synthesizer.Synthesizer,
    block_frames: int,
    z: np.ndarray | None = None,
    labels: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    in_room: bool = True,
  ):
    performer = conversion.need_performer(synth, "playing live")
    check_block(block_frames)
    self.block_frames = block_frames
    self._params = synth.params
    self._advance = compilation.jit(performer.advance)
    self._state = performer.begin(synth.params, 1, block_frames, jax.random.key(seed), in_room)
    self.set_timbre(z, labels)

  def set_timbre(self, z: np.ndarray | None, labels: Mapping[str, np.ndarray] | None = None):
    """Changes latent and labels from the next block on."""
    self._z = jnp.zeros((1, 0)) if z is None else jnp.asarray(z)[None]
    self._labels = dict(labels or {})

  def play(self, f0_hz: np.ndarray, loudness_db: np.ndarray) -> np.ndarray:
    """[N hop_length] samples of the next [N] frames, late by the performer's latency.

    Raises:
      UserError: for curves that are not of N frames.
    """
    for name, curve in (("pitch", f0_hz), ("loudness_db", loudness_db)):
      if len(curve) != self.block_frames:
        raise errors.UserError(
          f"{name} must be of the {self.block_frames} frames of a block, got {len(curve)}"
        )
    f0, loudness = (np.asarray(x, np.float32)[None] for x in (f0_hz, loudness_db))
    loudness = np.maximum(loudness, -controls_lib.RANGE_DB)
    audio, self._state = self._advance(
      self._params, self._state, f0, loudness, self._z, self._labels
    )
    return np.asarray(audio)[0]


class Follower:
  """f0 and loudness of sound that arrives block by block.

  Args:
    performer: of the run.
    sample_rate: of the sound.
    block_frames: N, of a block.
  """

  def __init__(self, performer: performer_lib.Performer, sample_rate: int, block_frames: int):
    check_block(block_frames)
    tracking = performer.tracking
    hop_length = tracking.hop_length
    self.block_frames = block_frames
    self.delay_frames = -(-tracking.frame_length // 2 // hop_length)  # That a frame looks ahead.
    past = round(_PAST_S * sample_rate / hop_length)
    self._buffer = np.zeros((past + self.delay_frames + block_frames) * hop_length, np.float32)
    self._measure = compilation.jit(performer.measure)

  def follow(self, audio: np.ndarray) -> controls_lib.Controls:
    """Controls [N] of N frames, late by `delay_frames`, with the next [N hop_length] samples."""
    self._buffer = np.concatenate([self._buffer[len(audio) :], audio])
    found = self._measure(jnp.asarray(self._buffer[None]))
    count = found.f0_hz.shape[1]
    last = count - self.delay_frames
    return jax.tree.map(lambda x: np.asarray(x)[0, last - self.block_frames : last], found)


class Moved(NamedTuple):
  """Controls in the range of an instrument.

  Attributes:
    f0_hz: [N].
    loudness_db: [N].
  """

  f0_hz: np.ndarray
  loudness_db: np.ndarray


class Register:
  """Moves controls that arrive into the range of an instrument, by what was heard so far.

  It transposes by octaves, which change only in pauses, and raises or lowers the loudness slowly.
  What is far below the loud frames is taken for the room and silenced.

  Args:
    ranges: of the run.
    frame_s: of a frame.
    semitones: to transpose by; None for the octaves that fit.
  """

  def __init__(self, ranges: performer_lib.Ranges, frame_s: float, semitones: float | None = None):
    pitch, loudness_db = (np.asarray(x) for x in ranges)
    self._middle, self._top_db = float(np.median(pitch)), float(np.percentile(loudness_db, 95))
    self._frame_s, self._fixed = frame_s, semitones
    self._heard = np.zeros((0, 2), np.float32)  # pitch (NaN where it is not clear), loudness
    self.gain_db = self._top_db - _TYPICAL_TOP_DB
    self.semitones = 0.0 if semitones is None else semitones
    self._has_sung = False

  def move(self, controls: controls_lib.Controls) -> Moved:
    """[N] controls of the recording to those of the instrument."""
    pitch = np.asarray(controls_lib.hz_to_pitch(jnp.asarray(controls.f0_hz)))
    loudness_db = np.asarray(controls.loudness_db)
    loudest_db = np.percentile(self._heard[:, 1], 95) if len(self._heard) else -np.inf
    loudest_db = max(float(loudest_db), float(loudness_db.max()), controls_lib.SILENCE_DB)
    loud = loudness_db > max(loudest_db - controls_lib.QUIET_DB, controls_lib.SILENCE_DB)
    clear = loud & (np.asarray(controls.confidence) > controls_lib.CLEAR)
    rows = np.stack([np.where(clear, pitch, np.nan), loudness_db], axis=1)[loud]
    keep = round(_HEARD_S / self._frame_s)
    self._heard = np.concatenate([self._heard, rows])[-keep:]
    sung = self._heard[np.isfinite(self._heard[:, 0]), 0]
    if self._fixed is None and len(sung) and not (self._has_sung and clear.any()):
      self.semitones = 12.0 * round((self._middle - float(np.median(sung))) / 12.0)
      self._has_sung = True
    if len(sung):
      wanted_db = self._top_db - float(np.percentile(self._heard[:, 1], 95))
      step_db = _DB_PER_S * self._frame_s * len(pitch)
      self.gain_db += float(np.clip(wanted_db - self.gain_db, -step_db, step_db))
    gated = loudness_db < max(loudest_db - _GATE_DB, controls_lib.SILENCE_DB)
    moved_db = np.where(gated, -controls_lib.RANGE_DB, loudness_db + self.gain_db)
    f0_hz = np.asarray(controls.f0_hz) * 2.0 ** (self.semitones / 12.0)
    return Moved(f0_hz, np.maximum(moved_db, -controls_lib.RANGE_DB))


class Voice:
  """A microphone that is followed and played on an instrument, block by block.

  Attributes:
    block_length: samples of a block.
    latency: samples by which the sound is late, beside the block that is waited for.

  Args:
    synth: a run with a performer.
    line: of the run; its blocks are the voice's.
    semitones: to transpose by; None for the octaves that fit.
  """

  def __init__(self, synth: synthesizer.Synthesizer, line: Line, semitones: float | None = None):
    performer = conversion.need_performer(synth, "playing live")
    hop_length = performer.tracking.hop_length
    self._line = line
    self._follower = Follower(performer, synth.sample_rate, line.block_frames)
    ranges = performer.ranges(synth.params)
    self._register = Register(ranges, hop_length / synth.sample_rate, semitones)
    self.block_length = line.block_frames * hop_length
    self.latency = performer.latency + self._follower.delay_frames * hop_length

  def warm_up(self) -> None:
    """Compiles what follows, without hearing anything."""
    self._follower.follow(np.zeros(self.block_length, np.float32))

  def play(self, audio: np.ndarray) -> np.ndarray:
    """[block_length] samples of the next as many."""
    return self.follow(audio)[2]

  def follow(self, audio: np.ndarray) -> tuple[controls_lib.Controls, Moved, np.ndarray]:
    """What was heard, what it was moved to, and the sound of that."""
    controls = self._follower.follow(np.clip(audio, -1.0, 1.0))
    moved = self._register.move(controls)
    return controls, moved, self._line.play(moved.f0_hz, moved.loudness_db)
