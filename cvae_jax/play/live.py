"""A client that plays a run live: blocks of curves, or of sound, to blocks of sound.

The protocol of the WebSocket `/api/live`:

    client: JSON `LiveStart`             server: JSON `LiveReady`
    client: JSON `LiveBlock`             server: binary, if the block has frames
    client: binary, float32 samples of a block (if `follow`)    server: binary

A binary answer is little-endian float32: curves of N frames, and the N * hop_length samples of the
sound. The curves are pitch, loudness and confidence of a run that is played by them, and the moved
latents of one that streams, as many as `LiveReady` says; that one plays sound only. What is wrong
is answered with JSON `{"detail": ...}` before the server closes.
"""

from typing import Protocol

import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import controls as controls_lib
from cvae_jax.core import errors
from cvae_jax.play import latents as latents_lib
from cvae_jax.play import melodies
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.synthesis import conversion
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import live
from cvae_jax.synthesis import synthesizer

_QUANTILES = 21  # of the ranges that a client is told
_PITCH_FRAMES = 4  # of a block
_LATENT_S = 0.05  # of a block, to whole frames
_MAX_FRAMES = 64


class Session(Protocol):
  """A run as one client plays it."""

  @property
  def ready(self) -> schema.LiveReady:
    """What the client is told."""

  def play(self, block: schema.LiveBlock) -> bytes:
    """The answer to a message in JSON; none if it only changes what is played.

    Raises:
      UserError: for curves of a wrong length, or what the run cannot make.
    """

  def follow(self, body: bytes) -> bytes:
    """The answer to a block of sound.

    Raises:
      UserError: for a block of a wrong length, or a client that sends none.
    """


def begin(
  synth: synthesizer.Synthesizer,
  palette: palette_lib.Palette | None,
  start: schema.LiveStart,
) -> Session:
  """A session of what the run can: latents of one that streams, else pitch and loudness.

  Args:
    synth: the run.
    palette: of it; None without one.
    start: the first message.

  Raises:
    UserError: if the run cannot be played live, or cannot make the sound.
  """
  if synth.method.streamer is not None:
    return LatentSession(synth, start)
  return PitchSession(synth, palette, start)


class PitchSession:
  """A `Session` of f0 and loudness.

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
    self._count = start.block_frames or _PITCH_FRAMES
    ranges = self._performer.ranges(synth.params)
    self._ranges = [np.asarray(x) for x in ranges]
    z, labels = self._timbre(start.sound)
    self._line = live.Line(synth, self._count, z, labels, start.sound.seed, start.in_room)
    self._voice = live.Voice(synth, self._line, start.semitones)
    self._warm_up()

  def _timbre(self, sound):
    return melodies.to_timbre(self._synth, self._palette, sound, float(np.median(self._ranges[0])))

  def _warm_up(self):
    """Compiles what is played, by a block of silence, so that the first one is not late."""
    count = self._count
    self._line.play(np.full(count, controls_lib.A4_HZ), np.full(count, -controls_lib.RANGE_DB))
    if self._start.follow:
      self._voice.warm_up()

  @property
  def ready(self) -> schema.LiveReady:
    """See `Session`."""
    places = np.linspace(0.0, 1.0, _QUANTILES)
    quantiles = lambda row: np.quantile(row, places).round(3).tolist()
    late = self._voice.latency if self._start.follow else self._performer.latency
    return schema.LiveReady(
      kind="pitch",
      sample_rate=self._synth.sample_rate,
      hop_length=self._performer.tracking.hop_length,
      block_frames=self._count,
      latency=late,
      pitch=quantiles(self._ranges[0]),
      loudness_db=quantiles(self._ranges[1]),
    )

  def play(self, block: schema.LiveBlock) -> bytes:
    """See `Session`."""
    if block.change is not None:
      raise errors.UserError("this run is played by pitch and loudness: no latents change it")
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
    """See `Session`."""
    if not self._start.follow:
      raise errors.UserError("blocks of sound need a start with 'follow'")
    audio = _unpack(body, self._voice.block_length)
    controls, moved, made = self._voice.follow(audio)
    pitch = np.asarray(controls_lib.hz_to_pitch(jnp.asarray(moved.f0_hz)))
    return _pack(pitch, moved.loudness_db, controls.confidence, made)


class LatentSession:
  """A `Session` of latents.

  Args:
    synth: the run.
    start: the first message.

  Raises:
    UserError: if the run does not stream, or the client has no sound to be followed.
  """

  def __init__(self, synth: synthesizer.Synthesizer, start: schema.LiveStart):
    streamer = latent_streams.need_streamer(synth, "playing latents live")
    if not start.follow:
      raise errors.UserError("this run plays what it hears: it needs a start with 'follow'")
    self._synth, self._hop_length = synth, streamer.hop_length
    suited = min(streamer.count_frames(_LATENT_S * synth.sample_rate), _MAX_FRAMES)
    self._count, self._heard = start.block_frames or suited, latents_lib.count_heard(synth)
    change = latents_lib.to_change(synth, start.change)
    self._stream = latent_conversion.Stream(synth, self._count, change, seed=start.sound.seed)
    self._stream.play(np.zeros(self._stream.block_length, np.float32))  # Compiles.

  @property
  def ready(self) -> schema.LiveReady:
    """See `Session`."""
    return schema.LiveReady(
      kind="latents",
      sample_rate=self._synth.sample_rate,
      hop_length=self._hop_length,
      block_frames=self._count,
      latency=self._stream.latency,
      latents=self._heard,
    )

  def play(self, block: schema.LiveBlock) -> bytes:
    """See `Session`."""
    if block.sound is not None or block.pitch or block.loudness_db:
      raise errors.UserError("this run is played by sound: it has no pitch and loudness")
    if block.change is not None:
      self._stream.change = latents_lib.to_change(self._synth, block.change)
    return b""

  def follow(self, body: bytes) -> bytes:
    """See `Session`."""
    codes, made = self._stream.follow(_unpack(body, self._stream.block_length))
    return _pack(*codes.T[: self._heard], made)


def _unpack(body, length):
  if len(body) != 4 * length:
    raise errors.UserError(
      f"a block of sound must be {length} float32 samples, got {len(body)} bytes"
    )
  audio = np.frombuffer(body, "<f4")
  if not np.all(np.isfinite(audio)):
    raise errors.UserError("a block of sound has samples that are no numbers")
  return audio


def _pack(*rows):
  return np.concatenate([np.asarray(row, "<f4") for row in rows]).tobytes()
