"""Are generated notes what was asked for, and like the data?

Notes are generated under the labels of held-out notes and compared with these. Beside them stand
two bounds. The ceiling: real notes. Where two sets are compared, training notes (other instruments)
take the place of the generated ones; where a note is compared with its labels, or with its
neighbours, the held-out notes do. The floor: sines of the pitch and length asked for, which are as
much in tune as can be and no instrument at all.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import hashlib
import logging
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from cvae_jax import compilation
from cvae_jax import measures
from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.audio import loudness
from cvae_jax.audio import synthesis
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.metrics import classifier as classifier_lib
from cvae_jax.metrics import distribution
from cvae_jax.metrics import pitch as pitch_metric

_log = logging.getLogger(__name__)

# These would be perfect of a set beside itself.
_OF_TWO_SETS = ("frechet", "kernel", "ndb", "jensen_shannon", "density", "coverage")
_VELOCITIES = (16, 32, 48, 64, 80, 96, 112, 127)


def _generate(run: measures.Run, batches) -> Iterator[np.ndarray]:
  """The notes that a run makes under the labels of batches, [M, T] each, without the filling."""
  assert run.method.sample is not None
  sample = compilation.jit(run.method.sample)
  key = jax.random.key(run.config.seed)
  for i, batch in enumerate(batches):
    asked = methods.at_temperature(measures.labels_of(batch), run.config.eval.temperature)
    audio = sample(run.params, asked, jax.random.fold_in(key, i))
    yield np.asarray(audio)[batch["mask"] > 0]


def measure_pitch(run: measures.Run) -> dict[str, float] | None:
  """Pitch agreement of generated notes, and of the training notes whose labels they were given.

  Returns:
    {'generated', 'data'}: shares of notes, 0 to 1; 'notes': how many.
  """
  config, train = run.config, run.data.train
  asked = config.eval.pitch_notes
  if not asked or run.method.sample is None or "pitch" not in config.condition.labels:
    return None
  _log.info("measuring the pitch of %d generated notes", asked)
  rng = np.random.default_rng(config.seed)
  rows = rng.choice(len(train), min(asked, len(train)), replace=False)
  batches = list(pipeline.eval_batches(train, run.batch_size, rows))
  wanted = np.concatenate([b["pitch"][b["mask"] > 0] for b in batches])
  own = [b["audio"][b["mask"] > 0] for b in batches]

  def share(audio):
    agrees = pitch_metric.pitch_agreement(np.concatenate(audio), wanted, labels.SAMPLE_RATE)
    return float(agrees.mean())

  generated = share(list(_generate(run, batches)))
  return {"generated": generated, "data": share(own), "notes": wanted.size}


def get_classifier(run: measures.Run) -> tuple[classifier_lib.Classifier, dict[str, float]]:
  """The classifier of a run's training notes, and its accuracy on the held-out ones.

  It is taught once for a choice of notes, and kept beside the data set: runs that are compared are
  heard by the same ear.
  """
  train, held_out = run.data.train, run.data.held_out
  steps = run.config.eval.classifier_steps
  chosen = hashlib.sha256("\n".join(train.labels["id"].tolist()).encode()).hexdigest()[:12]
  path = os.path.join(train.folder, f"classifier-{chosen}-{steps}.npz")
  classifier = classifier_lib.load(path)
  if classifier is None:
    _log.info("teaching a classifier pitch, family and source of %d notes, once", len(train))

    def read(rows):
      examples = [train[int(row)] for row in rows]
      names = ("audio", *classifier_lib.CLASSES)
      return {name: np.stack([e[name] for e in examples]) for name in names}

    classifier = classifier_lib.train(read, len(train), steps)
    try:
      classifier_lib.save(classifier, path)
    except OSError as e:
      _log.info("the classifier is not kept in %s: %s", path, e)
  rows = notes.spread_rows(len(held_out), 1024)
  right: dict[str, list[np.ndarray]] = {name: [] for name in classifier_lib.CLASSES}
  for batch in pipeline.eval_batches(held_out, run.batch_size, rows):
    keep = batch["mask"] > 0
    heard = classifier.listen(batch["audio"][keep])
    for name, found in right.items():
      found.append(heard.guesses(name) == batch[name][keep])
  return classifier, {name: float(np.concatenate(x).mean()) for name, x in right.items()}


def _sines(pitch, velocity) -> jax.Array:
  """[M, T] sines of the pitches asked for, three seconds long and let go, as NSynth's notes."""
  t = np.arange(labels.NUM_SAMPLES, dtype=np.float32) / labels.SAMPLE_RATE
  f0_hz = 440.0 * 2.0 ** ((jnp.asarray(pitch, jnp.float32)[:, None] - 69.0) / 12.0)
  envelope = np.minimum(t / 0.01, 1.0) * np.exp(-np.maximum(t - 3.0, 0.0) / 0.1)
  gain = level.velocity_to_gain(velocity)[:, None] * level.PEAK
  return gain * envelope * synthesis.sine(f0_hz * t)


