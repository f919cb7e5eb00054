"""Statistics of windows of scores, and distances of two sets of windows by them.

Yang & Lerch 2020, "On the evaluation of generative models in music", compare sets by features of
each window: for a feature, the distances of pairs within the real set and of pairs across the sets
are two distributions, whose densities by kernels overlap the more, the more alike the sets are.
Implemented are their overlapping area, with Euclidean distances of histograms by window, and the
overlapping area of the features themselves where they are single numbers. In place of the
Kullback-Leibler divergence, which is infinite where a density is 0, stands the Jensen-Shannon
divergence of the histograms of all notes of a set. The values need a reference: the same of two
sets of real windows.
"""

from typing import Any
from typing import NamedTuple

import numpy as np
import scipy.ndimage
import scipy.spatial
import scipy.stats

from cvae_jax.scores import attributes
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import trio

_OCTAVE = 12  # semitones, beyond which intervals are counted as one
_GRID = 1024  # places at which a density is estimated
_REACH = 4.0  # standard deviations of a kernel
_MAX_PAIRED = 1024  # windows, of which all pairs are compared


class Statistics(NamedTuple):
  """Statistics of M windows.

  Attributes:
    histograms: [M, K] counts by name.
    values: [M] numbers by name; NaN where a window has none.
    similarity: [M, bars, bars], see `self_similarity`.
  """

  histograms: dict[str, np.ndarray]
  values: dict[str, np.ndarray]
  similarity: np.ndarray


def self_similarity(rolls: np.ndarray) -> np.ndarray:
  """[M, bars, bars] cosines of the bars of windows; NaN for bars in which nothing begins.

  Args:
    rolls: [M, bars, K], what begins in a bar: of a melody pitch classes by step.

  Source: Foote 1999, the self-similarity matrix; with a cosine over bars.
  """
  norms = np.linalg.norm(rolls, axis=2, keepdims=True)
  unit = np.divide(rolls, norms, out=np.full(rolls.shape, np.nan), where=norms > 0)
  return unit @ unit.transpose(0, 2, 1)


def similarity_by_lag(similarity: np.ndarray) -> np.ndarray:
  """[bars - 1] mean similarity of bars that are 1, 2, ... bars apart, over [M, bars, bars]."""
  lags = range(1, similarity.shape[1])
  pairs = [np.diagonal(similarity, lag, axis1=1, axis2=2).ravel() for lag in lags]
  return np.asarray([x[~np.isnan(x)].mean() if (~np.isnan(x)).any() else np.nan for x in pairs])


def _mean_similarity(similarity: np.ndarray) -> np.ndarray:
  """[M] mean over the pairs of bars of a window; NaN where it has none."""
  rows, columns = np.triu_indices(similarity.shape[1], 1)
  pairs = similarity[:, rows, columns]
  count = (~np.isnan(pairs)).sum(axis=1)
  return np.where(count > 0, np.nansum(pairs, axis=1) / np.maximum(count, 1), np.nan)


def _one_hot(values: np.ndarray, size: int) -> np.ndarray:
  """[..., size] of 0 and 1; nothing for negative values."""
  return (values[..., None] == np.arange(size)).astype(np.float32)


