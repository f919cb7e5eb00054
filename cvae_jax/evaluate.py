"""Measures a run on a split: inside training, and alone on a workdir.

python -m cvae_jax.evaluate --workdir=runs/cvae
"""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import json
import logging
import os
from typing import Any

import jax
import ml_collections
import numpy as np

from cvae_jax import atomic
from cvae_jax import cli
from cvae_jax import compilation
from cvae_jax import latent_space
from cvae_jax import methods
from cvae_jax import sharding
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.metrics import baselines
from cvae_jax.metrics import pitch as pitch_metric
from cvae_jax.metrics import probes
from cvae_jax.metrics import spectral

_log = logging.getLogger("cvae_jax.evaluate")  # Also as __main__.

RESULTS = "results.json"


def average(
  eval_step: Callable[..., methods.Sums],
  params: Any,
  batches: Iterable[Mapping[str, np.ndarray]],
  rng: jax.Array,
  put: Callable[[Mapping[str, np.ndarray]], Mapping[str, jax.Array]],
) -> dict[str, float]:
  """Exact averages over a split: sums and counts added up, then divided.

  Args:
    eval_step: of a method, jitted.
    params: of the network.
    batches: of `pipeline.eval_batches`.
    rng: random key; a batch's key is folded out of it by its position.
    put: sends a batch to the devices.

  Returns:
    Metric by name. 'mse_db2' comes back as 'rmse_db', the root of its average.
  """
  totals: dict[str, list[float]] = {}
  for i, batch in enumerate(batches):
    device_batch = {k: v for k, v in batch.items() if k != "id"}
    sums = jax.device_get(eval_step(params, put(device_batch), jax.random.fold_in(rng, i)))
    for name, (total, count) in sums.items():
      entry = totals.setdefault(name, [0.0, 0.0])
      entry[0] += float(total)
      entry[1] += float(count)
  return _finish({name: total / count for name, (total, count) in totals.items()})


def _finish(metrics: dict[str, float]) -> dict[str, float]:
  if "mse_db2" in metrics:
    metrics["rmse_db"] = metrics.pop("mse_db2") ** 0.5
  return metrics


def _make_features(method) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
  """A function from a batch of `pipeline.eval_batches` to the features of its notes."""
  encode = compilation.jit(lambda audio: method.features({"audio": audio}))
  return lambda batch: np.asarray(encode(batch["audio"]))[batch["mask"] > 0]


def measure_baselines(
  method: methods.Method,
  train: pipeline.NoteSource,
  held_out: pipeline.NoteSource,
  num_components: int,
  batch_size: int,
) -> dict[str, dict[str, float]]:
  """What the mean spectrogram and a PCA, fitted on the training split, reach on the held-out one.

  Args:
    method: whose features are fitted, and whose `level_db` is measured.
    train: source of the training split.
    held_out: source of the evaluation split.
    num_components: of the PCA: as many as the latent has dimensions.
    batch_size: notes at a time.

  Returns:
    {'mean', 'pca_<D>'} to {'rmse_db', 'lsd_db'}.
  """
  assert method.level_db is not None
  features_of, level_db = _make_features(method), compilation.jit(method.level_db)
  train_features, filled = np.empty((0,), np.float16), 0
  for batch in pipeline.eval_batches(train, batch_size):
    features = features_of(batch)
    if not filled:  # In one piece from the start: it is as large as all else together.
      train_features = np.empty((len(train), *features.shape[1:]), np.float16)
    train_features[filled : filled + len(features)] = features
    filled += len(features)
  pca = baselines.fit_pca(train_features, num_components)
  sums: dict[str, dict[str, float]] = {"mean": {}, f"pca_{num_components}": {}}
  for batch in pipeline.eval_batches(held_out, batch_size):
    features = features_of(batch)
    predicted = {
      "mean": np.broadcast_to(pca.mean.reshape(features.shape[1:]), features.shape),
      f"pca_{num_components}": pca.reconstruct(features),
    }
    for name, values in predicted.items():
      for metric, value in baselines.error_sums(level_db(features), level_db(values)).items():
        sums[name][metric] = sums[name].get(metric, 0.0) + value
  return {
    name: _finish({metric: value / len(held_out) for metric, value in metrics.items()})
    for name, metrics in sums.items()
  }


