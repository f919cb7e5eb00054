"""Measures of the latent space: information about labels, use, clusters and interpolation."""

import itertools
import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.measures import bounds
from cvae_jax.evaluation.metrics import clustering
from cvae_jax.evaluation.metrics import disentanglement
from cvae_jax.evaluation.metrics import probes
from cvae_jax.evaluation.metrics import spectral
from cvae_jax.synthesis import note_codes
from cvae_jax.training import compilation

_log = logging.getLogger(__name__)

_IMPORTANCE_SAMPLES = 32
_VOTES, _GROUP = 256, 32  # of the factor-VAE score
# Of the posterior mean; dimensions below it are inactive (Burda et al. 2016).
_MIN_VARIANCE = 0.01


def _codes(
  run: measures.Run, source: sources.Source, rows: np.ndarray, rng: jax.Array | None = None
) -> np.ndarray:
  """[M, *code_shape] posterior means, or draws from the posterior."""
  assert run.method.encode is not None
  encode = compilation.jit(run.method.encode)
  return note_codes.encode_rows(encode, run.params, source, rows, run.batch_size, rng)


def _flat(codes: np.ndarray) -> np.ndarray:
  """Flattens codes to [M, size]."""
  return codes.reshape(len(codes), -1)


def probed_labels(vocabulary: vocabulary_lib.Vocabulary) -> list[str]:
  """The labels to probe: classes that both splits share, then other numbers."""
  classes = [x.name for x in vocabulary.labels if x.is_class and not x.open_set]
  return [*classes, *(x.name for x in vocabulary.of_kind(vocabulary_lib.NUMBER) if not x.is_class)]


def measure_probes(run: measures.Run) -> dict[str, float] | None:
  """Held-out accuracy of linear classifiers that predict labels from codes.

  They are fitted on codes of as many training notes. Codes are drawn from the posterior, as in
  training the decoder. Posterior means can be more predictive than z: differences well within the
  posterior's standard deviation are visible in means, but lost in draws.

  Returns:
    Accuracy by label ('pitch', 'family', ..), 0 to 1; also '<label>_chance', the accuracy of the
    most frequent value, and '<label>_of_mean', the accuracy on posterior means.
  """
  count = run.config.eval.probe_notes
  if not count or run.method.encode is None:
    return None
  probed = probed_labels(run.data.vocabulary)
  draws, means, columns = [], [], []
  for i, source in enumerate((run.data.train, run.data.held_out)):
    rows = notes.spread_rows(len(source), count)
    key = jax.random.fold_in(jax.random.key(run.config.seed), i)
    draws.append(_flat(_codes(run, source, rows, key)))
    means.append(_flat(_codes(run, source, rows)))
    columns.append({name: source.labels[name][rows] for name in probed})
  accuracies = {}
  for name in probed:
    train_labels, test_labels = (column[name] for column in columns)
    if len(np.unique(train_labels)) > 1:
      accuracies[name] = probes.linear_probe(draws[0], train_labels, draws[1], test_labels)
      accuracies[f"{name}_of_mean"] = probes.linear_probe(
        means[0], train_labels, means[1], test_labels
      )
      accuracies[f"{name}_chance"] = probes.chance(train_labels, test_labels)
  return accuracies or None


