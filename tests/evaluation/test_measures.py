import json

from conftest import get_config
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import evaluate
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation import result_tables
from cvae_jax.evaluation.measures import generation
from cvae_jax.evaluation.measures import latent
from cvae_jax.evaluation.measures import reconstruction
from cvae_jax.evaluation.metrics import classifier as classifier_lib
from cvae_jax.synthesis import synthesizer


@pytest.fixture(scope="module")
def run(tiny_run):
  """A run whose measures are all asked for, of some ten notes."""
  synth = synthesizer.load(tiny_run)
  synth.config.update_from_flattened_dict(dict.fromkeys(evaluate.FULL, 12))
  data = pipeline.open_data(synth.config.data)
  return measures.Run(synth.config, synth.method, synth.params, data)


def with_method(run, **functions):
  return run._replace(method=run.method._replace(**functions))


def with_sample(run, sample):
  """A run that draws by (params, labels, rng) to audio, whatever its code."""
  return with_method(
    run,
    full_level=False,
    draw_code=lambda params, given, rng: jnp.zeros((len(given["temperature"]), 0)),
    decode=lambda params, code, given, rng: sample(params, given, rng),
  )


def sines(pitch, velocity):
  return generation._sines(labels.FORM, pitch, velocity)


@pytest.mark.slow
def test_a_generator_of_sines_is_the_floor_and_one_of_the_notes_themselves_the_ceiling(run):
  rows = notes.spread_rows(54, 24)
  columns = {
    n: jnp.asarray(run.data.held_out.labels[n]) for n in ("pitch", "instrument", "velocity")
  }
  given = {n: run.data.held_out.labels[n][rows] for n in ("pitch", "velocity")}
  audio = jnp.asarray(np.stack([run.data.held_out[i]["audio"] for i in range(54)]))
  floor = jnp.zeros_like(audio).at[rows].set(sines(given["pitch"], given["velocity"]))
  config = run.config.copy_and_resolve_references()
  config.eval.generation_notes = 24
  run = run._replace(config=config)

  def chosen(params, given, rng, of):
    same = [columns[n][None] == given[n][:, None] for n in columns]
    return of[jnp.argmax(jnp.all(jnp.stack(same), axis=0), axis=1)]

  found = generation.measure_generation(
    with_sample(run, lambda params, given, rng: chosen(params, given, rng, floor))
  )
  assert found["generated"] == pytest.approx(found["floor"], rel=1e-3, abs=1e-4)
  assert set(found["generated"]) == set(found["ceiling"]) and found["notes"] == 24
  assert found["ceiling"]["pitch_yin"] > 0.9 and found["floor"]["pitch_yin"] > 0.9

  copied = generation.measure_generation(
    with_sample(run, lambda params, given, rng: chosen(params, given, rng, audio))
  )
  # Who generates the real notes themselves is the ceiling, in the measures of two sets as well.
  assert copied["generated"] == pytest.approx(copied["ceiling"], rel=1e-4, abs=1e-6)
  assert copied["ceiling"]["frechet"] < found["floor"]["frechet"]


def test_halves_have_the_same_labels_to_the_next_neighbour():
  rng = np.random.default_rng(0)
  # Families of very different sizes, with pitches of their own.
  family = np.repeat([0, 1, 2], [100, 20, 7])
  columns = {"family": family, "pitch": family * 30 + rng.integers(20, 50, family.size)}
  shuffled = rng.permutation(family.size)
  columns = {name: column[shuffled] for name, column in columns.items()}
  a, b = generation.deal(columns, ["family", "pitch"])
  assert len(a) == len(b) == 63 and len({*a, *b}) == 126
  for name, most in (("family", 0.05), ("pitch", 0.5)):
    assert abs(columns[name][a].mean() - columns[name][b].mean()) < most, name
  counts = [np.bincount(columns["family"][half], minlength=3) for half in (a, b)]
  assert np.abs(counts[0] - counts[1]).max() <= 1


def test_two_held_out_notes_leave_results_that_are_json(run, tmp_path):
  held_out = run.data.held_out.select(np.asarray([0, 30]))
  few = run._replace(data=run.data._replace(held_out=held_out))
  results = {name: measure(few) for name, measure in evaluate.MEASURES.items()}
  assert results["generation"] is None and results["pitch"] is not None
  evaluate.save_results({**results, "nothing": float("nan"), "none": [float("inf")]}, str(tmp_path))
  text = (tmp_path / "results.json").read_text()
  stored = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
  assert stored["nothing"] is None and stored["none"] == [None]
  assert result_tables.make_tables(["few"], [stored])


