"""f0 of a split's examples, tracked once and kept beside them.

Frames are stored as 1/256 semitones and 1/255 of confidence, in three bytes.
"""

from collections.abc import Iterator
import hashlib
import logging
import os
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax.audio import controls as controls_lib
from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.data import clips
from cvae_jax.data import forms
from cvae_jax.data import label_table
from cvae_jax.data import notes
from cvae_jax.data import sources
from cvae_jax.training import compilation

_log = logging.getLogger(__name__)

_VERSION = 1  # of the tracker
_BATCH = 8
_BLOCK_S, _CONTEXT_S = 8.0, 0.5  # of a recording that is tracked at once, and around it
_PER_SEMITONE, _PER_CONFIDENCE = 256.0, 255.0


class Frames(NamedTuple):
  """Tracked frames, as they are stored.

  Attributes:
    pitch: [K] uint16 in 1/256 semitones.
    confidence: [K] uint8 in 1/255.
  """

  pitch: np.ndarray
  confidence: np.ndarray

  def at(self, position: np.ndarray) -> dict[str, np.ndarray]:
    """Keys of an example: f0 and confidence at frames, between them by straight lines."""
    low = position.astype(np.int64)
    high = np.minimum(low + 1, len(self.pitch) - 1)
    weight = (position - low).astype(np.float32)
    between = lambda x: x[low] * (1.0 - weight) + x[high].astype(np.float32) * weight
    pitch = between(self.pitch) / _PER_SEMITONE
    f0_hz = controls_lib.A4_HZ * np.exp2((pitch - controls_lib.A4_PITCH) / 12.0)
    return {
      controls_lib.F0_KEY: f0_hz.astype(np.float32),
      controls_lib.CONFIDENCE_KEY: (between(self.confidence) / _PER_CONFIDENCE).astype(np.float32),
    }


def _encode(f0_hz, confidence) -> Frames:
  pitch = controls_lib.A4_PITCH + 12.0 * np.log2(np.asarray(f0_hz, np.float64) / controls_lib.A4_HZ)
  return Frames(
    np.clip(np.round(pitch * _PER_SEMITONE), 0, 65_535).astype(np.uint16),
    np.round(np.asarray(confidence) * _PER_CONFIDENCE).astype(np.uint8),
  )


def _cut(
  source: sources.Source, tracking: controls_lib.Tracking
) -> Iterator[tuple[np.ndarray, slice]]:
  """What is tracked at once, and which of its frames are wanted."""
  form, hop_length = forms.need_waveform(source.form, "f0"), tracking.hop_length
  spans = clips.spans_of(source)
  if spans is None:
    for i in range(len(source)):
      yield source[i]["audio"], slice(0, form.num_samples // hop_length)
    return
  block, context = (round(s * form.sample_rate / hop_length) for s in (_BLOCK_S, _CONTEXT_S))
  size = (block + 2 * context) * hop_length
  for span in spans.samples:
    for first in range(0, len(span) // hop_length, block):
      count = min(block, len(span) // hop_length - first)
      start = (first - context) * hop_length
      audio = notes.to_float(np.asarray(span[max(start, 0) : start + size]))
      before = max(-start, 0)
      yield np.pad(audio, (before, size - before - len(audio))), slice(context, context + count)


def track(source: sources.Source, tracking: controls_lib.Tracking) -> Frames:
  """The frames of all examples, or of all recordings that excerpts are of, one after the other."""
  form = forms.need_waveform(source.form, "f0")
  run = compilation.jit(lambda audio: tracking.track(audio, form.sample_rate))
  found: list[Frames] = []
  batch: list[tuple[np.ndarray, slice]] = []

  def flush():
    audio = [audio for audio, _ in batch]
    audio += [np.zeros_like(audio[0])] * (_BATCH - len(audio))
    f0_hz, confidence = (np.asarray(x) for x in run(np.stack(audio)))
    found.extend(
      _encode(f0_hz[i, wanted], confidence[i, wanted]) for i, (_, wanted) in enumerate(batch)
    )
    batch.clear()

  for part in _cut(source, tracking):
    batch.append(part)
    if len(batch) == _BATCH:
      flush()
  if batch:
    flush()
  return Frames(*(np.concatenate(x) for x in zip(*found, strict=True)))


def _path(source: sources.Source, tracking: controls_lib.Tracking) -> str | None:
  """The cache of a source's frames; None where it has no folder."""
  if source.folder is None:
    return None
  key = (_VERSION, label_table.digest_of(source.labels["id"]), *tracking, source.form)
  digest = hashlib.sha256(repr(key).encode()).hexdigest()[:10]
  return os.path.join(source.folder, f"f0-{digest}.npz")


def _open(source: sources.Source, tracking: controls_lib.Tracking) -> Frames:
  """The cached frames of a source; tracks them if there are none."""
  path = _path(source, tracking)
  try:
    if path is not None:
      stored = npz_file.load(path, *Frames._fields)
      return Frames(*(stored[name] for name in Frames._fields))
  except (FileNotFoundError, errors.UserError):
    pass
  _log.info("tracking the f0 of %d examples", len(source))
  frames = track(source, tracking)
  try:
    if path is not None:
      with atomic.open_file(path, "wb") as f:
        np.savez(f, **frames._asdict())
  except OSError as e:
    _log.info("f0 cannot be cached in %s: %s", path, e)
  return frames


class Tracked(sources.Source):
  """Examples with the f0 and confidence of their frames.

  Args:
    source: examples that do not change, or excerpts of recordings.
    tracking: of f0.
  """

  controls = (controls_lib.F0_KEY, controls_lib.CONFIDENCE_KEY)

  def __init__(self, source: sources.Source, tracking: controls_lib.Tracking):
    self._source, self._tracking = source, tracking
    self.form, self.vocabulary = source.form, source.vocabulary
    self.folder, self.is_random, self.labels = source.folder, source.is_random, source.labels
    self._frames = _open(source, tracking)
    self._spans = clips.spans_of(source)
    form, hop_length = forms.need_waveform(source.form, "f0"), tracking.hop_length
    self._count = form.num_samples // hop_length
    if self._spans is not None:
      self._firsts = np.cumsum([0, *(len(x) // hop_length for x in self._spans.samples)])

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    return {**self._source.stored(index, seed), **self._frames_of(index, seed)}

  def _frames_of(self, index, seed):
    if self._spans is None:
      return self._frames.at(np.arange(self._count) + index * self._count)
    span, sample = self._spans.locate(index, seed)
    first, last = self._firsts[span], self._firsts[span + 1] - 1
    position = first + np.arange(self._count) + sample / self._tracking.hop_length
    return self._frames.at(np.minimum(position, max(last, first)))


def can_track(source: sources.Source) -> bool:
  """Whether a source's frames can be kept: not where every example is a new one."""
  return not source.is_random or clips.spans_of(source) is not None
