"""Draws of drum runs beside recorded drums: kinds that are recognised, distances, attacks, time.

python benchmarks/drum_machine.py --workdirs=RUN,RUN [--dir=DIR --labels=labels.csv --kit=kit] \
    [--learnt=DIR] [--draws=4] [--steps=600]

Real drums are those of the runs' data that are not synthetic, or with --dir those of another
folder, of which whole kits are held out. Two classifiers are trained on the real training kits:
random trees on mel profiles (`benchmarks/drums.py`) and `evaluation.metrics.classifier`. What they
know of real held-out kits is the ceiling. Runs draw sounds with the labels of the held-out drums,
by their own prior and by N(0, I). Printed are, for each run and prior

    kinds     recognised, in %, by each classifier; in brackets the mean of the kinds
    Fréchet   distance of as many draws to the held-out drums, in the network's features, which were
              learnt from the real training kits, and in 32 principal components of mel profiles;
              in brackets over that of real drums of the training kits, of the same kinds

then with --learnt=DIR, a folder of drums that the runs learnt from, how near to these drums are:
in the components of mel profiles, the median distance to the nearest one, and the share that is
nearer than 1 % of the held-out drums are; then the kinds one by one; for held-out drums that are
encoded and decoded the errors of levels and of the time from silence to the peak; and with --times
alone the time of a sound of each kind, and of 16.
"""

import argparse
import functools
import os
import time

import drums as drum_benchmark
import jax
import jax.numpy as jnp
import numpy as np
import scipy.spatial
import sklearn.decomposition

import cvae_jax
from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import pipeline
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.evaluation.metrics import classifier
from cvae_jax.evaluation.metrics import distribution
from cvae_jax.methods.common import losses
from cvae_jax.training import compilation

SYNTHETIC, BATCH = "synthetic", 64
PRIORS = ("own", "N(0, I)")


def read_real(config):
  """(audio, labels) of the training kits and of the held-out kits that are not synthetic."""
  data = data_sets.load(config)
  result = []
  for splits in (("train",), ("valid", "test")):
    audio, columns = [], []
    for name in (name for name in splits if data.splits.get(name)):
      source = pipeline.open_split(data, name)
      is_real = np.ones(len(source), bool)
      origin = data.vocabulary.find("origin")
      if origin is not None and SYNTHETIC in origin.names:
        is_real = source.labels["origin"] != origin.names.index(SYNTHETIC)
      _, rows = np.unique(source.labels["id"], return_index=True)  # Repeated ones once.
      rows = rows[is_real[rows]]
      audio.append(np.stack([source[int(i)]["audio"] for i in rows]))
      columns.append({x: source.labels[x][rows] for x in data.vocabulary.names})
    labels = {x: np.concatenate([c[x] for c in columns]) for x in data.vocabulary.names}
    result.append((np.concatenate(audio), labels))
  return data.vocabulary, result


def make_section(options, config, folder):
  """The config section of a folder of drums, as long and of the rate of a run's."""
  section = config_lib.make_section("data", "drums")
  section.dir, section.tfds_dir = folder, config.tfds_dir
  section.drums.update(
    labels=options.labels, kit_column=options.kit, source_column=options.source,
    sample_rate=config.drums.sample_rate, duration_s=config.drums.duration_s,
  )  # fmt: skip
  return section


def print_nearness(space, learnt, rows):
  """How near sounds, by name, are to those that a run learnt from; the first row is the scale."""
  tree, scale = scipy.spatial.cKDTree(space(learnt)), None
  for name, sounds in rows.items():
    distance, _ = tree.query(space(sounds))
    scale = np.percentile(distance, 1) if scale is None else scale
    print(
      f"{name}: nearest of {len(learnt)} drums learnt from at {np.median(distance):.1f}, "
      f"{100 * np.mean(distance < scale):.1f} % nearer than {scale:.1f}"
    )


def translate(labels, vocabulary, run):
  """The labels in a run's own vocabulary: what it does not know is unknown."""
  count = len(labels["kind"])
  result = {}
  for label in run.vocabulary.labels:
    values = np.full(count, -1, np.int32)
    known = vocabulary.find(label.name)
    if label.kind == vocabulary_lib.NAMES and not label.open_set:
      if known is not None:
        table = [label.names.index(x) if x in label.names else -1 for x in known.names]
        values = np.where(labels[label.name] < 0, -1, np.asarray(table)[labels[label.name]])
      elif label.name == "origin" and "recorded" in label.names:
        values = np.full(count, label.names.index("recorded"))
    result[label.name] = values.astype(np.int32)
  return result