def measure_pitch(
  method: methods.Method,
  params: Any,
  train: pipeline.NoteSource,
  num_notes: int,
  batch_size: int,
  seed: int,
) -> dict[str, float]:
  """Pitch agreement of generated notes, and of the training notes whose labels they were given.

  Args:
    method: with `sample`.
    params: of the network.
    train: source of the training split.
    num_notes: generated.
    batch_size: notes at a time.
    seed: of the choice of notes, and of the sampling.

  Returns:
    {'generated', 'data'}: shares of notes, 0 to 1; 'notes': how many.
  """
  assert method.sample is not None
  rows = np.random.default_rng(seed).choice(len(train), min(num_notes, len(train)), replace=False)
  sample = compilation.jit(method.sample)
  key = jax.random.key(seed)
  generated, own, pitch = [], [], []
  for i, batch in enumerate(pipeline.eval_batches(train, batch_size, rows)):
    keep = batch["mask"] > 0
    audio = sample(params, _labels(batch), jax.random.fold_in(key, i))
    generated.append(np.asarray(audio)[keep])
    own.append(batch["audio"][keep])
    pitch.append(batch["pitch"][keep])
  wanted = np.concatenate(pitch)

  def share(audio):
    agrees = pitch_metric.pitch_agreement(np.concatenate(audio), wanted, labels.SAMPLE_RATE)
    return float(agrees.mean())

  return {"generated": share(generated), "data": share(own), "notes": wanted.size}


def measure_waveform(
  method: methods.Method,
  params: Any,
  held_out: pipeline.NoteSource,
  num_notes: int,
  batch_size: int,
) -> dict[str, float]:
  """Log-spectral distance of held-out notes to what is heard of them after encoding and decoding.

  Args:
    method: with `reconstruct`.
    params: of the network.
    held_out: source of the evaluation split.
    num_notes: spread evenly over it.
    batch_size: notes at a time.

  Returns:
    {'lsd_db', 'notes'}.
  """
  assert method.reconstruct is not None
  reconstruct = compilation.jit(method.reconstruct)
  rows = notes.spread_rows(len(held_out), num_notes)
  distances = []
  for i, batch in enumerate(pipeline.eval_batches(held_out, batch_size, rows)):
    inputs = {"audio": batch["audio"], **_labels(batch)}
    audio = reconstruct(params, inputs, jax.random.key(i))
    distance = spectral.log_spectral_distance(batch["audio"], np.asarray(audio))
    distances.append(distance[batch["mask"] > 0])
  found = np.concatenate(distances)
  return {"lsd_db": float(found.mean()), "notes": found.size}


def measure_probes(
  method: methods.Method,
  params: Any,
  data: pipeline.Notes,
  num_notes: int,
  batch_size: int,
) -> dict[str, float]:
  """How much of family and pitch a linear classifier reads from the codes of held-out notes.

  Args:
    method: with `encode`.
    params: of the network.
    data: the run's notes: the classifier is fitted on codes of training notes.
    num_notes: of either split, spread evenly over it.
    batch_size: notes at a time.

  Returns:
    {'family', 'pitch'}: shares of notes, 0 to 1; {'family_chance', 'pitch_chance'}: what the most
    frequent label alone would reach.
  """
  assert method.encode is not None
  encode = compilation.jit(method.encode)

  def encode_split(source):
    rows = notes.spread_rows(len(source), num_notes)
    codes = latent_space.encode_rows(encode, params, source, rows, batch_size)
    return codes, {name: source.labels[name][rows] for name in ("family", "pitch")}

  train_codes, train_labels = encode_split(data.train)
  codes, wanted = encode_split(data.held_out)
  found = {}
  for name in wanted:
    found[name] = probes.linear_probe(train_codes, train_labels[name], codes, wanted[name])
    found[f"{name}_chance"] = probes.chance(train_labels[name], wanted[name])
  return found


def _labels(batch):
  return {name: batch[name] for name in notes.BATCH_LABELS}


