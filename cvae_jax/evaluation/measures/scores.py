"""Measures of generated scores: statistics beside those of held-out scores, copies and labels.

Scores are generated with the labels of held-out ones and compared with these by
`metrics.score_statistics`. As many training scores are compared in the same way: data against data,
which a generator can come near to, and get below only by chance.
"""

import logging
from typing import Any

import numpy as np
import scipy.stats

from cvae_jax import scores
from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import score_labels
from cvae_jax.data import sources
from cvae_jax.data import tunes
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.measures import generation
from cvae_jax.evaluation.metrics import score_statistics
from cvae_jax.scores import attributes
from cvae_jax.scores import chords
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import trio

_log = logging.getLogger(__name__)

_MIN_SCORES = 16  # held-out scores needed to compare sets
_DESCRIBED = ("density", "diatonic", "off_beat", "similarity")  # means that are shown themselves


def grid_of(form: forms.Score, config: Any) -> tuple[int, int]:
  """Steps of a bar and of a quarter note.

  Args:
    form: of scores on a grid.
    config: the `data` section of a config; without `scores` the metre is 4/4 where windows have
      whole bars of it, and else a window is one bar.
  """
  tokenizer: Any = form.tokenizer
  quarter = round(60.0 / scores.GRID_QPM / tokenizer.step_s)
  if "scores" in config:
    return tunes.bar_steps(config.scores), quarter
  num_steps = form.num_tokens // (3 if isinstance(tokenizer, trio.Trio) else 1)
  return num_steps if num_steps % (4 * quarter) else 4 * quarter, quarter


def describe(
  tokens: np.ndarray, tokenizer: Any, bar_steps: int, quarter_steps: int
) -> dict[str, score_statistics.Statistics]:
  """Statistics of windows, of each voice of a trio under its name and an underscore.

  Args:
    tokens: [M, L].
    tokenizer: of melodies, drums or trios.
    bar_steps: steps of a bar.
    quarter_steps: steps of a quarter note.
  """
  if isinstance(tokenizer, drum_tokens.Drums):
    return {"": score_statistics.of_drums(tokens, bar_steps)}
  if isinstance(tokenizer, melody.Melody):
    return {"": score_statistics.of_melodies(tokens, tokenizer, bar_steps, quarter_steps)}
  voices = np.moveaxis(tokenizer.split(tokens), -1, 0)
  parts = zip(trio.VOICES, voices, (tokenizer.lead, tokenizer.bass, tokenizer.drums), strict=True)
  return {
    f"{name}_": describe(line, part, bar_steps, quarter_steps)[""] for name, line, part in parts
  }


def compare(
  real: dict[str, score_statistics.Statistics], other: dict[str, score_statistics.Statistics]
) -> dict[str, float]:
  """Compares sets of windows, as of `describe`, by `score_statistics.compare` of each voice."""
  return {
    prefix + name: value
    for prefix, statistics in real.items()
    for name, value in score_statistics.compare(statistics, other[prefix]).items()
  }


def _means(statistics: dict[str, score_statistics.Statistics]) -> dict[str, float]:
  """Means of the values that are shown themselves."""
  return {
    f"{prefix}{name}": float(x.values[name][~np.isnan(x.values[name])].mean())
    for prefix, x in statistics.items()
    for name in _DESCRIBED
    if name in x.values and not np.isnan(x.values[name]).all()
  }


def read_all(source: sources.Source) -> np.ndarray:
  """[N, L] all windows that training may draw, at their own pitch."""
  return np.concatenate([source.variants(row) for row in range(len(source))])