def in_batches(function, count, *columns):
  """Results of a compiled function for rows of columns, `BATCH` at a time."""
  results = []
  for i in range(0, count, BATCH):
    rows = np.minimum(np.arange(i, i + BATCH), count - 1)
    batch = jax.tree.map(lambda x, rows=rows: x[rows], columns)
    results.append(np.asarray(function(i, *batch))[: count - i])
  return np.concatenate(results)


def draw(run, labels, prior, seed):
  """[M, T] sounds with labels, drawn by a prior."""
  count, key = len(labels["kind"]), jax.random.key(seed)

  @compilation.jit
  def one(i, columns):
    rng = jax.random.fold_in(key, i)
    conditions = methods.at_temperature(columns, BATCH)
    if prior == PRIORS[0]:
      return run.method.sample(run.params, conditions, rng)
    z = jax.random.normal(rng, (BATCH, *run.method.code_shape))
    return run.method.decode(run.params, z, conditions, rng)

  return in_batches(one, count, labels)


def train_classifiers(audio, kinds, rate, steps):
  """What predicts kinds, by name; and the network."""
  read = lambda rows: {"audio": audio[rows], "kind": kinds[rows]}
  trained = classifier.train(read, len(audio), steps, {"kind": len(drums.KINDS)}, rate)
  profile_at = functools.partial(profile, rate=rate)
  predict = {
    "trees": drum_benchmark.train_trees(audio, kinds, profile_at),
    "network": lambda sounds: trained.predict(sounds).predict("kind"),
  }
  return predict, trained


def make_spaces(network, audio):
  """Functions from sounds to features: the network's, and components of mel profiles."""
  rate = network.sample_rate
  pca = sklearn.decomposition.PCA(32, random_state=0).fit(profile(audio, rate))
  return (
    lambda sounds: network.predict(sounds).features,
    lambda sounds: pca.transform(profile(sounds, rate)),
  )


def alike(rng, kinds, wanted):
  """[M] rows of sounds, drawn by the kinds that are wanted."""
  rows = [rng.choice(np.flatnonzero(kinds == kind)) for kind in wanted]
  return np.asarray(rows)


def profile(audio, rate):
  """`mel_profile` of sounds; of silence too, which a poor draw may be."""
  noise = np.random.default_rng(0).normal(size=audio.shape)
  return drum_benchmark.mel_profile(audio + 1e-7 * noise, rate)


def recall(kinds, predicted):
  """[10] share of each kind that is recognised; NaN for none."""
  counts = np.bincount(kinds, minlength=len(drums.KINDS))
  hits = np.bincount(kinds[kinds == predicted], minlength=len(drums.KINDS))
  return np.where(counts, hits / np.maximum(counts, 1), np.nan)


def to_peak_ms(audio, rate):
  """Time from -40 dB of the peak to the peak of the envelope over 2 ms."""
  window = np.hanning(round(0.002 * rate) + 2)[1:-1]
  envelope = np.sqrt(np.convolve(np.square(audio), window / window.sum(), mode="same"))
  peak = int(envelope.argmax())
  first = int((envelope > 0.01 * envelope[peak]).argmax())
  return 1e3 * (peak - first) / rate


def print_reconstruction(name, run, audio, labels):
  """Errors of held-out sounds that are encoded and decoded."""
  method = run.method

  @compilation.jit
  def reconstruct(i, sounds, columns):
    return method.reconstruct(run.params, {"audio": sounds, **columns}, jax.random.key(i))

  @compilation.jit
  def compare(i, sounds, heard):
    a, b = (method.level_db(method.features({"audio": x})) for x in (sounds, heard))
    error = jnp.sqrt(jnp.mean(jnp.square(a - b), axis=(1, 2)))
    peaks = [x / jnp.max(jnp.abs(x), axis=1, keepdims=True) for x in (sounds, heard)]
    return jnp.stack([error, losses.multi_resolution_stft(*peaks)], axis=1)

  heard = in_batches(reconstruct, len(audio), audio, labels)
  errors = in_batches(compare, len(audio), audio, heard)
  times = [np.asarray([to_peak_ms(x, run.sample_rate) for x in xs]) for xs in (audio, heard)]
  late = np.abs(times[0] - times[1])
  print(
    f"{name}: log-mel {errors[:, 0].mean():.2f} dB, multi-resolution {errors[:, 1].mean():.3f}, "
    f"to the peak within 1 ms {100 * np.mean(late <= 1.0):.0f} % (median {np.median(late):.1f} ms)"
  )


