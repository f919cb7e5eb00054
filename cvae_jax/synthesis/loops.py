"""Loops: segments of a note's sustained part that can be repeated to sustain it."""

from concurrent import futures
from typing import NamedTuple

import numpy as np
import scipy.fft

# Search range, of NSynth's notes: after the attack and before the release.
_FIRST_S, _LAST_S = 0.6, 2.9
_MIN_LENGTH_S = 0.4
_WINDOW_S = 0.064
_FADE_S = 0.032
_CANDIDATES = 12  # loop ends to try
# Similarity of the windows at both ends: 1 if identical, less if shape or level differ.
_MIN_LIKENESS = 0.9
_MAX_DECAY_DB = 9.0


class Loop(NamedTuple):
  """A segment that can be repeated.

  Attributes:
    start: first sample.
    end: sample after the last; playback then continues at `start`.
    likeness: similarity of the windows before `end` and before `start`, at most 1.
  """

  start: int
  end: int
  likeness: float


def _level_db(audio):
  return 10.0 * np.log10(np.mean(np.square(audio)) + 1e-12)


def find_loop(audio: np.ndarray, sample_rate: int) -> Loop | None:
  """Finds the loop whose ends are most similar; None if the note cannot be sustained.

  This is the case for notes that decay by more than 9 dB over the sustained part, as plucked and
  struck ones do, and for notes without two similar windows.

  Args:
    audio: [T] waveform.
    sample_rate: in Hz.
  """
  first, last = (round(s * sample_rate) for s in (_FIRST_S, _LAST_S))
  window, shortest = round(_WINDOW_S * sample_rate), round(_MIN_LENGTH_S * sample_rate)
  last = min(last, len(audio))
  if last - first < 2 * window + shortest:
    return None
  sustained = np.asarray(audio[:last], np.float64)
  head, tail = (sustained[a:b] for a, b in ((first, first + 4 * window), (last - 4 * window, last)))
  if _level_db(head) < -60.0 or _level_db(head) - _level_db(tail) > _MAX_DECAY_DB:
    return None
  energy = np.concatenate([[0.0], np.cumsum(np.square(sustained))])
  ends = np.linspace(first + 2 * window + shortest, last, _CANDIDATES).astype(int)
  # The window before every end is correlated with the windows before all starts.
  targets = np.stack([sustained[end - window : end] for end in ends])
  searched = sustained[first:]
  size = scipy.fft.next_fast_len(len(searched) + window, real=True)
  spectra = scipy.fft.rfft(targets.astype(np.float32), size, axis=1)
  spectrum = scipy.fft.rfft(searched.astype(np.float32), size)
  products = scipy.fft.irfft(spectrum * np.conj(spectra), size, axis=1)
  # Energies of the windows before the starts.
  start_energies = (energy[window:-1] - energy[: -1 - window])[first:].astype(np.float32)
  best: Loop | None = None
  for end, product in zip(ends, products, strict=True):
    count = end - shortest - (first + window)
    end_energy = np.float32(energy[end] - energy[end - window])
    likeness = (
      2.0 * product[:count] / np.maximum(start_energies[:count] + end_energy, np.float32(1e-12))
    )
    offset = int(np.argmax(likeness))
    if best is None or likeness[offset] > best.likeness:
      best = Loop(first + window + offset, int(end), float(likeness[offset]))
  return best if best is not None and best.likeness >= _MIN_LIKENESS else None


def find_loops(audio: np.ndarray, sample_rate: int) -> list[Loop | None]:
  """Finds the loops of notes [M, T], in parallel; see `find_loop`."""
  with futures.ThreadPoolExecutor() as pool:
    return list(pool.map(lambda note: find_loop(note, sample_rate), audio))


def blend(audio: np.ndarray, loop: Loop, sample_rate: int) -> np.ndarray:
  """Crossfades the last 32 ms before the loop's end into those before its start.

  Playback can then jump from the end to the start without a click.

  Args:
    audio: [T] waveform.
    loop: of the waveform.
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
  """Sustains a note of `blend` for `num_samples` by repeating its loop."""
  position = np.arange(num_samples)
  past = np.maximum(position - loop.end, 0) % (loop.end - loop.start)
  return blended[np.where(position < loop.end, position, loop.start + past)]
