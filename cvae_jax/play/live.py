"""A client that plays a run live: blocks of f0 and loudness, or of sound, to blocks of sound.

The protocol of the WebSocket `/api/live`:

    client: JSON `LiveStart`             server: JSON `LiveReady`
    client: JSON `LiveBlock`             server: binary, if the block has frames
    client: binary, float32 samples of a block (if `follow`)    server: binary

A binary answer is little-endian float32: the pitch of N frames, their loudness, their confidence,
and the N * hop_length samples of the sound. What is wrong is answered with JSON `{"detail": ...}`
before the server closes.
"""

import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import controls as controls_lib
from cvae_jax.core import errors
from cvae_jax.play import melodies
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.synthesis import conversion
from cvae_jax.synthesis import live
from cvae_jax.synthesis import synthesizer

_QUANTILES = 21  # of the ranges that a client is told


class Session:
  """A run as one client plays it.

  Args:
    synth: the run.
    palette: of it; None without one.
    start: the first message.

  Raises:
    UserError: if the run is not played by f0 and loudness, or cannot make the sound.
  """

  def __init__(
    self,
    synth: synthesizer.Synthesizer,
    palette: palette_lib.Palette | None,
    start: schema.LiveStart,
  ):
    self._synth, self._palette, self._start = synth, palette, start
    self._performer = conversion.need_performer(synth, "playing live")
    count = start.block_frames
    ranges = self._performer.ranges(synth.params)
    self._ranges = [np.asarray(x) for x in ranges]
    z, labels = self._timbre(start.sound)
    self._line = live.Line(synth, count, z, labels, start.sound.seed, start.in_room)
    self._voice = live.Voice(synth, self._line, start.semitones)
    self._warm_up()

  def _timbre(self, sound):
    return melodies.to_timbre(self._synth, self._palette, sound, float(np.median(self._ranges[0])))

  def _warm_up(self):
    """Compiles what is played, by a block of silence, so that the first one is not late."""
    count = self._start.block_frames
    self._line.play(np.full(count, controls_lib.A4_HZ), np.full(count, -controls_lib.RANGE_DB))
    if self._start.follow:
      self._voice.warm_up()

  @property
  def ready(self) -> schema.LiveReady:
    """What the client is told."""
    places = np.linspace(0.0, 1.0, _QUANTILES)
    quantiles = lambda row: np.quantile(row, places).round(3).tolist()
    late = self._voice.latency if self._start.follow else self._performer.latency
    return schema.LiveReady(
      sample_rate=self._synth.sample_rate,
      hop_length=self._performer.tracking.hop_length,
      block_frames=self._start.block_frames,
      latency=late,
      pitch=quantiles(self._ranges[0]),
      loudness_db=quantiles(self._ranges[1]),
    )

  def play(self, block: schema.LiveBlock) -> bytes:
    """The answer to a block of f0 and loudness; none if it only changes the sound.

    Raises:
      UserError: for curves of a wrong length, or a sound that the run cannot make.
    """
    if block.sound is not None:
      self._line.set_timbre(*self._timbre(block.sound))
    if not block.pitch and not block.loudness_db:
      return b""
    pitch = np.asarray(block.pitch, np.float32)
    f0_hz = np.asarray(controls_lib.pitch_to_hz(jnp.asarray(pitch)))
    loudness_db = np.asarray(block.loudness_db, np.float32)
    audio = self._line.play(f0_hz, loudness_db)
    return _pack(pitch, loudness_db, np.ones_like(pitch), audio)

  def follow(self, body: bytes) -> bytes:
    """The answer to a block of sound.

    Raises:
      UserError: for a block of a wrong length, or a client that sends none.
    """
    if not self._start.follow:
      raise errors.UserError("blocks of sound need a start with 'follow'")
    length = self._voice.block_length
    if len(body) != 4 * length:
      raise errors.UserError(
        f"a block of sound must be {length} float32 samples, got {len(body)} bytes"
      )
    audio = np.frombuffer(body, "<f4")
    if not np.all(np.isfinite(audio)):
      raise errors.UserError("a block of sound has samples that are no numbers")
    controls, moved, made = self._voice.follow(audio)
    pitch = np.asarray(controls_lib.hz_to_pitch(jnp.asarray(moved.f0_hz)))
    return _pack(pitch, moved.loudness_db, controls.confidence, made)


def _pack(*rows):
  return np.concatenate([np.asarray(row, "<f4") for row in rows]).tobytes()
