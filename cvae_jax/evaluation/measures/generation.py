"""Do generated sounds have the labels that they were asked for, and are they like the data?

Sounds are generated under the labels of held-out ones and compared with these, between two bounds.
The ceiling: real held-out sounds. The floor: sines of the pitch and length asked for, which are as
much in tune as can be and no instrument at all.

Measures of two sets (Fréchet distance, bins, coverage) say something only where both have the same
labels. The held-out sounds are put in order of their labels and dealt into two halves, so that the
halves have the same labels to the next neighbour; each half in turn is what the other half's labels
are compared with, by the generated sounds, by the real ones (the ceiling) and by the floor.
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

_FEWEST = 16  # held-out sounds, under which sets are not compared
_VELOCITIES = (16, 32, 48, 64, 80, 96, 112, 127)


def generate(run: measures.Run, batches) -> Iterator[np.ndarray]:
  """The sounds that a run makes under the labels of batches, [M, T] each, without the filling."""
  sample = compilation.jit(run.method.sample)
  key = jax.random.key(run.config.seed)
  for i, batch in enumerate(batches):
    labels = run.labels_of(batch)
    asked = methods.at_temperature(labels, len(batch["mask"]), run.config.eval.temperature)
    audio = sample(run.params, asked, jax.random.fold_in(key, i))
    yield np.asarray(audio)[batch["mask"] > 0]


def measure_pitch(run: measures.Run) -> dict[str, float] | None:
  """Pitch agreement of generated notes, and of the training notes whose labels they were given.

  Returns:
    {'generated', 'data'}: shares of notes, 0 to 1; 'notes': how many.
  """
  config, train = run.config, run.data.train
  asked, form = config.eval.pitch_notes, run.waveform
  if form is None or not asked or not run.method.can_sample:
    return None
  if vocabulary_lib.PITCH not in config.condition.labels:
    return None
  _log.info("measuring the pitch of %d generated notes", asked)
  rng = np.random.default_rng(config.seed)
  rows = rng.choice(len(train), min(asked, len(train)), replace=False)
  batches = list(pipeline.eval_batches(train, run.batch_size, rows))
  wanted = np.concatenate([b["pitch"][b["mask"] > 0] for b in batches])
  own = [b["audio"][b["mask"] > 0] for b in batches]

  def share(audio):
    agrees = pitch_metric.pitch_agreement(np.concatenate(audio), wanted, form.sample_rate)
    return float(agrees.mean())

  generated = share(list(generate(run, batches)))
  return {"generated": generated, "data": share(own), "notes": wanted.size}


def get_classifier(
  run: measures.Run, form: forms.Waveform
) -> tuple[classifier_lib.Classifier, dict[str, float]]:
  """The classifier of a run's training sounds, and its accuracy on the held-out ones.

  It is trained once per data selection and cached beside the data set: compared runs share one.
  """
  train, held_out = run.data.train, run.data.held_out
  steps, classes = run.config.eval.classifier_steps, run.data.vocabulary.classes
  chosen = hashlib.sha256("\n".join(train.labels["id"].tolist()).encode()).hexdigest()[:12]
  path = None if train.folder is None else f"{train.folder}/classifier-{chosen}-{steps}.npz"
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
      _log.info("the classifier is not kept in %s: %s", path, e)
  rows = notes.spread_rows(len(held_out), 1024)
  right: dict[str, list[np.ndarray]] = {name: [] for name in classes}
  for batch in pipeline.eval_batches(held_out, run.batch_size, rows):
    keep = batch["mask"] > 0
    predicted = classifier.predict(batch["audio"][keep])
    for name, found in right.items():
      found.append(predicted.predict(name) == batch[name][keep])
  return classifier, {name: float(np.concatenate(x).mean()) for name, x in right.items()}


def _sines(form, pitch, velocity) -> jax.Array:
  """[M, T] sines of the pitches asked for, three seconds long and let go, as NSynth's notes."""
  t = np.arange(form.num_samples, dtype=np.float32) / form.sample_rate
  f0_hz = 440.0 * 2.0 ** ((jnp.asarray(pitch, jnp.float32)[:, None] - 69.0) / 12.0)
  hold_s = min(3.0, 0.75 * form.duration_s)
  envelope = np.minimum(t / 0.01, 1.0) * np.exp(-np.maximum(t - hold_s, 0.0) / 0.1)
  gain = level.velocity_to_gain(velocity)[:, None] * level.PEAK
  return gain * envelope * synthesis.sine(f0_hz * t)


