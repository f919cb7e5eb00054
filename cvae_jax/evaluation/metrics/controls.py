"""How well sounds keep the loudness and the f0 of others."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import controls
from cvae_jax.training import compilation

_HOP_S, _PERIODS = 0.008, 2.05  # of a frame's periods of the lowest f0
_FMIN_HZ, _FMAX_HZ = 32.7, 4200.0
_CONFIDENT, _OUTLIER_SEMITONES = 0.85, 12.0


@functools.lru_cache(maxsize=4)
def _make_measure(sample_rate):
  hop_length = round(_HOP_S * sample_rate)
  frame_length = math.ceil(_PERIODS * sample_rate / _FMIN_HZ)
  fmax_hz = min(_FMAX_HZ, 0.45 * sample_rate)
  tracking = controls.Tracking(hop_length, _FMIN_HZ, fmax_hz, frame_length)
  return compilation.jit(lambda audio: controls.measure(audio, sample_rate, tracking))


def control_errors(audio: np.ndarray, made: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
  """Sums over frames of errors, and their counts.

  Frames of f0 are those in which the original's is tracked with a confidence of 0.85, and that are
  not quiet. Where that of what was made is not tracked so, or is off by more than an octave, the
  frame is an outlier; the error is that of the others.

  Args:
    audio: [M, T] originals.
    made: [M, T] what should sound so.
    sample_rate: in Hz.

  Returns:
    'loudness_db' [M], 'f0_semitones' [M], 'outliers' [M] sums; 'frames', 'f0_frames' and
    'tracked_frames' [M] that they are of.

  Source: Engel et al. 2020 (DDSP), section 4.2 and `ddsp.training.metrics`; with YIN for CREPE.
  """
  measure = _make_measure(sample_rate)
  a, b = (jax.tree.map(np.asarray, measure(jnp.asarray(x, jnp.float32))) for x in (audio, made))
  # Loudness over the range in which it counts for 80 dB.
  loudness = np.abs(a.loudness_db - b.loudness_db)
  loud = np.stack([
    controls.loud_frames(controls.Controls(*row)) for row in zip(*a, strict=True)
  ])  # fmt: skip
  tracked = loud & (a.confidence > _CONFIDENT)
  semitones = np.abs(12.0 * np.log2(b.f0_hz / a.f0_hz))
  outlier = tracked & ((semitones > _OUTLIER_SEMITONES) | (b.confidence < _CONFIDENT))
  right = tracked & ~outlier
  return {
    "loudness_db": loudness.sum(1),
    "f0_semitones": np.where(right, semitones, 0.0).sum(1),
    "outliers": outlier.sum(1),
    "frames": np.full(len(audio), loudness.shape[1]),
    "f0_frames": right.sum(1),
    "tracked_frames": tracked.sum(1),
  }