def measure_use(run: measures.Run) -> dict[str, float] | None:
  """Number of active latent dimensions, and the importance-weighted bound beside the ELBO.

  Returns:
    'active_units': dimensions whose posterior mean has a variance over 0.01 (Burda et al. 2016),
    for sequences over examples and positions; 'importance_weighted': bound of log p(x|c) with 32
    samples, in nats, and 'elbo' from the same samples, unless the run is a plain autoencoder;
    'notes': number of notes.
  """
  config, method = run.config, run.method
  if not config.eval.latent_notes or method.encode is None:
    return None
  held_out = run.data.held_out
  rows = notes.spread_rows(len(held_out), config.eval.latent_notes)
  codes = _codes(run, held_out, rows)
  results: dict[str, float] = {
    "active_units": int(np.sum(codes.reshape(-1, codes.shape[-1]).var(axis=0) > _MIN_VARIANCE)),
    "notes": len(rows),
  }
  if method.log_weight is None:
    return results
  log_weight = compilation.jit(method.log_weight)
  weights = []
  for i, batch in enumerate(pipeline.eval_batches(held_out, run.batch_size, rows)):
    inputs = run.inputs_of(batch)
    key = jax.random.fold_in(jax.random.key(config.seed), i)
    samples = [
      log_weight(run.params, inputs, jax.random.fold_in(key, k)) for k in range(_IMPORTANCE_SAMPLES)
    ]
    weights.append(np.stack(samples, axis=1)[batch["mask"] > 0])
  log_weights = np.concatenate(weights).astype(np.float64)
  maximum = log_weights.max(axis=1, keepdims=True)
  bound = maximum[:, 0] + np.log(np.mean(np.exp(log_weights - maximum), axis=1))
  return {**results, "importance_weighted": float(bound.mean()), "elbo": float(log_weights.mean())}


def measure_clusters(run: measures.Run) -> dict[str, Any] | None:
  """Agreement of k-means clusters with the main label, for codes, features and a PCA.

  Returns:
    {'code', 'features', 'pca_<D>'} to {'accuracy', 'nmi', 'ari'}; 'notes': number of notes.
  """
  config, method = run.config, run.method
  main = run.data.vocabulary.main
  if not config.eval.latent_notes or method.encode is None or method.features is None:
    return None
  if main is None:
    return None
  held_out = run.data.held_out
  rows = notes.spread_rows(len(held_out), config.eval.latent_notes)
  classes = held_out.labels[main.name][rows]
  if len(np.unique(classes)) < 2:
    return None
  features_of = bounds.make_features(run)
  features = np.concatenate(
    [features_of(b) for b in pipeline.eval_batches(held_out, run.batch_size, rows)]
  )
  pca = bounds.fit_pca(run)
  flat = features.reshape(len(features), -1)
  sets = {
    "code": _flat(_codes(run, held_out, rows)),
    "features": flat,
    f"pca_{method.code_size}": (flat - pca.mean) @ pca.components.T,
  }
  _log.info("clustering %d held-out examples by %s", len(rows), main.name)
  scores = {name: clustering.cluster(x, classes)._asdict() for name, x in sets.items()}
  return {**scores, "notes": len(rows)}


def measure_interpolation(
  run: measures.Run, pairs: int = 16, steps: int = 9
) -> dict[str, float] | None:
  """Evenness of linear interpolation between codes, measured on the decoded sounds.

  Codes are interpolated between pairs of held-out notes and decoded with the labels of the first.

  Returns:
    'straightness': log-spectral distance of the ends over the sum of the steps', 1 for a straight
    line; 'largest_step': the largest step over the mean step, 1 for equal steps; 'pairs': number of
    pairs.
  """
  method, held_out = run.method, run.data.held_out
  if run.waveform is None or not run.config.eval.latent_notes or not method.can_reconstruct:
    return None
  if len(held_out) < 2:
    return None
  rng = np.random.default_rng(run.config.seed)
  first = rng.choice(len(held_out), min(pairs, len(held_out)), replace=False)
  second = rng.permutation(first)
  if (first == second).all():
    second = np.roll(first, 1)
  codes = _codes(run, held_out, np.concatenate([first, second]))
  a, b = codes[: len(first)], codes[len(first) :]
  first_labels = {name: held_out.labels[name][first] for name in run.data.vocabulary.names}
  assert method.decode is not None
  decode = compilation.jit(method.decode)
  key = jax.random.key(run.config.seed)
  path = [
    np.asarray(decode(run.params, jnp.asarray(a + w * (b - a)), first_labels, key))
    for w in np.linspace(0.0, 1.0, steps, dtype=np.float32)
  ]
  different = first != second
  step_distances = np.stack(
    [spectral.log_spectral_distance(x, y) for x, y in itertools.pairwise(path)]
  )[:, different]
  direct = spectral.log_spectral_distance(path[0], path[-1])[different]
  return {
    "straightness": float(np.mean(direct / np.maximum(step_distances.sum(axis=0), 1e-6))),
    "largest_step": float(
      np.mean(step_distances.max(axis=0) / np.maximum(step_distances.mean(axis=0), 1e-6))
    ),
    "pairs": int(different.sum()),
  }


