"""Measures of generated sounds: agreement with their labels, and similarity to the data.

Sounds are generated with the labels of held-out sounds, and compared with these between two bounds:
the ceiling, real held-out sounds; and the floor, sines of the requested pitch and length, which are
perfectly in tune but not instruments.

Measures of two sets (Fréchet distance, bins, coverage) are meaningful only if both have the same
distribution of labels. The held-out sounds are therefore sorted by their labels and split into two
halves of neighbours. Sounds with the labels of one half, generated, real (the ceiling) or sines
(the floor), are compared with the real sounds of the other half, and vice versa.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import hashlib
import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.audio import loudness
from cvae_jax.audio import synthesis
from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.metrics import classifier as classifier_lib
from cvae_jax.evaluation.metrics import distribution
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.training import compilation

_log = logging.getLogger(__name__)

_MIN_SOUNDS = 16  # held-out sounds needed to compare sets
_VELOCITIES = (16, 32, 48, 64, 80, 96, 112, 127)


def generate(run: measures.Run, batches) -> Iterator[np.ndarray]:
  """Generates sounds with the labels of batches; yields [M, T] without padding."""
  sample = compilation.jit(run.method.sample)
  key = jax.random.key(run.config.seed)
  for i, batch in enumerate(batches):
    labels = run.labels_of(batch)
    conditions = methods.at_temperature(labels, len(batch["mask"]), run.config.eval.temperature)
    audio = sample(run.params, conditions, jax.random.fold_in(key, i))
    yield np.asarray(audio)[batch["mask"] > 0]


def measure_pitch(run: measures.Run) -> dict[str, float] | None:
  """Pitch agreement of generated notes, and of the training notes that have the same labels.

  Returns:
    {'generated', 'data'}: fraction of notes in tune, 0 to 1; 'notes': number of notes.
  """
  config, train = run.config, run.data.train
  num_notes, form = config.eval.pitch_notes, run.waveform
  if form is None or not num_notes or not run.method.can_sample:
    return None
  if vocabulary_lib.PITCH not in config.condition.labels:
    return None
  _log.info("measuring the pitch of %d generated notes", num_notes)
  rng = np.random.default_rng(config.seed)
  rows = rng.choice(len(train), min(num_notes, len(train)), replace=False)
  batches = list(pipeline.eval_batches(train, run.batch_size, rows))
  requested_pitch = np.concatenate([b["pitch"][b["mask"] > 0] for b in batches])
  training_audio = [b["audio"][b["mask"] > 0] for b in batches]

  def agreement(audio):
    in_tune = pitch_metric.pitch_agreement(np.concatenate(audio), requested_pitch, form.sample_rate)
    return float(in_tune.mean())

  generated = agreement(list(generate(run, batches)))
  return {"generated": generated, "data": agreement(training_audio), "notes": requested_pitch.size}


def get_classifier(
  run: measures.Run, form: forms.Waveform
) -> tuple[classifier_lib.Classifier, dict[str, float]]:
  """Returns the classifier of a run's training sounds, and its held-out accuracy by label.

  It is trained once per data selection and cached beside the data set, so that all compared runs
  share one classifier.
  """
  train, held_out = run.data.train, run.data.held_out
  steps, classes = run.config.eval.classifier_steps, run.data.vocabulary.classes
  digest = hashlib.sha256("\n".join(train.labels["id"].tolist()).encode()).hexdigest()[:12]
  hop = classifier_lib.choose_hop(form.num_samples, form.sample_rate)
  name = f"classifier-{digest}-{steps}-{hop}.npz"
  path = None if train.folder is None else f"{train.folder}/{name}"
  classifier = None if path is None else classifier_lib.load(path, classes, form.sample_rate)
  if classifier is None:
    _log.info("training a classifier of %s on %d sounds, once", ", ".join(classes), len(train))

    def read(rows):
      examples = [train[int(row)] for row in rows]
      return {name: np.stack([e[name] for e in examples]) for name in ("audio", *classes)}

    classifier = classifier_lib.train(read, len(train), steps, classes, form.sample_rate)
    try:
      if path is not None:
        classifier_lib.save(classifier, path)
    except OSError as e:
      _log.info("the classifier cannot be cached in %s: %s", path, e)
  rows = notes.spread_rows(len(held_out), 1024)
  is_correct: dict[str, list[np.ndarray]] = {name: [] for name in classes}
  for batch in pipeline.eval_batches(held_out, run.batch_size, rows):
    keep = batch["mask"] > 0
    predicted = classifier.predict(batch["audio"][keep])
    for name, batches_correct in is_correct.items():
      batches_correct.append(predicted.predict(name) == batch[name][keep])
  return classifier, {name: float(np.concatenate(x).mean()) for name, x in is_correct.items()}


def _sines(form, pitch, velocity) -> jax.Array:
  """[M, T] sines at the requested pitches, held for 3 s and released, as NSynth's notes are."""
  t = np.arange(form.num_samples, dtype=np.float32) / form.sample_rate
  f0_hz = 440.0 * 2.0 ** ((jnp.asarray(pitch, jnp.float32)[:, None] - 69.0) / 12.0)
  hold_s = min(3.0, 0.75 * form.duration_s)
  envelope = np.minimum(t / 0.01, 1.0) * np.exp(-np.maximum(t - hold_s, 0.0) / 0.1)
  gain = level.velocity_to_gain(velocity)[:, None] * level.PEAK
  return gain * envelope * synthesis.sine(f0_hz * t)


