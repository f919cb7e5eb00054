"""Recordings as curves that the page shows and bends, and that a run plays."""

from collections.abc import Iterator
import contextlib
import os
import tempfile

import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.play import sounds
from cvae_jax.synthesis import conversion
from cvae_jax.synthesis import synthesizer


@contextlib.contextmanager
def as_file(body: bytes) -> Iterator[str]:
  """Path of a temporary file of uploaded bytes; errors call it 'the recording'."""
  with tempfile.TemporaryDirectory() as scratch:
    path = os.path.join(scratch, "recording")
    with open(path, "wb") as f:
      f.write(body)
    try:
      yield path
    except errors.UserError as e:
      raise errors.UserError(str(e).replace(path, "the recording")) from None


def read_recording(body: bytes, sample_rate: int) -> list[np.ndarray]:
  """Parts of an uploaded recording, of a longer one the first `schema.MAX_S` seconds.

  Raises:
    UserError: if the bytes are no recording.
  """
  with as_file(body) as path:
    return [part.audio for part in files.read_parts(path, sample_rate, schema.MAX_S)]


def trace(synth: synthesizer.Synthesizer, body: bytes) -> schema.Melody:
  """The f0 and loudness of an uploaded recording, moved into the range of the instrument.

  Args:
    synth: a run with a performer.
    body: bytes of an audio file; of a longer one the first `schema.MAX_S` seconds are used.

  Raises:
    UserError: if the run is not played by f0 and loudness, or the bytes are no recording, one of
      silence or too short.
  """
  performer = conversion.need_performer(synth, "playing a recording")
  parts = read_recording(body, synth.sample_rate)
  controls = conversion.measure(performer, parts, synth.sample_rate)
  summary = conversion.summarize(controls)
  adaptation = conversion.adapt(controls, summary, performer.ranges(synth.params))
  adapted = adaptation.apply(controls)
  pitch = np.asarray(controls_lib.hz_to_pitch(jnp.asarray(adapted.f0_hz)))
  return schema.Melody(
    frame_s=performer.tracking.hop_length / synth.sample_rate,
    pitch=np.clip(np.round(pitch, 3), 0.0, 127.0).tolist(),
    loudness_db=np.round(adapted.loudness_db, 2).tolist(),
    clear=summary.clear.tolist(),
    semitones=adaptation.semitones,
    gain_db=adaptation.gain_db,
    warning=conversion.warning(summary),
  )


def to_timbre(
  synth: synthesizer.Synthesizer,
  palette: palette_lib.Palette | None,
  sound: schema.Sound,
  pitch: float,
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
  """The latent [D] (None for a run of one timbre) and the labels [1] of a sound.

  Args:
    synth: the run.
    palette: of it.
    sound: its seed, labels and code.
    pitch: MIDI pitch that is typical of what is played.

  Raises:
    UserError: as `sounds.to_point`.
  """
  if conversion.need_performer(synth, "playing a melody").timbre is None:
    return None, {}
  point = sounds.to_point(synth, palette, sound.to_sound(), (float(np.clip(pitch, 0, 127)),))
  code = np.asarray(point.code[0])
  # Of a code of every frame, what is not f0 and loudness.
  z = code if code.ndim == 1 else code[:, 2:].mean(axis=0)
  return z, {name: value for name, value in point.labels.items() if name != vocabulary_lib.PITCH}


def perform(
  synth: synthesizer.Synthesizer,
  palette: palette_lib.Palette | None,
  request: schema.Performance,
) -> np.ndarray:
  """[T] samples of a melody, played by a sound.

  Raises:
    UserError: if the run is not played by f0 and loudness, or the curves are not of one length.
  """
  conversion.need_performer(synth, "playing a melody")
  if len(request.pitch) != len(request.loudness_db):
    raise errors.UserError(
      f"pitch and loudness_db must be of one length, got {len(request.pitch)} and "
      f"{len(request.loudness_db)}"
    )
  pitch = jnp.asarray(request.pitch, jnp.float32)
  loudness_db = jnp.maximum(jnp.asarray(request.loudness_db, jnp.float32), -controls_lib.RANGE_DB)
  controls = controls_lib.Controls(
    controls_lib.pitch_to_hz(pitch), loudness_db, jnp.ones_like(pitch)
  )
  middle = float(np.median(request.pitch))
  z, columns = to_timbre(synth, palette, request.sound, middle)
  played = conversion.play(synth, controls, z, columns, request.sound.seed, request.in_room)
  gain = 10.0 ** (-request.gain_db / 20.0)
  return np.concatenate(list(played)) * np.float32(gain)