def _follow(
  run: measures.Run, form: forms.Score, tokens: np.ndarray, labels: dict[str, np.ndarray]
) -> dict[str, float]:
  """How scores follow the labels of the condition that can be measured of them.

  Returns:
    '<label>_agreement' of names, a share, and '<label>_correlation' of numbers, by rank.
  """
  names = [x for x in run.config.condition.labels if x in score_labels.ATTRIBUTES and x in labels]
  if not names or "scores" not in run.config.data:
    return {}
  measured = score_labels.measure(tokens, form.tokenizer, run.config.data.scores, names)
  found = {}
  for name, values in measured.items():
    possible = score_labels.ATTRIBUTES[name].names
    known = (values >= 0) & (labels[name] >= 0)
    if possible:  # Of synthetic scores there are others, after these.
      known &= labels[name] < len(possible)
    wanted, values = labels[name][known], values[known]
    if possible:
      found[f"{name}_agreement"] = float((wanted == values).mean()) if known.any() else np.nan
    elif len(np.unique(wanted)) > 1 and len(np.unique(values)) > 1:
      found[f"{name}_correlation"] = float(scipy.stats.spearmanr(wanted, values)[0])
  return found


def _follow_chords(
  run: measures.Run, form: forms.Score, tokens: np.ndarray, labels: dict[str, np.ndarray]
) -> dict[str, float]:
  """Share of the notes that are of the chord which the condition says they begin over."""
  count = sum(name.startswith(f"{score_labels.CHORD}_") for name in run.config.condition.labels)
  if not count or not isinstance(form.tokenizer, melody.Melody):
    return {}
  columns = np.stack([labels[f"{score_labels.CHORD}_{i + 1}"] for i in range(count)], axis=1)
  found = attributes.find_notes(tokens, form.tokenizer)
  chord = columns[found.window, found.start * count // found.num_steps]
  used = chord > chords.NO_CHORD
  if not used.any():
    return {}
  inside = chords.contains(chord[used], found.pitch[used])
  return {"notes_of_the_chord_agreement": float(inside.mean())}


def measure_scores(run: measures.Run) -> dict[str, Any] | None:
  """Compares generated scores with held-out ones, and data with data.

  Returns:
    {'generated', 'data'} to numbers by name, of a trio with its voices before them: distances to
    the held-out scores, see `score_statistics.compare`, of generated and of training scores; means
    ('density' in notes in 16 steps, 'diatonic', 'off_beat', 'similarity'), 'copies' (share of the
    windows that training windows have, melodies at any transposition), 'distinct' (different
    windows over all), and how the condition's labels are followed, '<label>_agreement' and
    '<label>_correlation', of generated and of held-out scores. 'notes': number of scores. None of
    other forms, and of runs that only reconstruct.
  """
  config, data, form = run.config, run.data, run.data.form
  if not isinstance(form, forms.Score) or not run.method.can_sample:
    return None
  if not isinstance(form.tokenizer, (melody.Melody, drum_tokens.Drums, trio.Trio)):
    return None
  rows = notes.spread_rows(len(data.held_out), config.eval.generation_notes)
  if len(rows) < _MIN_SCORES:
    if config.eval.generation_notes:
      _log.info("generated scores are not evaluated: %d held-out scores are few", len(rows))
    return None
  _log.info("evaluating %d generated scores", len(rows))
  batches = list(pipeline.eval_batches(data.held_out, run.batch_size, rows))
  join = lambda name: np.concatenate([b[name][b["mask"] > 0] for b in batches])
  real, labels = join(form.key), {name: join(name) for name in data.vocabulary.names}
  made = np.concatenate(list(generation.generate(run, batches)))
  train_rows = notes.spread_rows(len(data.train), len(rows))
  training = np.stack([data.train[int(row)][form.key] for row in train_rows])
  grid = grid_of(form, config.data)
  real_set, made_set, training_set = (
    describe(x, form.tokenizer, *grid) for x in (real, made, training)
  )
  known = score_statistics.relative(read_all(data.train), form.tokenizer)
  result = {}
  for name, windows, own, compared in (
    ("generated", made, made_set, made_set), ("data", real, real_set, training_set),
  ):  # fmt: skip
    music = score_statistics.relative(windows, form.tokenizer)
    result[name] = {
      **compare(real_set, compared),
      **_means(own),
      "copies": float(score_statistics.is_copy(music, known).mean()),
      "distinct": len(np.unique(music, axis=0)) / len(music),
      **_follow(run, form, windows, labels),
      **_follow_chords(run, form, windows, labels),
    }
  return {**result, "notes": len(rows)}
