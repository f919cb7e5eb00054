"""Recordings of any length through a run of excerpts: excerpt by excerpt, at bounded memory.

Neighbouring excerpts overlap by a quarter, over which one fades into the next: where an excerpt
begins and ends, and its network knows the least, the other one counts.
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

_BATCH = 8  # excerpts at a time
_OVERLAP = 4  # an excerpt overlaps the next by a part in so many


def _cut(blocks: Iterator[np.ndarray], size: int, hop: int) -> Iterator[np.ndarray]:
  """Excerpts of `size` samples every `hop`, the last one padded with silence."""
  rest = np.zeros(0, np.float32)
  begun = False
  for block in blocks:
    rest = np.concatenate([rest, block])
    while len(rest) >= size:
      yield rest[:size]
      rest, begun = rest[hop:], True
  if len(rest) > (size - hop if begun else 0):  # What the last excerpt has not held yet.
    yield np.pad(rest, (0, size - len(rest)))


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
  """A recording, by blocks of any lengths, through the encoder and back, by blocks.

  Args:
    synth: a run of waveforms.
    blocks: [n] samples at its rate.
    labels: of one example, for all of the recording.
    seed: of the phases' recovery.

  Yields:
    [m] float32; together as many samples as came in.

  Raises:
    UserError: a run that cannot reconstruct.
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
    made = np.asarray(run(synth.params, {**columns, "audio": jnp.asarray(filled)}, key))
    for excerpt in made[: len(batch)]:
      weights = window.copy()
      if first:  # Nothing comes before it.
        weights[:overlap], first = 1.0, False
      faded = excerpt * weights
      faded[:overlap] += tail
      tail = excerpt[hop:] * window[hop:]
      block = faded[:hop]
      written += len(block)
      yield block[: max(len(block) - max(written - counted.count, 0), 0)]
  left = counted.count - written
  if left > 0:  # Nothing comes after the last excerpt.
    yield made[len(batch) - 1][hop : hop + left]


class _Counted:
  """An iterator that counts the samples that have gone through it."""

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
  """Reads a file, sends it through a run, and writes the result as it comes.

  Args:
    synth: a run of waveforms.
    source: of an audio file of any rate and length.
    target: to write.
    labels: of one example.
    seed: of the phases' recovery.

  Returns:
    Its length in seconds.

  Raises:
    UserError: as `files.read_parts` and `files.write_blocks`.
  """
  rate = synth.sample_rate
  blocks = (audio for audio, _ in files.read_parts(source, rate))
  return files.write_blocks(target, reconstruct(synth, blocks, labels, seed), rate) / rate