def deal(labels: Mapping[str, np.ndarray], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
  """Splits examples into two halves of equal size whose labels match as closely as possible.

  Args:
    labels: [M] values of each label.
    names: labels to match, the most important first.

  Returns:
    Rows of each half.
  """
  order = np.lexsort([labels[name] for name in reversed(names)])
  half = len(order) // 2
  # Neighbours are paired; the first of a pair goes to either half in alternation.
  pairs = order[: 2 * half].reshape(half, 2)
  swapped = np.where((np.arange(half) % 2 == 1)[:, None], pairs[:, ::-1], pairs)
  return swapped[:, 0], swapped[:, 1]


def _compare_sets(predicted, real, halves) -> dict[str, float]:
  """Measures between two sets with matching labels: means over both assignments of the halves."""
  scores = []
  for half, other in (halves, halves[::-1]):
    features, reference = predicted.features[half], real.features[other]
    bins = distribution.compare_bins(reference, features)
    overlap = distribution.density_and_coverage(reference, features)
    scores.append(
      {
        "frechet": distribution.frechet_distance(reference, features),
        "kernel": distribution.kernel_distance(reference, features),
        "ndb": bins.different,
        "jensen_shannon": bins.jensen_shannon,
        "density": overlap.density,
        "coverage": overlap.coverage,
      }
    )
  return {name: float(np.mean([x[name] for x in scores])) for name in scores[0]}


def _describe_set(
  run: measures.Run,
  audio: np.ndarray,
  requested: Mapping[str, np.ndarray],
  predicted: classifier_lib.Predictions,
  reference: np.ndarray,
) -> dict[str, float]:
  """All measures of one set of sounds.

  Args:
    run: for the form and the vocabulary.
    audio: [M, T].
    requested: [M] integers of each label that the sounds should have.
    predicted: predictions of the classifier.
    reference: [K, 128] features of training sounds, to detect copies.
  """
  vocabulary, form = run.data.vocabulary, run.waveform
  assert form is not None
  scores: dict[str, float] = {}
  if vocabulary_lib.PITCH in requested and vocabulary_lib.PITCH not in run.config.condition.labels:
    # Nothing was asked for: whether a sound has a pitch at all.
    scores["pitch_clear"] = float(pitch_metric.has_clear_pitch(audio, form.sample_rate).mean())
  elif vocabulary_lib.PITCH in requested:
    in_tune = pitch_metric.pitch_agreement(audio, requested["pitch"], form.sample_rate)
    scores["pitch_yin"] = float(in_tune.mean())
  for name in vocabulary.classes:
    if name in run.config.condition.labels:
      scores[f"{name}_agreement"] = float(np.mean(predicted.predict(name) == requested[name]))
  first_label = next(iter(vocabulary.classes))
  probabilities = predicted.probabilities[first_label]
  scores[f"{first_label}_entropy"] = float(np.mean(scipy.stats.entropy(probabilities, axis=1)))
  scores["inception_score"] = distribution.inception_score(probabilities)
  if run.config.condition.labels:
    groups = _groups(vocabulary, requested)
    scores["diversity"] = distribution.diversity(predicted.features, groups)
  nearest = distribution.nearest_distance(reference, predicted.features)
  scores["nearest_training"] = float(np.median(nearest))
  return scores


def _groups(vocabulary, requested) -> np.ndarray:
  """[M] integers: groups of sounds with the same main label and octave."""
  groups = np.zeros(len(next(iter(requested.values()))), int)
  if vocabulary.main is not None and vocabulary.main.name in requested:
    groups = groups + requested[vocabulary.main.name] * 1000
  if vocabulary_lib.PITCH in requested:
    groups = groups + requested["pitch"] // 12
  return groups


def measure_generation(run: measures.Run) -> dict[str, Any] | None:
  """Evaluates generated sounds, with their bounds, all by one classifier.

  Returns:
    {'generated', 'ceiling', 'floor'} to measures by name: 'pitch_yin' (of a run that is not asked
    for a pitch 'pitch_clear', the share of sounds that keep one), for each class that the run is
    asked for the agreement with the requested label (0 to 1), the first class's entropy (nats) and
    'inception_score', 'frechet' and 'kernel' distance, 'ndb' (fraction of 50 bins),
    'jensen_shannon' (nats), 'density', 'coverage', of a run with labels the 'diversity' within a
    condition, 'nearest_training' (median distance to the nearest training sound). 'classifier': its
    held-out accuracy by label; 'notes': number of sounds.
  """
  config, data, form = run.config, run.data, run.waveform
  if form is None or not config.eval.generation_notes or not run.method.can_sample:
    return None
  rows = notes.spread_rows(len(data.held_out), config.eval.generation_notes)
  if not data.vocabulary.classes or len(rows) < _MIN_SOUNDS:
    _log.info(
      "generated sounds are not evaluated: this needs labels for a classifier, and at least %d "
      "held-out sounds", _MIN_SOUNDS,
    )  # fmt: skip
    return None
  classifier, accuracy = get_classifier(run, form)
  _log.info("evaluating %d generated sounds", len(rows))
  batches = list(pipeline.eval_batches(data.held_out, run.batch_size, rows))
  masks = [b["mask"] > 0 for b in batches]
  join = lambda name: np.concatenate([b[name][k] for b, k in zip(batches, masks, strict=True)])
  requested = {name: join(name) for name in (*data.vocabulary.classes, *_numbers(data.vocabulary))}
  audio = {"generated": np.concatenate(list(generate(run, batches))), "ceiling": join("audio")}
  if vocabulary_lib.PITCH in requested:
    velocity = requested.get(vocabulary_lib.VELOCITY, np.full(len(rows), 127))
    audio["floor"] = np.asarray(_sines(form, requested["pitch"], velocity))
  predicted = {name: classifier.predict(sounds) for name, sounds in audio.items()}
  # Evenly spaced training sounds, to detect copies.
  training_audio = [
    data.train[int(row)]["audio"] for row in notes.spread_rows(len(data.train), 4096)
  ]
  reference = classifier.predict(np.stack(training_audio)).features
  names = [data.vocabulary.main.name] if data.vocabulary.main else []
  halves = deal(requested, [*names, *(name for name in requested if name not in names)])
  result: dict[str, Any] = {
    name: {
      **_describe_set(run, sounds, requested, predicted[name], reference),
      **_compare_sets(predicted[name], predicted["ceiling"], halves),
    }
    for name, sounds in audio.items()
  }
  return {**result, "classifier": accuracy, "notes": len(rows)}


def _numbers(vocabulary) -> list[str]:
  return [x.name for x in vocabulary.of_kind(vocabulary_lib.NUMBER) if not x.is_class]


def measure_velocity(run: measures.Run) -> dict[str, float] | None:
  """Measures how loudness and brightness follow the velocity that a note is conditioned on.

  Notes with different labels are generated at eight velocities each, from the same z. The loudness
  of a note is its maximal A-weighted loudness.

  Returns:
    {'correlation': mean over notes of Spearman's rank correlation of velocity and loudness, -1 to
    1; 'brightening': the same for velocity and spectral centroid; 'notes': number of notes}.
  """
  config, form = run.config, run.waveform
  count = min(config.eval.generation_notes, 64)
  if form is None or not count or not run.method.can_sample:
    return None
  if vocabulary_lib.VELOCITY not in config.condition.labels:
    return None
  held_out = run.data.held_out
  batch = next(pipeline.eval_batches(held_out, count, notes.spread_rows(len(held_out), count)))
  sample = compilation.jit(run.method.sample)
  levels, centroids = [], []
  for velocity in _VELOCITIES:
    conditions = methods.at_temperature(run.labels_of(batch), count)
    conditions["velocity"] = np.full_like(conditions["velocity"], velocity)
    audio = sample(run.params, conditions, jax.random.key(config.seed))
    levels.append(np.asarray(loudness.loudness(audio, form.sample_rate)).max(axis=-1))
    power = jnp.square(jnp.abs(jnp.fft.rfft(audio)))
    frequency = jnp.fft.rfftfreq(audio.shape[-1], 1.0 / form.sample_rate)
    centroids.append(np.asarray(power @ frequency / jnp.maximum(power.sum(axis=-1), 1e-12)))

  def correlation(values):
    by_note = np.stack(values, axis=1)[batch["mask"] > 0]
    return float(np.mean([scipy.stats.spearmanr(_VELOCITIES, row).statistic for row in by_note]))

  return {
    "correlation": correlation(levels),
    "brightening": correlation(centroids),
    "notes": int(batch["mask"].sum()),
  }
