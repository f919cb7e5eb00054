"""Faults of generated and reconstructed notes, beside real held-out notes of the same labels."""

import logging
from typing import Any

import jax
import numpy as np

from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.measures import generation
from cvae_jax.evaluation.metrics import artefacts
from cvae_jax.training import compilation

_log = logging.getLogger(__name__)

_FEWEST = 4  # notes of a family, under which it is left out


def describe(audio: np.ndarray, batch: dict[str, np.ndarray], rate: int) -> dict[str, float]:
  """The faults of one set of notes, as far as its labels tell them."""
  found = {
    "release_db": float(np.median(artefacts.release_db(audio, rate))),
    "tail_db": float(np.median(artefacts.tail_db(audio, rate))),
    "bursts": float(np.mean(artefacts.has_burst(audio, rate))),
  }
  if "pitch" in batch:
    between_db = artefacts.between_partials_db(audio, batch["pitch"], rate)
    found["between_partials_db"] = float(np.median(between_db))
  if "family" not in batch:
    return found
  decay, attack = artefacts.decay_db(audio, rate), artefacts.attack_s(audio, rate)
  for family, name in enumerate(labels.FAMILIES):
    is_family = batch["family"] == family
    if is_family.sum() >= _FEWEST:
      found[f"{name}_decay_db"] = float(np.median(decay[is_family]))
      found[f"{name}_attack_s"] = float(np.mean(attack[is_family]))
      found[f"{name}_attack_median_s"] = float(np.median(attack[is_family]))
  return found


def compare(found: dict[str, float], real: dict[str, float]) -> dict[str, float]:
  """How far decays and attacks are from the real ones', over the families that both have."""
  both = [name for name in real if name.endswith("_decay_db") and name in found]
  families = [name.removesuffix("_decay_db") for name in both]
  decays = [abs(found[f"{x}_decay_db"] - real[f"{x}_decay_db"]) for x in families]

  def attack_error(field):
    """Attacks of under 20 ms are compared as if they had 20 ms."""
    pairs = [(found[f"{x}_{field}"], real[f"{x}_{field}"]) for x in families]
    return float(np.mean([abs(made - wanted) / max(wanted, 0.02) for made, wanted in pairs]))

  return {
    "decay_error_db": float(np.mean(decays)),
    "attack_error": attack_error("attack_s"),
    "attack_median_error": attack_error("attack_median_s"),
  }


def measure_artefacts(run: measures.Run) -> dict[str, Any] | None:
  """Releases, bursts, decays, attacks and noise of notes.

  Returns:
    {'real', 'training', which is as many training notes, and what the run can do of 'generated' and
    'reconstructed'} to medians over held-out notes or under their labels: 'release_db', 'tail_db',
    'between_partials_db', 'bursts' (a share), and by family '<family>_decay_db',
    '<family>_attack_s' (a mean, which one late note changes) and '<family>_attack_median_s', see
    `metrics.artefacts`; of those that are not real 'decay_error_db', 'attack_error' and
    'attack_median_error' (relative), the mean over families of the difference to real notes. What
    is generated has no measures by a label that was not asked for. 'notes': how many. None of
    examples that are no notes.
  """
  config, held_out = run.config, run.data.held_out
  count = config.eval.artefact_notes
  if not count or run.data.form != labels.FORM or "family" not in run.data.vocabulary.names:
    return None
  rows = notes.spread_rows(len(held_out), count)
  batches = list(pipeline.eval_batches(held_out, run.batch_size, rows))
  join = lambda name: np.concatenate([b[name][b["mask"] > 0] for b in batches])
  known = {name: join(name) for name in ("pitch", "family")}
  sets = {"real": join("audio")}
  # What a set of other instruments has: whoever learnt the training notes perfectly would draw it.
  train = run.data.train
  others = [train[int(row)] for row in notes.spread_rows(len(train), count)]
  sets["training"] = np.stack([note["audio"] for note in others])
  theirs = {name: np.asarray([note[name] for note in others]) for name in known}
  _log.info("measuring the artefacts of notes under the labels of %d held-out ones", len(rows))
  if run.method.can_sample:
    sets["generated"] = np.concatenate(list(generation.generate(run, batches)))
  if run.method.can_reconstruct:
    reconstruct = compilation.jit(run.method.reconstruct)
    keys = jax.random.split(jax.random.key(config.seed), len(batches))
    made = [
      np.asarray(reconstruct(run.params, run.inputs_of(b), k))[b["mask"] > 0]
      for b, k in zip(batches, keys, strict=True)
    ]
    sets["reconstructed"] = np.concatenate(made)
  asked = {name: known[name] for name in known if name in config.condition.labels}
  of_set = {"generated": asked, "training": theirs}
  found = {
    name: describe(audio, of_set.get(name, known), labels.SAMPLE_RATE)
    for name, audio in sets.items()
  }
  for name in set(found) - {"real"}:
    if name != "generated" or "family" in asked:
      found[name] |= compare(found[name], found["real"])
  return {**found, "notes": len(rows)}