def test_what_is_measured_can_be_made_at_another_temperature(run):
  batches = [next(pipeline.eval_batches(run.data.held_out, 2))]
  echo = with_sample(run, lambda params, given, rng: given["temperature"])
  assert np.array_equal(list(generation.generate(echo, batches))[0], [1.0, 1.0])
  config = run.config.copy_and_resolve_references()
  config.eval.temperature = 0.25
  made = generation.generate(echo._replace(config=config), batches)
  assert np.array_equal(list(made)[0], [0.25, 0.25])


def test_louder_is_louder_where_the_gain_says_so_and_not_where_it_does_not(run):
  def louder(sign):
    def sample(params, given, rng):
      gain = 0.9 * given["velocity"] / 127.0
      tone = jnp.asarray(sines(np.full(1, 60), np.full(1, 127)))
      return tone * (gain if sign > 0 else 1.0 - gain)[:, None]

    return with_sample(run, sample)

  assert generation.measure_velocity(louder(1))["correlation"] == pytest.approx(1.0)
  assert generation.measure_velocity(louder(-1))["correlation"] == pytest.approx(-1.0)


def test_what_comes_back_as_it_was_is_at_no_distance(run):
  found = reconstruction.measure_waveform(
    with_method(
      run,
      full_level=False,
      encode=lambda params, batch, rng=None: batch["audio"],
      decode=lambda params, code, given, rng: code,
    )
  )
  assert found["notes"] == 12
  assert found["lsd_db"] == found["mcd_db"] == found["multi_resolution"] == 0.0
  assert found["si_sdr_db"] > 100


def test_measures_do_not_depend_on_the_batches(run):
  config = run.config.copy_and_resolve_references()
  config.eval.batch_size = 5
  other = run._replace(config=config)
  for measure in (latent.measure_use, latent.measure_probes, latent.measure_interpolation):
    found, expected = measure(other), measure(run)
    for name in expected:
      # Noise is drawn by batch: bounds are estimates, and what is read from draws is another's.
      if name in latent.probed_labels(run.data.vocabulary):
        continue
      loose = name in ("importance_weighted", "elbo")
      assert found[name] == pytest.approx(expected[name], rel=0.05 if loose else 1e-3), name


def test_the_bound_of_many_samples_is_the_nearer_one(run):
  assert run.config.method.prior == "flow" and "importance_weighted" not in latent.measure_use(run)
  config = run.config.copy_and_resolve_references()
  config.method.flow.probes = 0  # Its density is exact, and an estimate has no such bound.
  found = latent.measure_use(run._replace(config=config, method=make_method(config)))
  assert found["importance_weighted"] > found["elbo"]
  assert 0 <= found["active_units"] <= run.config.model.latent_dim


def test_a_code_that_is_the_family_is_clustered_and_probed(run):
  def encode(params, batch, rng=None):
    family = jnp.asarray(batch["family"], jnp.float32)
    return jnp.stack([10 * family, family, -family, 0 * family], axis=1)

  told = with_method(run, encode=encode)
  clusters, probes = latent.measure_clusters(told), latent.measure_probes(told)
  assert clusters["code"]["accuracy"] == 1.0 == probes["family"]
  assert set(clusters) == {"code", "features", "pca_4", "notes"}
  assert probes["family_chance"] < 0.7 and probes["pitch"] < 0.7


def test_a_trace_in_the_mean_that_the_posterior_drowns_is_not_in_the_code(run):
  def encode(params, batch, rng=None):
    mean = 1e-3 * jnp.asarray(batch["family"], jnp.float32)[:, None] * jnp.ones(4)
    return mean if rng is None else mean + jax.random.normal(rng, mean.shape)

  config = run.config.copy_and_resolve_references()
  config.eval.probe_notes = 54
  found = latent.measure_probes(with_method(run._replace(config=config), encode=encode))
  assert found["family_of_mean"] == 1.0 and found["family"] < 0.6


