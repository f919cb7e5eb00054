"""Attribute vectors of scores: directions in which a latent has more notes, wider intervals, ...

The attributes are those of `data.score_labels`, measured of what the decoder makes of the codes of
training examples, so that a packaged run, which has codes and no examples, has them too.
"""

from collections.abc import Sequence

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import score_labels
from cvae_jax.data import tunes
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import note_codes
from cvae_jax.synthesis.synthesizer import Synthesizer

_CHUNK = 256  # codes decoded at a time
_LEAST = 8  # codes in a quarter


def known(synth: Synthesizer) -> tuple[str, ...]:
  """Names of the attributes of a run's scores; () for other runs."""
  if not isinstance(synth.form, forms.Score) or "scores" not in synth.config.data:
    return ()
  settings = synth.config.data.scores
  if settings.kind not in tunes.KINDS:
    return ()
  names = []
  for name, attribute in score_labels.ATTRIBUTES.items():
    is_apt = attribute.of_drums or settings.kind != tunes.DRUMS
    if is_apt and settings.steps_per_quarter % attribute.divisor == 0:
      names.append(name)
  return tuple(x for x in names if x != "repetition" or settings.bars > 1)


def measure(synth: Synthesizer, examples: np.ndarray, name: str) -> np.ndarray:
  """[M] values of an attribute of [M, L] scores, in its own unit; NaN where a score has none."""
  form, settings = synth.form, synth.config.data.scores
  assert isinstance(form, forms.Score)
  tokenizer, notes = form.tokenizer, None
  if settings.kind != tunes.DRUMS:
    notes = score_labels.attributes.find_notes(examples, tokenizer)
  line = score_labels.attributes.onsets(examples, tokenizer)
  window = score_labels.Window(line, notes, settings)
  return np.asarray(score_labels.ATTRIBUTES[name].measure(window), np.float64)


def find_vectors(
  synth: Synthesizer, codes: note_codes.Codes, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
  """Finds attribute vectors [D] by name.

  A vector leads from the mean code of the quarter of the scores that have least of an attribute to
  that of the quarter that have most; for a mode, from major to minor.

  Args:
    synth: a run of scores.
    codes: of training examples.
    names: of the attributes, of `known`; all of them, where they can be measured, by default.

  Raises:
    UserError: an unknown name, or an attribute that the codes do not differ in.

  Source: Roberts et al. 2018, section 5.3.
  """
  if names is not None:
    for name in names:
      if name not in known(synth):
        allowed = ", ".join(known(synth)) or "none"
        raise errors.UserError(f"attribute must be one of {allowed}, got '{name}'")
  examples = []
  for first in range(0, len(codes.code), _CHUNK):
    code = codes.code[first : first + _CHUNK]
    labels = {n: column[first : first + _CHUNK] for n, column in codes.labels().items()}
    examples.append(latent_space.decode(synth, latent_space.Point(code, labels)))
  tokens, vectors = np.concatenate(examples), {}
  for name in known(synth) if names is None else names:
    most, least = _ends(measure(synth, tokens, name), bool(score_labels.ATTRIBUTES[name].names))
    if min(most.sum(), least.sum()) < _LEAST:
      if names is not None:
        raise errors.UserError(f"too few of the training scores differ in {name}")
      continue
    vectors[name] = codes.code[most].mean(axis=0) - codes.code[least].mean(axis=0)
  return vectors


def _ends(values: np.ndarray, is_class: bool) -> tuple[np.ndarray, np.ndarray]:
  """[M] bool: which have most of an attribute, and which have least."""
  if is_class:
    return values == 1, values == 0
  low, high = np.nanquantile(values, (0.25, 0.75))
  if low == high:
    return values > high, values < low
  return values >= high, values <= low
