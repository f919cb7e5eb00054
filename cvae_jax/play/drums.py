"""A run of drums that is played: what the routes of kits and patterns do, independent of HTTP."""

import base64
from collections.abc import Sequence

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import percussion
from cvae_jax.play import drum_schema
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.play import sounds as sounds_lib
from cvae_jax.scores import drum_pattern
from cvae_jax.synthesis import drum_kit
from cvae_jax.synthesis import drum_rendering
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import kit_formats
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer


def describe_keys(synth: synthesizer.Synthesizer) -> list[schema.PercussionKey]:
  """The percussion keys of a run that draws drums, the most usual ones first; none of others."""
  if not (drum_kit.is_drums(synth) and synth.method.can_sample):
    return []
  keys = [percussion.KEYS[k] for k in drum_kit.known_keys(synth, percussion.PREFERRED)]
  return [schema.PercussionKey(key=k.key, name=k.name, kind=k.kind, choke=k.choke) for k in keys]


def to_point(
  synth: synthesizer.Synthesizer,
  palette: palette_lib.Palette | None,
  requested: Sequence[schema.Sound],
) -> latent_space.Point:
  """The sounds of a kit as a point of as many.

  Raises:
    UserError: if the run makes no drums, or as `sounds.to_point`.
  """
  drum_kit.check(synth)
  return sounds_lib.to_points(synth, palette, [sound.to_sound() for sound in requested])


def make_kit(synth: synthesizer.Synthesizer, examples: np.ndarray) -> drum_schema.KitMade:
  """Sounds [M, T] as the API hands them out."""
  encoded = [base64.b64encode(formats.to_pcm(audio)).decode() for audio in examples]
  return drum_schema.KitMade(sample_rate=synth.sample_rate, sounds=encoded)


def pack_kit(
  synth: synthesizer.Synthesizer,
  point: latent_space.Point,
  examples: np.ndarray,
  request: drum_schema.KitDownload,
) -> tuple[str, bytes, str]:
  """Packs a kit for download: file name, bytes and media type.

  Raises:
    UserError: as `kit_formats.pack`.
  """
  hits = drum_kit.to_hits([drum.key for drum in request.drums], point, examples)
  hits = [hit._replace(level=d.level) for hit, d in zip(hits, request.drums, strict=True)]
  packed = kit_formats.pack(hits, request.format, synth.sample_rate, request.title)
  if len(packed) == 1 and request.format == "hydrogen":
    name, body = next(iter(packed.items()))
    return name, body, "application/gzip"
  body = formats.to_zip(packed, request.title)
  return f"{request.title}-{request.format}.zip", body, "application/zip"


def make_midi(request: drum_schema.PatternMidi) -> bytes:
  """The MIDI file of a pattern."""
  return drum_pattern.to_midi(request.pattern.to_pattern(), request.bars)


def check_loop(request: drum_schema.PatternLoop) -> None:
  """Raises UserError if there is not a sound for each track."""
  num_tracks, num_sounds = len(request.pattern.tracks), len(request.sounds)
  if num_tracks != num_sounds:
    raise errors.UserError(f"{num_tracks} tracks need as many sounds, got {num_sounds}")


def make_loop(
  synth: synthesizer.Synthesizer,
  point: latent_space.Point,
  examples: np.ndarray,
  request: drum_schema.PatternLoop,
) -> np.ndarray:
  """A pattern as a loop, [T]."""
  pattern = request.pattern.to_pattern()
  hits = drum_kit.to_hits([track.key for track in pattern.tracks], point, examples)
  return drum_rendering.render_loop(hits, pattern, synth.sample_rate)