def print_times(name, run, labels):
  """Times of a new sound of each kind, and of 16 at once; draws differ in length."""
  sample = compilation.jit(run.method.sample)

  def measure(rows):
    columns = methods.at_temperature({k: v[rows] for k, v in labels.items()}, len(rows))
    seconds = []
    for i in range(22):
      started = time.perf_counter()
      np.asarray(sample(run.params, columns, jax.random.key(i)))
      seconds.append(time.perf_counter() - started)
    return 1e3 * np.median(seconds[2:])

  cores = f"on {len(os.sched_getaffinity(0))} cores"
  times = {kind: measure(np.array([i])) for i, kind in enumerate(drums.KINDS)}
  print(
    f"{name}: a new sound in {np.mean(list(times.values())):.1f} ms {cores}: "
    + ", ".join(f"{kind} {ms:.1f}" for kind, ms in times.items())
  )
  print(f"{name}: 16 new in {measure(np.arange(16)):.1f} ms {cores}")


def main():
  """Prints the tables."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
  parser.add_argument("--workdirs", required=True, help="of runs, with commas")
  parser.add_argument("--dir", help="of recorded drums; the runs' own data without it")
  parser.add_argument("--labels", default="labels.csv")
  parser.add_argument("--kit", default="kit")
  parser.add_argument("--source", default="source")
  parser.add_argument("--learnt", metavar="DIR", help="of drums that the runs learnt from")
  parser.add_argument("--draws", type=int, default=4, help="sets of draws")
  parser.add_argument("--steps", type=int, default=600, help="of the network that classifies")
  parser.add_argument("--times", action="store_true", help="the time of sounds alone")
  options = parser.parse_args()
  runs = {x: cvae_jax.load(x) for x in options.workdirs.split(",")}
  config = next(iter(runs.values())).config.data
  if options.dir:
    config = make_section(options, config, options.dir)
  if options.times:
    kinds = {"kind": np.arange(16, dtype=np.int32) % len(drums.KINDS)}
    for name, run in runs.items():
      print_times(name, run, translate(kinds, drums.make_vocabulary((), ()), run))
    return
  vocabulary, ((train_audio, train_labels), (audio, labels)) = read_real(config)
  kinds, rate = labels["kind"], next(iter(runs.values())).sample_rate
  predict, network = train_classifiers(train_audio, train_labels["kind"], rate, options.steps)
  spaces = make_spaces(network, train_audio)
  reference = [space(audio) for space in spaces]

  def distances(sets):
    """Mean Fréchet distance of sets of sounds to the held-out drums, in each space."""
    return [
      np.mean([distribution.frechet_distance(space(x), y) for x in sets])
      for space, y in zip(spaces, reference, strict=True)
    ]

  rng = np.random.default_rng(0)
  floor = distances(
    [train_audio[alike(rng, train_labels["kind"], kinds)] for _ in range(options.draws)]
  )
  ceiling = {name: recall(kinds, function(audio)) for name, function in predict.items()}
  print(f"{len(train_audio)} real drums of training kits, {len(audio)} of held-out kits")
  rows = {"held-out": (ceiling, {n: np.mean(f(audio) == kinds) for n, f in predict.items()})}
  print(f"real drums of training kits: Fréchet {floor[0]:.2f}, by profiles {floor[1]:.0f}")
  drums_of = {"held-out drums": audio}
  for name, run in runs.items():
    own_labels = translate(labels, vocabulary, run)
    for prior in PRIORS:
      sets = [draw(run, own_labels, prior, seed) for seed in range(options.draws)]
      found = distances(sets)
      title = f"{os.path.basename(name)}, {prior}"
      drums_of[title] = np.concatenate(sets)
      predicted = {n: np.concatenate([f(x) for x in sets]) for n, f in predict.items()}
      tiled = np.tile(kinds, options.draws)
      rows[title] = (
        {n: recall(tiled, p) for n, p in predicted.items()},
        {n: np.mean(p == tiled) for n, p in predicted.items()},
      )
      print(
        f"{title}: Fréchet {found[0]:.2f} ({found[0] / floor[0]:.2f}), by profiles "
        f"{found[1]:.0f} ({found[1] / floor[1]:.2f})"
      )
  if options.learnt:
    _, sets = read_real(make_section(options, config, options.learnt))
    print_nearness(spaces[1], np.concatenate([sounds for sounds, _ in sets]), drums_of)
  for classifier_name in predict:
    print(f"\nkinds recognised by {classifier_name}, %")
    print(f"{'':28}{'all':>6}{'mean':>6}" + "".join(f"{kind[:8]:>9}" for kind in drums.KINDS))
    for title, (by_kind, overall) in rows.items():
      shares = by_kind[classifier_name]
      print(
        f"{title:28}{100 * overall[classifier_name]:6.1f}{100 * np.nanmean(shares):6.1f}"
        + "".join(f"{100 * share:9.0f}" for share in shares)
      )
  print()
  for name, run in runs.items():
    if run.method.can_reconstruct:
      print_reconstruction(name, run, audio, translate(labels, vocabulary, run))


if __name__ == "__main__":
  main()