def test_a_straight_and_even_way_is_one(run):
  tone = sines(np.full(1, 60), np.full(1, 127))
  noise = 0.1 * np.random.default_rng(0).normal(size=tone.shape).astype(np.float32)

  def jump(params, code, given, rng):
    """One sound up to the middle of the way, another from there on."""
    return jnp.where(code[:, :1] > 0.5, tone, noise)

  def encode(params, batch, rng=None):
    return jnp.linspace(0, 1, batch["audio"].shape[0])[:, None].round()

  found = latent.measure_interpolation(with_method(run, encode=encode, decode=jump), steps=9)
  if found["straightness"] > 0:  # Some pair is of two different notes.
    assert found["largest_step"] == pytest.approx(8.0 * found["straightness"], rel=1e-3)


def test_factors_that_are_not_in_the_code_are_not_found(tfds_dir, monkeypatch):
  monkeypatch.setattr(latent, "_VOTES", 24)
  monkeypatch.setattr(latent, "_GROUP", 6)
  fields = {
    "data.tfds_dir": tfds_dir, "data.name": "synth_notes/factors_tiny", "eval.factor_notes": 12,
    "model.latent_dim": 4,
  }  # fmt: skip
  config = get_config("cvae", "tiny", **fields)
  data = pipeline.open_data(config.data)
  method = make_method(config, len(data.vocabulary.get("instrument").names))

  def encode(params, batch, rng=None):
    return jnp.stack([jnp.asarray(batch["pitch"], jnp.float32)] * 4, axis=1)

  run = measures.Run(config, method._replace(encode=encode), None, data)
  votes, fixed = latent._votes(run)
  assert votes.shape == (24, 6, 4) and fixed.shape == (24,)
  found = latent.measure_disentanglement(run)
  # The pitch is none of the factors, and every dimension is the same.
  assert found["mig"] == pytest.approx(0.0, abs=1e-6) and found["factor_vae"] < 0.6
  assert all(0.0 <= found[n] <= 1.0 for n in found if n != "notes")


def test_a_run_is_measured_in_full_by_one_command(tiny_run, tmp_path):
  import shutil

  copied = tmp_path / "run"
  shutil.copytree(tiny_run, copied)
  counts = [f"--set={name}=16" for name in evaluate.FULL]
  evaluate.main([f"--workdir={copied}", "--full", *counts])
  results = json.loads((copied / "results.json").read_text())
  # It has no factors, and is of sounds.
  assert set(evaluate.MEASURES) - set(results) == {"disentanglement", "own", "scores"}
  text = result_tables.describe(results)
  assert all(title in text for title in ("Fréchet distance", "active dimensions", "k-means"))


def test_the_classifier_learns_is_kept_and_hears_no_level(run, tmp_path):
  train = run.data.train
  audio = np.stack([train[i]["audio"] for i in range(len(train))])
  classes = run.data.vocabulary.classes
  columns = {name: train.labels[name] for name in classes}

  def read(rows):
    return {"audio": audio[rows], **{name: column[rows] for name, column in columns.items()}}

  classifier = classifier_lib.train(read, len(train), 40, classes, labels.SAMPLE_RATE)
  heard = classifier.predict(audio)
  assert heard.features.shape == (len(train), classifier_lib.NUM_FEATURES)
  for name, wanted in columns.items():
    often = np.bincount(wanted).max() / wanted.size
    assert np.mean(heard.predict(name) == wanted) > 1.4 * often, name
    np.testing.assert_allclose(heard.probabilities[name].sum(axis=1), 1.0, rtol=1e-4)
  softer = classifier.predict(0.3 * audio[:5] + 0.01, batch_size=3)
  np.testing.assert_allclose(softer.features, heard.features[:5], rtol=0.02, atol=0.05)
  path = str(tmp_path / "classifier.npz")
  classifier_lib.save(classifier, path)
  load = lambda name: classifier_lib.load(str(tmp_path / name), classes, labels.SAMPLE_RATE)
  np.testing.assert_array_equal(load("classifier.npz").predict(audio[:3]).features,
                                classifier.predict(audio[:3]).features)  # fmt: skip
  assert load("none.npz") is None
  assert classifier_lib.load(path, {"kind": 3}, labels.SAMPLE_RATE) is None
  (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04nothing")
  assert load("bad.npz") is None
  assert labels.NUM_PITCHES == heard.probabilities["pitch"].shape[1]
  assert set(notes.BATCH_LABELS) >= set(columns)
