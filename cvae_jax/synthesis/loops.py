"""Where a note can be held: a piece of its sustained part that goes over into itself."""

from concurrent import futures
from typing import NamedTuple

import numpy as np
import scipy.fft

_FIRST_S, _LAST_S = 0.6, 2.9  # of NSynth's notes: past the attack, and before they are let go
_SHORTEST_S = 0.4
_WINDOW_S = 0.064
_FADE_S = 0.032
_CANDIDATES = 12  # ends that are tried
# Of two windows that are to be one: 1 where they are the same, less where shape or level differ.
_LEAST_LIKENESS = 0.9
_MOST_DECAY_DB = 9.0


class Loop(NamedTuple):
  """A piece that may be repeated.

  Attributes:
    start: its first sample.
    end: the sample after its last, after which `start` follows.
    likeness: of what leads to `end` and to `start`, at most 1.
  """

  start: int
  end: int
  likeness: float


def _level_db(audio):
  return 10.0 * np.log10(np.mean(np.square(audio)) + 1e-12)


def find_loop(audio: np.ndarray, sample_rate: int) -> Loop | None:
  """The loop whose ends are most alike; None for a note that cannot be held.

  A note that fades by more than 9 dB over its sustained part, as a plucked or struck one does, is
  no note to be held, and neither is one where nothing comes back.

  Args:
    audio: [T] waveform.
    sample_rate: in Hz.
  """
  first, last = (round(s * sample_rate) for s in (_FIRST_S, _LAST_S))
  window, shortest = round(_WINDOW_S * sample_rate), round(_SHORTEST_S * sample_rate)
  last = min(last, len(audio))
  if last - first < 2 * window + shortest:
    return None
  sustained = np.asarray(audio[:last], np.float64)
  head, tail = (sustained[a:b] for a, b in ((first, first + 4 * window), (last - 4 * window, last)))
  if _level_db(head) < -60.0 or _level_db(head) - _level_db(tail) > _MOST_DECAY_DB:
    return None
  energy = np.concatenate([[0.0], np.cumsum(np.square(sustained))])
  ends = np.linspace(first + 2 * window + shortest, last, _CANDIDATES).astype(int)
  # Of every end, the window that leads to it, beside those that lead to any start.
  targets = np.stack([sustained[end - window : end] for end in ends])
  searched = sustained[first:]
  size = scipy.fft.next_fast_len(len(searched) + window, real=True)
  spectra = scipy.fft.rfft(targets.astype(np.float32), size, axis=1)
  spectrum = scipy.fft.rfft(searched.astype(np.float32), size)
  products = scipy.fft.irfft(spectrum * np.conj(spectra), size, axis=1)
  # Of the windows that lead to starts.
  before = (energy[window:-1] - energy[: -1 - window])[first:].astype(np.float32)
  best: Loop | None = None
  for end, product in zip(ends, products, strict=True):
    count = end - shortest - (first + window)
    ours = np.float32(energy[end] - energy[end - window])
    likeness = 2.0 * product[:count] / np.maximum(before[:count] + ours, np.float32(1e-12))
    at = int(np.argmax(likeness))
    if best is None or likeness[at] > best.likeness:
      best = Loop(first + window + at, int(end), float(likeness[at]))
  return best if best is not None and best.likeness >= _LEAST_LIKENESS else None


def find_loops(audio: np.ndarray, sample_rate: int) -> list[Loop | None]:
  """`find_loop` of notes [M, T], several at a time."""
  with futures.ThreadPoolExecutor() as pool:
    return list(pool.map(lambda note: find_loop(note, sample_rate), audio))


def blend(audio: np.ndarray, loop: Loop, sample_rate: int) -> np.ndarray:
  """The note with the last 32 ms before the loop's end faded into those before its start.

  What follows the end is then what followed the start, without a click.

  Args:
    audio: [T] waveform.
    loop: of it.
    sample_rate: in Hz.
  """
  fade = min(round(_FADE_S * sample_rate), loop.start)
  weight = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 1) / fade)
  blended = np.array(audio)
  blended[loop.end - fade : loop.end] = (1.0 - weight) * audio[
    loop.end - fade : loop.end
  ] + weight * audio[loop.start - fade : loop.start]
  return blended


def hold(blended: np.ndarray, loop: Loop, num_samples: int) -> np.ndarray:
  """A note of `blend` held for `num_samples`, by as many rounds of its loop as that takes."""
  position = np.arange(num_samples)
  past = np.maximum(position - loop.end, 0) % (loop.end - loop.start)
  return blended[np.where(position < loop.end, position, loop.start + past)]
