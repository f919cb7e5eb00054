"""Scales up and down as melodies of 16 steps."""

import numpy as np

from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import sources
from cvae_jax.data import vocabulary
from cvae_jax.scores import melody


def make_form(config):
  return forms.Score(16, melody.Melody(48, 84))


def open_set(config, variant, on_request):
  form = make_form(config)

  def open_split(split, cache_gb, num_threads):
    rng = np.random.default_rng(["train", "valid"].index(split))
    start, step = rng.integers(10, 20, (64, 1)), rng.choice([-1, 1, 2], (64, 1))
    tokens = 2 + np.clip(start + step * (np.arange(16) // 2), 0, 36)
    tokens[:, 1::2] = melody.HOLD
    return sources.Arrays(form, tokens.astype(np.int32))

  return data_sets.DataSet(
    "melodies", form, vocabulary.Vocabulary(), {"train": 64, "valid": 64}, open_split
  )