def evaluate_run(
  config: ml_collections.ConfigDict,
  method: methods.Method,
  params: Any,
  data: pipeline.Notes,
) -> dict[str, Any]:
  """All of a run's figures on its evaluation split, with their bounds.

  Args:
    config: a whole config.
    method: of the run.
    params: to evaluate.
    data: the run's notes.

  Returns:
    {'eval': averages, 'baselines': those of PCA and mean, 'pitch': agreement, 'waveform': distance
    of the sound, 'probes': of the codes}, as far as the config asks for them and the method can.
  """
  mesh = sharding.make_mesh()
  params = jax.device_put(params, sharding.replicated(mesh))
  results: dict[str, Any] = {"split": config.data.eval_split, "notes": len(data.held_out)}
  batches = pipeline.eval_batches(data.held_out, config.eval.batch_size)
  results["eval"] = average(
    compilation.jit(method.eval_step),
    params,
    batches,
    jax.random.key(config.seed),
    lambda batch: sharding.put_batch(batch, sharding.batched(mesh)),
  )
  if config.eval.baselines and method.features is not None:
    _log.info("fitting the baselines on %d training notes", len(data.train))
    results["baselines"] = measure_baselines(
      method,
      data.train,
      data.held_out,
      config.model.latent_dim,
      config.eval.batch_size,
    )
  if config.eval.pitch_notes and method.sample is not None and "pitch" in config.condition.labels:
    _log.info("measuring the pitch of %d generated notes", config.eval.pitch_notes)
    results["pitch"] = measure_pitch(
      method, params, data.train, config.eval.pitch_notes, config.eval.batch_size, config.seed
    )
  if config.eval.waveform_notes and method.reconstruct is not None:
    results["waveform"] = measure_waveform(
      method, params, data.held_out, config.eval.waveform_notes, config.eval.batch_size
    )
  if config.eval.probe_notes and method.encode is not None:
    results["probes"] = measure_probes(
      method, params, data, config.eval.probe_notes, config.eval.batch_size
    )
  return results


def describe(results: Mapping[str, Any]) -> str:
  """Results as a table for the terminal."""
  lines = [f"on {results['notes']} held-out notes ({results['split']}):"]
  rows = {"model": results["eval"], **results.get("baselines", {})}
  lines.append(f"  {'':14}{'log-spectral distance':>22}{'RMS error':>14}")
  for name, row in rows.items():
    lines.append(f"  {name:14}{row['lsd_db']:>19.2f} dB{row['rmse_db']:>11.2f} dB")
  if "pitch" in results:
    pitch = results["pitch"]
    lines.append(
      f"  pitch within 50 cents (YIN, {pitch['notes']} notes): generated "
      f"{100 * pitch['generated']:.1f} %, the data's own {100 * pitch['data']:.1f} %"
    )
  if "waveform" in results:
    sound = results["waveform"]
    lines.append(
      f"  log-spectral distance of the sound ({sound['notes']} notes): {sound['lsd_db']:.2f} dB"
    )
  if "probes" in results:
    lines.append(
      "  read from the code by a linear probe: "
      + ", ".join(
        f"{name} {100 * results['probes'][name]:.1f} % (chance "
        f"{100 * results['probes'][f'{name}_chance']:.1f} %)"
        for name in ("family", "pitch")
      )
    )
  return "\n".join(lines)


def save_results(results: Mapping[str, Any], workdir: str) -> None:
  """Writes results.json into a workdir, whole or not at all."""
  with atomic.open_file(os.path.join(workdir, RESULTS)) as f:
    json.dump(results, f, indent=2)
    f.write("\n")


def main(argv: list[str] | None = None) -> None:
  """Evaluates a workdir's newest checkpoint and prints the table."""
  parser = argparse.ArgumentParser(prog="python -m cvae_jax.evaluate", description=__doc__)
  parser.add_argument("--workdir", required=True, help="of the run")
  parser.add_argument("--split", help="of the data set; the run's evaluation split without one")
  args = parser.parse_args(argv)
  from cvae_jax import synthesizer

  run = synthesizer.load(args.workdir)
  if args.split:
    run.config.data.eval_split = args.split
  results = evaluate_run(run.config, run.method, run.params, pipeline.open_notes(run.config.data))
  _log.info("%s", describe(results))
  save_results({**results, "step": run.step}, args.workdir)


if __name__ == "__main__":
  cli.run(main)