def _describe_set(
  audio: np.ndarray,
  asked: Mapping[str, np.ndarray],
  heard: classifier_lib.Heard,
  real: np.ndarray,
  reference: np.ndarray,
) -> dict[str, float]:
  """All measures of one set of notes.

  Args:
    audio: [M, T].
    asked: [M] integers of the labels that they should have.
    heard: what the classifier hears in them.
    real: [N, 128] features of held-out notes.
    reference: [K, 128] features of training notes, for what was copied.
  """
  bins = distribution.compare_bins(real, heard.features)
  overlap = distribution.density_and_coverage(real, heard.features)
  in_tune = pitch_metric.pitch_agreement(audio, asked["pitch"], labels.SAMPLE_RATE)
  groups = asked["family"] * 1000 + asked["pitch"] // 12
  return {
    "pitch_yin": float(in_tune.mean()),
    **{
      f"{name}_agreement": float(np.mean(heard.guesses(name) == asked[name]))
      for name in classifier_lib.CLASSES
    },
    "pitch_entropy": float(np.mean(scipy.stats.entropy(heard.probabilities["pitch"], axis=1))),
    "inception_score": distribution.inception_score(heard.probabilities["pitch"]),
    "frechet": distribution.frechet_distance(real, heard.features),
    "kernel": distribution.kernel_distance(real, heard.features),
    "ndb": bins.different,
    "jensen_shannon": bins.jensen_shannon,
    "density": overlap.density,
    "coverage": overlap.coverage,
    "diversity": distribution.diversity(heard.features, groups),
    "nearest_training": float(np.median(distribution.nearest_distance(reference, heard.features))),
  }


def measure_generation(run: measures.Run) -> dict[str, Any] | None:
  """Generated notes beside held-out ones, with the bounds, all heard by one classifier.

  Returns:
    {'generated', 'ceiling', 'floor'} to measures by name: 'pitch_yin', agreement of pitch, family
    and source with what was asked for (0 to 1), 'pitch_entropy' (nats), 'inception_score' of pitch,
    'frechet' and 'kernel' distance, 'ndb' (share of 50 bins), 'jensen_shannon' (nats), 'density',
    'coverage', 'diversity' within a family's octave, 'nearest_training' (median distance to a
    training note). 'classifier': its accuracy on held-out notes; 'notes': how many.
  """
  config, data = run.config, run.data
  if not config.eval.generation_notes or run.method.sample is None:
    return None
  classifier, accuracy = get_classifier(run)
  rows = notes.spread_rows(len(data.held_out), config.eval.generation_notes)
  _log.info("measuring %d generated notes beside as many held-out ones", len(rows))
  batches = list(pipeline.eval_batches(data.held_out, run.batch_size, rows))
  kept = [b["mask"] > 0 for b in batches]
  join = lambda name: np.concatenate([b[name][k] for b, k in zip(batches, kept, strict=True)])
  asked = {name: join(name) for name in ("velocity", *classifier_lib.CLASSES)}
  real_audio = join("audio")
  train_rows = notes.spread_rows(len(data.train), len(rows))
  train_notes = [data.train[int(row)] for row in train_rows]
  sets = {
    "generated": (np.concatenate(list(_generate(run, batches))), asked),
    "ceiling": (
      np.stack([n["audio"] for n in train_notes]),
      {name: np.asarray([n[name] for n in train_notes]) for name in asked},
    ),
    "floor": (np.asarray(_sines(asked["pitch"], asked["velocity"])), asked),
  }
  real = classifier.listen(real_audio)
  # What is near a training note: of the others, those that the ceiling does not hold.
  others = np.setdiff1d(notes.spread_rows(len(data.train), 4096), train_rows)
  reference = classifier.listen(
    np.stack([data.train[int(row)]["audio"] for row in others])
  ).features
  result: dict[str, Any] = {
    name: _describe_set(audio, wanted, classifier.listen(audio), real.features, reference)
    for name, (audio, wanted) in sets.items()
  }
  own = _describe_set(real_audio, asked, real, real.features, reference)
  result["ceiling"].update({name: own[name] for name in own if name not in _OF_TWO_SETS})
  return {**result, "classifier": accuracy, "notes": len(rows)}


def measure_velocity(run: measures.Run) -> dict[str, float] | None:
  """Do notes that are asked to be louder sound louder, everything else being the same?

  Of some notes that differ in their labels, eight versions each, of one z and rising velocity;
  their A-weighted loudness at its loudest.

  Returns:
    {'correlation': the mean over notes of Spearman's rank correlation of velocity and loudness, -1
    to 1, 'brightening': the same of velocity and spectral centroid, 'notes'}.
  """
  config = run.config
  count = min(config.eval.generation_notes, 64)
  if not count or run.method.sample is None or "velocity" not in config.condition.labels:
    return None
  held_out = run.data.held_out
  batch = next(pipeline.eval_batches(held_out, count, notes.spread_rows(len(held_out), count)))
  sample = compilation.jit(run.method.sample)
  levels, centroids = [], []
  for velocity in _VELOCITIES:
    asked = measures.labels_of(batch)
    asked["velocity"] = np.full_like(asked["velocity"], velocity)
    audio = sample(run.params, asked, jax.random.key(config.seed))
    levels.append(np.asarray(loudness.loudness(audio, labels.SAMPLE_RATE)).max(axis=-1))
    power = jnp.square(jnp.abs(jnp.fft.rfft(audio)))
    frequency = jnp.fft.rfftfreq(audio.shape[-1], 1.0 / labels.SAMPLE_RATE)
    centroids.append(np.asarray(power @ frequency / jnp.maximum(power.sum(axis=-1), 1e-12)))

  def correlation(values):
    by_note = np.stack(values, axis=1)[batch["mask"] > 0]
    return float(np.mean([scipy.stats.spearmanr(_VELOCITIES, row).statistic for row in by_note]))

  return {
    "correlation": correlation(levels),
    "brightening": correlation(centroids),
    "notes": int(batch["mask"].sum()),
  }