def of_melodies(
  tokens: np.ndarray, tokenizer: melody.Melody, bar_steps: int, quarter_steps: int
) -> Statistics:
  """Statistics of windows of melodies.

  Histograms are of pitch classes, of these above the tonic of the window's key (`degree`), of
  intervals (-12 to 12 semitones, larger ones as these), of note lengths in steps up to a bar, and
  of the steps of a bar at which notes begin.

  Args:
    tokens: [M, L], of whole bars.
    tokenizer: of the tokens.
    bar_steps: steps of a bar.
    quarter_steps: steps of a quarter note; syncopation is that of half as many.
  """
  line, notes = attributes.onsets(tokens, tokenizer), attributes.find_notes(tokens, tokenizer)
  tonic = attributes.key(notes)[notes.window] % 12
  is_next = np.append(notes.window[1:] == notes.window[:-1], False)[: len(notes.window)]
  jumps = np.append(np.diff(notes.pitch), 0)[: len(notes.window)].clip(-_OCTAVE, _OCTAVE)
  histograms = {
    "pitch_class": notes.histogram(notes.pitch % 12, 12),
    "degree": notes.histogram((notes.pitch - tonic) % 12, 12),
    "interval": notes.histogram(jumps + _OCTAVE, 2 * _OCTAVE + 1, is_next),
    "length": notes.histogram(np.minimum(notes.duration, bar_steps) - 1, bar_steps),
    "onset": notes.histogram(notes.start % bar_steps, bar_steps),
  }
  classes = np.where(line > 0, (line + tokenizer.min_pitch - melody.FIRST) % 12, -1)
  similarity = self_similarity(_one_hot(classes, 12).reshape(len(tokens), -1, bar_steps * 12))
  values = {
    "density": attributes.density(line),
    "range": attributes.pitch_range(notes),
    "mean_interval": attributes.interval(notes),
    "diatonic": attributes.diatonic(notes),
    "syncopation": attributes.syncopation(line, max(quarter_steps // 2, 1)),
    "similarity": _mean_similarity(similarity),
  }
  return Statistics(histograms, values, similarity)


def of_drums(tokens: np.ndarray, bar_steps: int) -> Statistics:
  """Statistics of windows of drums: strokes by class, steps of a bar that are struck, and others.

  Args:
    tokens: [M, L], of whole bars.
    bar_steps: steps of a bar.
  """
  roll = drum_tokens.to_roll(tokens)
  bars = roll.reshape(len(tokens), -1, bar_steps, roll.shape[2])
  struck = roll.sum(axis=2)
  similarity = self_similarity(bars.reshape(*bars.shape[:2], -1))
  values = {
    "density": attributes.density(tokens),
    "off_beat": attributes.off_beat(tokens),
    "strokes": struck.sum(axis=1) / np.maximum((struck > 0).sum(axis=1), 1),
    "similarity": _mean_similarity(similarity),
  }
  onsets = (bars.sum(axis=3) > 0).sum(axis=1)
  return Statistics({"stroke": roll.sum(axis=1), "onset": onsets}, values, similarity)


def jensen_shannon(a: np.ndarray, b: np.ndarray) -> float:
  """Jensen-Shannon divergence of two histograms ([K] counts) in nats, 0 to ln 2.

  NaN if one of them is empty.

  Source: Lin 1991.
  """
  if not a.sum() or not b.sum():
    return float("nan")
  p, q = a / a.sum(), b / b.sum()
  middle = (p + q) / 2.0
  return float((scipy.stats.entropy(p, middle) + scipy.stats.entropy(q, middle)) / 2.0)


def overlapping_area(a: np.ndarray, b: np.ndarray) -> float:
  """Area under the lower one of two densities, 0 to 1; 1 for equal samples.

  Densities are estimated by Gaussian kernels from counts in 1,024 bins. Both have one width, so
  that samples of one distribution overlap whatever their sizes: the larger one of Scott's
  (n^(-1/5) standard deviations, as in scipy's `gaussian_kde`), and one bin at least.

  Args:
    a: [M] numbers; NaN is left out.
    b: [N] numbers, as well.

  Source: Yang & Lerch 2020.
  """
  a, b = a[~np.isnan(a)], b[~np.isnan(b)]
  if not a.size or not b.size:
    return float("nan")
  width = max(x.std(ddof=1) * len(x) ** -0.2 if len(x) > 1 else 0.0 for x in (a, b))
  low, high = min(a.min(), b.min()), max(a.max(), b.max())
  margin = _REACH * max(width, 1e-6 * max(abs(low), abs(high), 1.0))
  edges = np.linspace(low - margin, high + margin, _GRID + 1)
  bins = max(width / (edges[1] - edges[0]), 1.0)
  densities = []
  for values in (a, b):
    counts = np.histogram(values, edges)[0].astype(np.float64)
    smooth = scipy.ndimage.gaussian_filter1d(counts, bins, mode="constant", truncate=_REACH)
    densities.append(smooth / smooth.sum())
  return float(np.minimum(*densities).sum())


def distance_overlap(real: np.ndarray, other: np.ndarray) -> float:
  """Overlapping area of the distances within the real set and of those across the sets.

  Args:
    real: [M, K] features, M > 1.
    other: [N, K]. Of either set at most 1,024 evenly spaced windows are compared.

  Source: Yang & Lerch 2020, intra-set and inter-set distances.
  """
  real, other = (
    x[np.unique(np.linspace(0, len(x) - 1, min(len(x), _MAX_PAIRED)).astype(int))]
    for x in (real, other)
  )
  within = scipy.spatial.distance.pdist(real)
  across = scipy.spatial.distance.cdist(real, other)
  return overlapping_area(within, across.ravel())


def compare(real: Statistics, other: Statistics) -> dict[str, float]:
  """Compares a set of windows with a real one.

  Returns:
    Of each histogram '<name>_js', the divergence of the sets' sums, and '<name>_distances', see
    `distance_overlap`; of each value '<name>_overlap', see `overlapping_area`; 'similarity_error':
    mean absolute difference of `similarity_by_lag`, NaN for a single bar.
  """
  found = {}
  for name, counts in real.histograms.items():
    found[f"{name}_js"] = jensen_shannon(counts.sum(axis=0), other.histograms[name].sum(axis=0))
    found[f"{name}_distances"] = distance_overlap(counts, other.histograms[name])
  for name, values in real.values.items():
    found[f"{name}_overlap"] = overlapping_area(values, other.values[name])
  lags = [similarity_by_lag(x.similarity) for x in (real, other)]
  found["similarity_error"] = float(np.abs(lags[0] - lags[1]).mean()) if lags[0].size else np.nan
  return found


def relative(tokens: np.ndarray, tokenizer: Any) -> np.ndarray:
  """[M, L] tokens that are equal for windows that are the same music, at any transposition.

  Pitches are relative to the first one, of a trio to the first one of melody and bass; note-offs
  that end nothing are left out. Drums are left as they are.
  """
  if isinstance(tokenizer, trio.Trio):
    voices = tokenizer.split(tokens)
    lines = np.stack([_without_idle(voices[..., i]) for i in range(2)], axis=-1)
    shifted = _relative(lines.reshape(len(tokens), -1))
    return np.concatenate([shifted, voices[..., 2]], axis=1)
  return _relative(_without_idle(tokens)) if isinstance(tokenizer, melody.Melody) else tokens


def _relative(tokens: np.ndarray) -> np.ndarray:
  """Tokens with pitches above the first one, from 1,000 so that they are no events."""
  is_note = tokens >= melody.FIRST
  first = np.take_along_axis(tokens, is_note.argmax(axis=1)[:, None], axis=1)
  return np.where(is_note, tokens - first + 1000, tokens)


def _without_idle(tokens: np.ndarray) -> np.ndarray:
  """Tokens of melodies ([M, L]) without the note-offs that follow no note."""
  steps = np.where(tokens != melody.HOLD, np.arange(tokens.shape[1]), 0)
  last = np.maximum.accumulate(steps, axis=1)
  before = np.take_along_axis(tokens, np.pad(last, [(0, 0), (1, 0)])[:, :-1], axis=1)
  before[:, 0] = melody.HOLD
  return np.where((tokens == melody.OFF) & (before < melody.FIRST), melody.HOLD, tokens)


def is_copy(windows: np.ndarray, training: np.ndarray) -> np.ndarray:
  """[M] whether windows ([M, L]) are rows of `training` ([N, L]), both as of `relative`."""
  known = {row.tobytes() for row in training.astype(np.int16)}
  return np.asarray([row.tobytes() in known for row in windows.astype(np.int16)])