def _votes(run: measures.Run) -> tuple[np.ndarray, np.ndarray]:
  """Codes of groups of notes that share a factor ([V, G, D]), and that factor's index ([V])."""
  from cvae_jax.data.builders import synth_factors
  from cvae_jax.data.synthetic import factors as factors_lib

  encode = run.method.encode
  assert encode is not None
  rng = np.random.default_rng(run.config.seed)
  fixed = rng.integers(len(factors_lib.FACTORS), size=_VOTES)
  table = factors_lib.draw(_VOTES * _GROUP, run.config.seed + 1, labels.VELOCITIES)
  # Of the pitches that the run knows.
  table.pitch[:] = rng.choice(run.data.held_out.labels["pitch"], len(table.pitch))
  for vote, factor in enumerate(fixed):
    rows = slice(vote * _GROUP, (vote + 1) * _GROUP)
    table.values[rows, factor] = table.values[vote * _GROUP, factor]
  family = np.asarray([labels.FAMILIES.index(name) for name in factors_lib.FAMILIES.values()])
  batch: dict[str, np.ndarray] = {
    "pitch": table.pitch,
    "velocity": table.velocity,
    "family": family[table.method],
    "source": np.full(len(table.pitch), labels.SOURCES.index("synthetic")),
    "instrument": table.method,
    "qualities": np.zeros((len(table.pitch), len(labels.QUALITIES)), np.float32),
  }
  encode = compilation.jit(encode)
  codes = np.empty((_VOTES * _GROUP, run.method.code_size), np.float32)
  pending: list[tuple[int, np.ndarray]] = []
  size = run.batch_size

  def flush():
    pending_rows = np.asarray([row for row, _ in pending])
    padded = notes.fill_up(np.arange(len(pending)), size)
    inputs = {name: column[pending_rows][padded] for name, column in batch.items()}
    audio = np.stack([notes.to_float(pending[i][1]) for i in padded])
    encoded = _flat(np.asarray(encode(run.params, {**inputs, "audio": audio})))
    codes[pending_rows] = encoded[: len(pending)]
    pending.clear()

  for row, samples in synth_factors.render_table(table, run.config.seed):
    pending.append((row, samples))
    if len(pending) == size:
      flush()
  if pending:
    flush()
  return codes.reshape(_VOTES, _GROUP, -1), fixed


def measure_disentanglement(run: measures.Run) -> dict[str, float] | None:
  """Disentanglement scores on held-out examples with known factors.

  These are notes of `synth_notes/factors`, or `synth_scores`, which have no FactorVAE score.

  Returns:
    {'mig', 'sap', 'modularity', 'dci_disentanglement', 'dci_completeness', 'dci_informativeness',
    'factor_vae'}, 0 to 1; 'notes': number of notes. None if the notes have no factors.
  """
  config, held_out = run.config, run.data.held_out
  count = config.eval.factor_notes
  if not count or run.method.encode is None or "factors" not in held_out.labels:
    return None
  sets = []
  for source in (run.data.train, held_out):
    rows = notes.spread_rows(len(source), count)
    sets.append((_flat(_codes(run, source, rows)), source.labels["factors"][rows]))
  (train_codes, train_factors), (codes, factors) = sets
  _log.info("measuring the disentanglement of %d factors", factors.shape[1])
  votes = {}
  if run.waveform is not None:
    votes["factor_vae"] = disentanglement.factor_vae_score(*_votes(run), train_codes.std(axis=0))
  return {
    "mig": disentanglement.mig(codes, factors),
    "sap": disentanglement.sap(codes, factors),
    "modularity": disentanglement.modularity(codes, factors),
    **{
      f"dci_{name}": score
      for name, score in disentanglement.dci(train_codes, train_factors, codes, factors).items()
    },
    **votes,
    "notes": len(codes),
  }
