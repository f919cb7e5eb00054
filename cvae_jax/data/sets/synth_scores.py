"""Synthetic scores of `data.synthetic.tune_grammar` and `drum_grammar`; needs nothing.

Melodies, drums or trios (a melody with a bass and drums), by `data.scores.kind`. The numbers that
an example was made from are its labels, and all of them together the column `factors`.
"""

import functools

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import sources
from cvae_jax.data import store
from cvae_jax.data import tunes
from cvae_jax.data.synthetic import drum_grammar
from cvae_jax.data.synthetic import tune_grammar

make_form = tunes.make_form
_TINY = (64, 32, 32)
# Lowest and highest that the grammar makes.
_PITCHES = {
  tunes.MELODY: (tune_grammar.LOWEST, tune_grammar.HIGHEST),
  tunes.TRIO: (36, tune_grammar.HIGHEST),
}


def open_set(config, variant, on_request):
  """See `data_sets.load`; variants are 'default' and 'tiny', of a few examples."""
  del on_request
  variant = data_sets.choose("synth_scores", variant, ("default", "tiny"))
  settings = config.scores
  form = make_form(config)
  counts = _TINY if variant == "tiny" else tuple(settings.examples)
  _check(settings, counts)
  splits = dict(zip(store.SPLITS, counts, strict=True))
  vocabulary = (drum_grammar if settings.kind == tunes.DRUMS else tune_grammar).VOCABULARY

  @functools.cache
  def open_split(split, cache_gb, num_threads):
    del cache_gb, num_threads
    rng = np.random.default_rng([settings.seed, store.SPLITS.index(split)])
    columns, tokens = _make(rng, splits[split], form, settings)
    names = [f"{split}-{number:06d}" for number in range(splits[split])]
    source = sources.Arrays(form, tokens, vocabulary, columns, names)
    factors = [columns[name].astype(np.float32) for name in vocabulary.names]
    source.labels[sources.FACTORS] = np.stack(factors, axis=1)
    return source

  return data_sets.DataSet(f"synth_scores/{variant}", form, vocabulary, splits, open_split)


def _make(rng, count, form, settings):
  """Labels as columns, and tokens [M, L], of a split."""
  shape = (settings.bars, tunes.bar_steps(settings), tunes.beat_steps(settings))
  grammar = drum_grammar if settings.kind == tunes.DRUMS else tune_grammar
  columns = tune_grammar.draw_factors(grammar.VOCABULARY, rng, count)
  tokens = np.zeros((count, *form.shape), np.int32)
  for row in range(count):
    factors = {name: int(column[row]) for name, column in columns.items()}
    if settings.kind == tunes.DRUMS:
      tokens[row] = drum_grammar.make_drums(rng, factors, *shape)
      continue
    line = tune_grammar.make_melody(rng, factors, *shape)
    if settings.kind == tunes.MELODY:
      tokens[row] = form.tokenizer.encode_steps(*line[:3], form.num_tokens)
    else:
      tokens[row] = _make_trio(rng, factors, line, shape, form)
  return columns, tokens


def _make_trio(rng, factors, line, shape, form):
  """Tokens of a trio [L]; style and variety of its drums are drawn, the rest is the melody's."""
  drawn = tune_grammar.draw_factors(drum_grammar.VOCABULARY, rng, 1)
  drum_factors = {name: int(column[0]) for name, column in drawn.items()}
  drum_factors |= {name: factors[name] for name in ("density", "syncopation", "repetition")}
  bass = drum_grammar.make_bass(rng, factors["mode"], line.tonic, *shape)
  length, tokenizer = form.num_tokens // 3, form.tokenizer
  voices = (
    tokenizer.lead.encode_steps(*line[:3], length),
    tokenizer.bass.encode_steps(*bass[:3], length),
    drum_grammar.make_drums(rng, drum_factors, *shape),
  )
  return tokenizer.join(np.stack(voices, axis=-1))


def _check(settings, counts) -> None:
  """Raises UserError for fields that the grammar cannot use."""
  if len(counts) != len(store.SPLITS) or min(counts) < 1:
    raise errors.UserError(f"data.scores.examples must be three positive numbers, got {counts}")
  if tunes.bar_steps(settings) % tunes.beat_steps(settings) or settings.steps_per_quarter % 2:
    raise errors.UserError(
      "synth_scores needs bars of whole beats and an even data.scores.steps_per_quarter, got "
      f"{settings.meter} and {settings.steps_per_quarter}"
    )
  low, high = _PITCHES.get(settings.kind, (127, 0))
  if settings.min_pitch > low or settings.max_pitch < high:
    raise errors.UserError(
      f"synth_scores has pitches from {low} to {high}: data.scores.min_pitch and max_pitch must "
      f"include them, got {settings.min_pitch} and {settings.max_pitch}"
    )


def get_config():
  """Default fields of the data set."""
  config = tunes.get_config()
  config.scores.examples = (4096, 512, 512)  # by split
  config.scores.seed = 0  # of all scores
  return config


def check(config):
  """Raises UserError for fields that cannot be used."""
  make_form(config.data)
  _check(config.data.scores, tuple(config.data.scores.examples))


def tiny(config):
  """A few scores."""
  if config.data.name == "synth_scores":  # An explicit variant is kept.
    config.data.name = "synth_scores/tiny"
