"""Reconstruction of recordings of any length, excerpt by excerpt, in bounded memory.

Neighbouring excerpts overlap by a quarter and are crossfaded, since the network has the least
context at the ends of an excerpt.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

_BATCH = 8  # excerpts per batch
_OVERLAP = 4  # excerpts overlap by one part in so many


def _cut(blocks: Iterator[np.ndarray], size: int, hop: int) -> Iterator[np.ndarray]:
  """Cuts blocks into excerpts of `size` samples every `hop`; the last is padded with silence."""
  buffer = np.zeros(0, np.float32)
  has_excerpt = False
  for block in blocks:
    buffer = np.concatenate([buffer, block])
    while len(buffer) >= size:
      yield buffer[:size]
      buffer, has_excerpt = buffer[hop:], True
  if len(buffer) > (size - hop if has_excerpt else 0):  # Samples that no excerpt contains yet.
    yield np.pad(buffer, (0, size - len(buffer)))


def _batches(excerpts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
  pending: list[np.ndarray] = []
  for excerpt in excerpts:
    pending.append(excerpt)
    if len(pending) == _BATCH:
      yield np.stack(pending)
      pending = []
  if pending:
    yield np.stack(pending)


def reconstruct(
  synth: synthesizer.Synthesizer,
  blocks: Iterator[np.ndarray],
  labels: Mapping[str, np.ndarray],
  seed: int = 0,
) -> Iterator[np.ndarray]:
  """Reconstructs a recording, block by block.

  Args:
    synth: a run of waveforms.
    blocks: [n] samples each, of any lengths, at the run's sample rate.
    labels: of one example, for the whole recording.
    seed: of the phase recovery.

  Yields:
    [m] float32; in total as many samples as in `blocks`.

  Raises:
    UserError: if the run cannot reconstruct.
  """
  form = forms.need_waveform(synth.form, "reconstructing a recording")
  if not synth.method.can_reconstruct:
    raise errors.UserError("this run cannot reconstruct: it has no encoder, or no decoder")
  run = compilation.jit(synth.method.reconstruct)
  size = form.num_samples
  overlap = size // _OVERLAP
  hop = size - overlap
  rise = np.sin(0.5 * np.pi * (np.arange(overlap) + 0.5) / overlap).astype(np.float32) ** 2
  window = np.concatenate([rise, np.ones(hop - overlap, np.float32), rise[::-1]])
  counted = _Counted(blocks)
  tail, written, first = np.zeros(overlap, np.float32), 0, True
  for i, batch in enumerate(_batches(_cut(iter(counted), size, hop))):
    filled = batch[notes.fill_up(np.arange(len(batch)), _BATCH)]
    columns: dict[str, Any] = {n: np.repeat(c[:1], _BATCH, axis=0) for n, c in labels.items()}
    key = jax.random.fold_in(jax.random.key(seed), i)
    reconstructed = np.asarray(run(synth.params, {**columns, "audio": jnp.asarray(filled)}, key))
    for excerpt in reconstructed[: len(batch)]:
      weights = window.copy()
      if first:  # No fade-in for the first excerpt.
        weights[:overlap], first = 1.0, False
      faded = excerpt * weights
      faded[:overlap] += tail
      tail = excerpt[hop:] * window[hop:]
      block = faded[:hop]
      written += len(block)
      yield block[: max(len(block) - max(written - counted.count, 0), 0)]
  num_remaining = counted.count - written
  if num_remaining > 0:  # The last excerpt is not crossfaded.
    yield reconstructed[len(batch) - 1][hop : hop + num_remaining]


class _Counted:
  """Iterates over blocks, and counts their samples."""

  def __init__(self, blocks: Iterator[np.ndarray]):
    self._blocks = blocks
    self.count = 0

  def __iter__(self) -> Iterator[np.ndarray]:
    for block in self._blocks:
      self.count += len(block)
      yield block


def reconstruct_file(
  synth: synthesizer.Synthesizer,
  source: str,
  target: str,
  labels: Mapping[str, np.ndarray],
  seed: int = 0,
) -> float:
  """Reconstructs an audio file of any sample rate and length, in bounded memory.

  Args:
    synth: a run of waveforms.
    source: path of the file.
    target: path to write.
    labels: of one example.
    seed: of the phase recovery.

  Returns:
    Duration in seconds.

  Raises:
    UserError: as `files.read_parts` and `files.write_blocks`.
  """
  rate = synth.sample_rate
  blocks = (audio for audio, _ in files.read_parts(source, rate))
  return files.write_blocks(target, reconstruct(synth, blocks, labels, seed), rate) / rate
