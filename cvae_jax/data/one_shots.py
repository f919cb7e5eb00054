"""Reads single hits of drums by rules: what is left out, and what is changed.

Left out: files that cannot be read, silent ones (a peak below -60 dB), loops (longer than `max_s`,
or as loud in their second half as in their first), and files with the samples of another one.
Changed: silence before the hit is cut, and hits that are longer than an example are faded out.
Clipped hits are used, and said to be so.
"""

from collections.abc import Iterable
import hashlib

import numpy as np

from cvae_jax.audio import decoding
from cvae_jax.audio import files
from cvae_jax.core import errors

LOOP = "is a loop"
_ONSET = 1e-3  # of the peak: -60 dB
_BEFORE_S = 0.001  # kept before the hit
_FADE_SHARE = 0.125  # of an example
_FLAT = 12  # equal samples at the peak of a clipped hit
_SILENCE = 1e-3  # in full scale
_LATE = 0.8  # peak of the second half over that of the first, of a loop
_SHORT_S = 1.0  # what is shorter is no loop


def is_clipped(audio: np.ndarray) -> bool:
  """Whether 12 consecutive samples or more are at the peak."""
  at_peak = np.abs(audio) >= np.abs(audio).max() * (1.0 - 1e-4)
  edges = np.flatnonzero(np.diff(at_peak, prepend=False, append=False))
  return bool((edges[1::2] - edges[::2]).max(initial=0) >= _FLAT)


def trim(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, bool]:
  """Cuts what is before the hit; returns whether it was more than 1 ms."""
  loud = np.abs(audio) > _ONSET * np.abs(audio).max()
  first = max(int(loud.argmax()) - round(_BEFORE_S * sample_rate), 0)
  return audio[first:], first > round(_BEFORE_S * sample_rate)


def fade(audio: np.ndarray, num_samples: int) -> np.ndarray:
  """The first samples of a longer sound, the last eighth faded out."""
  count = round(_FADE_SHARE * num_samples)
  ramp = 0.5 + 0.5 * np.cos(np.pi * (np.arange(count) + 1) / count)
  return np.concatenate(
    [audio[: num_samples - count], audio[num_samples - count : num_samples] * ramp]
  )


class Reader:
  """Reads hits at one rate.

  Args:
    sample_rate: in Hz.
    num_samples: of an example.
    max_s: seconds; longer files are loops.
  """

  def __init__(self, sample_rate: int, num_samples: int, max_s: float):
    self._sample_rate, self._num_samples, self._max_s = sample_rate, num_samples, max_s
    self._seen: dict[bytes, str] = {}

  def read(self, path: str) -> Iterable[files.Recording]:
    """The hit of a file, and the changes made: those of `files.Recording`, 'clipped', 'trimmed'
    (silence before it), 'faded'.

    Raises:
      UserError: if it is left out; the message says why.
    """
    with decoding.AudioFile(path) as file:
      rate = file.sample_rate
    original = files.read_clip(path, rate, 0.0, self._max_s + 1.0)
    seconds = original.audio.size / rate
    if seconds > self._max_s:
      raise errors.UserError(f"{path} {LOOP}: it is longer than {self._max_s:g} s")
    if np.abs(original.audio).max() < _SILENCE:
      raise errors.UserError(f"{path} is silent")
    first, second = (np.abs(x).max() for x in np.array_split(original.audio, 2))
    if seconds > _SHORT_S and second > _LATE * first:
      raise errors.UserError(f"{path} {LOOP}: its second half is as loud as its first")
    digest = hashlib.sha256(original.audio.tobytes()).digest()
    if digest in self._seen:
      raise errors.UserError(f"{path} has the samples of {self._seen[digest]}")
    self._seen[digest] = path
    audio, changes = original
    if rate != self._sample_rate:
      audio, changes = files.read_clip(path, self._sample_rate)
    audio, is_trimmed = trim(audio, self._sample_rate)
    if is_clipped(original.audio):
      changes = (*changes, "clipped")
    if is_trimmed:
      changes = (*changes, "trimmed")
    if audio.size > self._num_samples:
      audio, changes = fade(audio, self._num_samples), (*changes, "faded")
    return [files.Recording(audio.astype(np.float32), changes)]