def deal(labels: Mapping[str, np.ndarray], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
  """Two halves of some examples with labels as alike as can be: rows of each, of one size.

  Args:
    labels: [M] of each label.
    names: of those that are put in order, the most important first.
  """
  order = np.lexsort([labels[name] for name in reversed(names)])
  half = len(order) // 2
  # Pairs of neighbours, of which the first goes now here, now there.
  pairs = order[: 2 * half].reshape(half, 2)
  swapped = np.where((np.arange(half) % 2 == 1)[:, None], pairs[:, ::-1], pairs)
  return swapped[:, 0], swapped[:, 1]


def _compare_sets(predicted, real, halves) -> dict[str, float]:
  """Measures of two sets with the same labels: the mean of one half by the other and back."""
  found = []
  for own, other in (halves, halves[::-1]):
    features, reference = predicted.features[own], real.features[other]
    bins = distribution.compare_bins(reference, features)
    overlap = distribution.density_and_coverage(reference, features)
    found.append(
      {
        "frechet": distribution.frechet_distance(reference, features),
        "kernel": distribution.kernel_distance(reference, features),
        "ndb": bins.different,
        "jensen_shannon": bins.jensen_shannon,
        "density": overlap.density,
        "coverage": overlap.coverage,
      }
    )
  return {name: float(np.mean([x[name] for x in found])) for name in found[0]}


def _describe_set(
  run: measures.Run,
  audio: np.ndarray,
  asked: Mapping[str, np.ndarray],
  predicted: classifier_lib.Predictions,
  reference: np.ndarray,
) -> dict[str, float]:
  """All measures of one set of sounds.

  Args:
    run: for the form and the vocabulary.
    audio: [M, T].
    asked: [M] integers of the labels that they should have.
    predicted: what the classifier says of them.
    reference: [K, 128] features of training sounds, for what was copied.
  """
  vocabulary, form = run.data.vocabulary, run.waveform
  assert form is not None
  found: dict[str, float] = {}
  if vocabulary_lib.PITCH in asked:
    in_tune = pitch_metric.pitch_agreement(audio, asked["pitch"], form.sample_rate)
    found["pitch_yin"] = float(in_tune.mean())
  for name in vocabulary.classes:
    found[f"{name}_agreement"] = float(np.mean(predicted.predict(name) == asked[name]))
  first = next(iter(vocabulary.classes))
  probabilities = predicted.probabilities[first]
  found[f"{first}_entropy"] = float(np.mean(scipy.stats.entropy(probabilities, axis=1)))
  found["inception_score"] = distribution.inception_score(probabilities)
  found["diversity"] = distribution.diversity(predicted.features, _groups(vocabulary, asked))
  nearest = distribution.nearest_distance(reference, predicted.features)
  found["nearest_training"] = float(np.median(nearest))
  return found


def _groups(vocabulary, asked) -> np.ndarray:
  """[M] integers: the condition that a sound was made under, of a number its octave."""
  groups = np.zeros(len(next(iter(asked.values()))), int)
  if vocabulary.main is not None and vocabulary.main.name in asked:
    groups = groups + asked[vocabulary.main.name] * 1000
  if vocabulary_lib.PITCH in asked:
    groups = groups + asked["pitch"] // 12
  return groups


def measure_generation(run: measures.Run) -> dict[str, Any] | None:
  """Generated sounds beside held-out ones, with the bounds, all by one classifier.

  Returns:
    {'generated', 'ceiling', 'floor'} to measures by name: 'pitch_yin', agreement of each class with
    what was asked for (0 to 1), the first class's entropy (nats) and 'inception_score', 'frechet'
    and 'kernel' distance, 'ndb' (share of 50 bins), 'jensen_shannon' (nats), 'density', 'coverage',
    'diversity' within a condition, 'nearest_training' (median distance to a training sound).
    'classifier': its accuracy on held-out sounds; 'notes': how many.
  """
  config, data, form = run.config, run.data, run.waveform
  if form is None or not config.eval.generation_notes or not run.method.can_sample:
    return None
  rows = notes.spread_rows(len(data.held_out), config.eval.generation_notes)
  if not data.vocabulary.classes or len(rows) < _FEWEST:
    _log.info(
      "generated sounds are not compared: that needs labels for a classifier, and %d held-out "
      "sounds or more", _FEWEST,
    )  # fmt: skip
    return None
  classifier, accuracy = get_classifier(run, form)
  _log.info("measuring %d generated sounds beside as many held-out ones", len(rows))
  batches = list(pipeline.eval_batches(data.held_out, run.batch_size, rows))
  kept = [b["mask"] > 0 for b in batches]
  join = lambda name: np.concatenate([b[name][k] for b, k in zip(batches, kept, strict=True)])
  asked = {name: join(name) for name in (*data.vocabulary.classes, *_numbers(data.vocabulary))}
  audio = {"generated": np.concatenate(list(generate(run, batches))), "ceiling": join("audio")}
  if vocabulary_lib.PITCH in asked:
    velocity = asked.get(vocabulary_lib.VELOCITY, np.full(len(rows), 127))
    audio["floor"] = np.asarray(_sines(form, asked["pitch"], velocity))
  predicted = {name: classifier.predict(sounds) for name, sounds in audio.items()}
  # What is near a training sound: a set of them that is spread evenly over all.
  near = [data.train[int(row)]["audio"] for row in notes.spread_rows(len(data.train), 4096)]
  reference = classifier.predict(np.stack(near)).features
  names = [data.vocabulary.main.name] if data.vocabulary.main else []
  halves = deal(asked, [*names, *(name for name in asked if name not in names)])
  result: dict[str, Any] = {
    name: {
      **_describe_set(run, sounds, asked, predicted[name], reference),
      **_compare_sets(predicted[name], predicted["ceiling"], halves),
    }
    for name, sounds in audio.items()
  }
  return {**result, "classifier": accuracy, "notes": len(rows)}


def _numbers(vocabulary) -> list[str]:
  return [x.name for x in vocabulary.of_kind(vocabulary_lib.NUMBER) if not x.is_class]


def measure_velocity(run: measures.Run) -> dict[str, float] | None:
  """Do notes that are asked to be louder sound louder, everything else being the same?

  Of some notes that differ in their labels, eight versions each, of one z and rising velocity;
  their A-weighted loudness at its loudest.

  Returns:
    {'correlation': the mean over notes of Spearman's rank correlation of velocity and loudness, -1
    to 1, 'brightening': the same of velocity and spectral centroid, 'notes'}.
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
    asked = methods.at_temperature(run.labels_of(batch), count)
    asked["velocity"] = np.full_like(asked["velocity"], velocity)
    audio = sample(run.params, asked, jax.random.key(config.seed))
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
