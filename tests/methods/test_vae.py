import functools

from conftest import get_config
from conftest import labels_of
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.core import errors


@pytest.fixture(scope="module")
def batch(real_batch):
  return real_batch


@functools.cache
def _build(name, overrides):
  method = make_method(get_config(name, "tiny", **dict(overrides)), instruments=8)
  jitted = {
    k: jax.jit(f) if callable(f) and k != "level_db" else f for k, f in method._asdict().items()
  }
  return method._replace(**jitted)


def build(name="cvae", **overrides):
  """The method of a tiny config, compiled once for all tests."""
  return _build(name, tuple(sorted(overrides.items())))


def train(method, batch, steps):
  state = jax.jit(method.init)(jax.random.key(0), batch)
  for _ in range(steps):
    state, metrics = method.train_step(state, batch)
  return state, {k: float(v) for k, v in metrics.items()}


LONG = {
  "train.steps": 300,
  "optimizer.learning_rate": 5e-3,
  "method.beta": 0.1,
  "model.channels": (32, 32, 32),
  "model.linear_ranks": (),  # What a run fits before its first step.
  "method.prior": "standard",
}


@pytest.fixture(scope="module")
def fitted(batch):
  method = build(**LONG)
  return method, *train(method, batch, 300)


def test_one_batch_can_be_learnt_by_heart(fitted, batch):
  method, _, metrics = fitted
  first, before = train(method, batch, 1)
  assert int(first.step) == 1
  assert metrics["rmse_db"] < 0.35 * before["rmse_db"]


def test_the_condition_matters(fitted, batch):
  method, state, _ = fitted
  shifted = {**batch, "pitch": jnp.roll(batch["pitch"], 1), "family": jnp.roll(batch["family"], 1)}
  rng = jax.random.key(1)
  right = np.asarray(method.score(state.best_params, batch, rng))
  wrong = np.asarray(method.score(state.best_params, shifted, rng))
  assert (right > wrong).mean() >= 0.8
  a, b = (method.sample(state.best_params, labels_of(x), rng) for x in (batch, shifted))
  assert np.abs(np.asarray(a - b)).max() > 0.01


def test_a_generated_note_has_the_level_of_its_velocity(fitted, batch):
  method, state, _ = fitted
  given = {**batch, "velocity": jnp.asarray([25, 50, 75, 100, 127, 127, 127, 127])}
  audio = np.asarray(method.sample(state.best_params, labels_of(given), jax.random.key(0)))
  expected = 0.89 * (np.asarray(given["velocity"]) / 127) ** 2
  np.testing.assert_allclose(np.abs(audio).max(axis=1), expected, rtol=1e-3)


def test_a_reconstruction_has_the_level_of_its_original(fitted, batch):
  method, state, _ = fitted
  audio = np.asarray(method.reconstruct(state.best_params, batch, jax.random.key(0)))
  original = np.array(batch["audio"])
  original -= original.mean(axis=1, keepdims=True)
  np.testing.assert_allclose(np.abs(audio).max(axis=1), np.abs(original).max(axis=1), rtol=1e-3)


def test_the_loss_is_the_negative_elbo_per_feature(batch):
  method = build(**{"method.beta": 1.0, "method.beta_warmup_steps": 0})
  state = jax.jit(method.init)(jax.random.key(0), batch)
  state = state.replace(step=jnp.asarray(1))
  _, rng = jax.random.split(jax.random.fold_in(state.rng, 1))
  num_features = np.prod(method.features(batch).shape[1:])
  _, metrics = method.train_step(state, batch)
  elbo = method.score(state.best_params, batch, rng)
  assert float(metrics["loss"]) == pytest.approx(-float(elbo.mean()) / num_features, rel=1e-5)
  parts = float(metrics["nll"]) + float(metrics["kl"]) / num_features
  assert float(metrics["loss"]) == pytest.approx(parts, rel=1e-5)


def test_labels_do_not_reach_an_unconditional_model(batch):
  method = build("vae")
  state = jax.jit(method.init)(jax.random.key(0), batch)
  other = {**batch, "pitch": batch["pitch"] + 5, "family": batch["family"] * 0}
  rng = jax.random.key(1)
  np.testing.assert_array_equal(
    method.score(state.best_params, batch, rng), method.score(state.best_params, other, rng)
  )


@pytest.mark.parametrize(
  "model,representation",
  [
    ("conv1d", "log_magnitude_if"),
    ("conv2d", "mdct"),
    *(
      pytest.param(model, name, marks=pytest.mark.slow)
      for model, name in (
        ("conv1d", "log_mel"),
        ("conv1d", "waveform"),
        ("conv1d", "cqt"),
        ("conv1d", "log_mel_if"),
        ("conv1d", "mdct"),
        ("conv1d", "pqmf"),
        ("conv2d", "log_magnitude"),
        ("conv2d", "log_magnitude_if"),
      )
    ),
  ],
)
def test_networks_learn_and_play_every_representation(batch, model, representation):
  fields = {"model.name": model, "representation.name": representation}
  method = build(**fields, **{"optimizer.learning_rate": 5e-3})
  state = jax.jit(method.init)(jax.random.key(0), batch)
  nll = []
  for _ in range(25):  # Where 0 is the best constant, the first of them only get back to it.
    state, metrics = method.train_step(state, batch)
    nll.append(float(metrics["nll"]))
  assert np.isfinite(nll).all() and min(nll[-3:]) < nll[0]
  audio = np.asarray(method.sample(state.best_params, labels_of(batch), jax.random.key(0)))
  assert audio.shape == (8, 64_000) and np.isfinite(audio).all()


@pytest.mark.slow
def test_training_varies_the_notes_and_evaluation_does_not(batch):
  varied = build(**{"augment.equaliser_db": 3.0, "augment.envelope_db": 2.0})
  plain = build()
  _, a = train(varied, batch, 1)
  _, b = train(plain, batch, 1)
  assert a["nll"] != b["nll"]
  state = jax.jit(plain.init)(jax.random.key(0), batch)
  rng = jax.random.key(1)
  np.testing.assert_array_equal(
    varied.score(state.best_params, batch, rng), plain.score(state.best_params, batch, rng)
  )


@pytest.mark.slow
def test_bfloat16_comes_near_float32(batch):
  method = build()
  half = build(**{"model.dtype": "bfloat16"})
  _, a = train(method, batch, 5)
  _, b = train(half, batch, 5)
  assert b["loss"] == pytest.approx(a["loss"], rel=0.02)


def test_the_numbers_of_the_first_steps_are_what_they_were(batch):
  """Golden: changes here mean that runs of older versions cannot be continued."""
  settings = {"model.linear_ranks": (), "method.prior": "standard", "method.onset_weight": 1.0}
  method = build(**{"model.channels": (8, 8, 8), **settings})
  state, metrics = train(method, batch, 3)
  norm = float(sum(jnp.sum(jnp.abs(p)) for p in jax.tree.leaves(state.params)))
  assert [metrics["loss"], metrics["kl"], norm] == pytest.approx(GOLDEN, rel=2e-4)


GOLDEN = [18.790527, 0.70639229, 3715.2791]


# Several at a time, where they do not stand in each other's way: each by itself has its own tests.
OPTIONS = {
  "observation": {
    "method.likelihood": "laplace",
    "method.learn_sigma": True,
    "method.perceptual": True,
  },
  "prior and condition": {
    "method.prior": "gaussian",
    "method.prior_levels": (2,),
    "method.free_bits": 0.1,
    "condition.drop_rate": 0.3,
    "method.leak_weight": 10.0,
  },
  "penalties": {
    "method.capacity": 5.0,
    "method.capacity_steps": 10,
    "method.tc_weight": 4.0,
    "method.mmd_weight": 10.0,
    "method.beta_cycle_steps": 10,
  },
  "denoising and sparse": {
    "method.posterior": "point",
    "method.sparsity": "kl",
    "method.corruption": "time_mask",
    "method.corruption_amount": 0.3,
  },
  "spectral": {"method.spectral_weight": 100.0, "representation.name": "mdct"},
  "wasserstein": {
    "method.posterior": "point",
    "method.mmd_weight": 1000.0,
    "method.mmd_by": "family",
    "model.conditioning": "film",
  },
}
QUICK = ("prior and condition",)
SMALL = {
  "model.name": "conv2d",
  "representation.name": "log_mel",
  "representation.n_fft": 1024,
  "representation.win_length": 1024,
  "representation.hop_length": 1024,
  "representation.n_mels": 16,
}
NETWORKS = {
  "resize": {
    "model.downsampling": "max_pool",
    "model.upsampling": "resize",
    "model.conditioning": "film",
    "model.norm": "group",
    "model.activation": "silu",
  },
  "subpixel": {
    "model.downsampling": "blur_pool",
    "model.upsampling": "subpixel",
    "model.conditioning": "both",
    "model.norm": "layer",
    "model.residual_blocks": 1,
    "model.output_size": "zero_pad",
  },
  "strided": {
    "model.kernel_bins": 5,
    "model.strides": (2, 3),
    "model.hidden_units": (12, 6),
    "model.norm": "group",
    "model.conditioning": "both",
  },
}


@pytest.mark.parametrize(
  "fields",
  [
    *(
      pytest.param(fields, id=name, marks=() if name in QUICK else pytest.mark.slow)
      for name, fields in OPTIONS.items()
    ),
    *(
      pytest.param({**SMALL, **fields}, id=name, marks=() if name in QUICK else pytest.mark.slow)
      for name, fields in NETWORKS.items()
    ),
  ],
)
def test_every_option_learns_and_plays(batch, fields):
  method = build(**{"optimizer.learning_rate": 5e-3, **fields})
  state = jax.jit(method.init)(jax.random.key(0), batch)
  nll = []
  for _ in range(15):
    state, metrics = method.train_step(state, batch)
    nll.append(float(metrics["nll"]))
  assert np.isfinite(nll).all() and min(nll[-3:]) < nll[0]
  moved = jax.tree.map(
    lambda a, b: float(jnp.abs(a - b).max()),
    state.params,
    jax.jit(method.init)(jax.random.key(0), batch).params,
  )
  # Every parameter is learnt: none has been left out of the loss.
  still = [path for path, change in jax.tree_util.tree_leaves_with_path(moved) if change == 0.0]
  assert not still
  play = method.sample if method.can_sample else method.reconstruct
  audio = np.asarray(play(state.best_params, {**batch, **labels_of(batch)}, jax.random.key(0)))
  assert audio.shape == (8, 64_000) and np.isfinite(audio).all()
  masked = {**batch, "mask": jnp.ones(8)}
  sums = method.eval_step(state.best_params, masked, jax.random.key(0))
  assert all(np.isfinite(float(total)) for total, _ in sums.values())


def test_the_elbo_is_the_mean_log_weight_and_below_the_importance_weighted_bound(fitted, batch):
  """Burda et al. 2016. The first checks the closed KL, prior and posterior against sampling."""
  method, state, _ = fitted
  keys = [jax.random.key(i) for i in range(128)]
  scores = np.stack([method.score(state.best_params, batch, key) for key in keys])
  weights = np.stack([method.log_weight(state.best_params, batch, key) for key in keys])
  error = np.std(weights - scores, axis=0) / np.sqrt(len(keys))
  assert (np.abs(weights.mean(axis=0) - scores.mean(axis=0)) < 4 * error).all()
  assert (error < 0.5).all()
  bound = np.asarray(jax.nn.logsumexp(jnp.asarray(weights), axis=0)) - np.log(len(keys))
  assert (bound > scores.mean(axis=0)).all()


def test_evaluation_states_the_bound_in_nats_and_bits(fitted, batch):
  method, state, _ = fitted
  masked = {**batch, "mask": jnp.ones(8)}
  rng = jax.random.key(4)
  sums = method.eval_step(state.best_params, masked, rng)
  average = {name: float(total) / float(count) for name, (total, count) in sums.items()}
  elbo = float(method.score(state.best_params, batch, rng).mean())
  assert average["elbo"] == pytest.approx(elbo, rel=1e-4)
  num_features = np.prod(method.features(batch).shape[1:])
  assert average["bits_per_dim"] == pytest.approx(-elbo / num_features / np.log(2), rel=1e-4)


@pytest.mark.slow
def test_an_encoder_that_plays_against_a_critic_says_less_of_the_labels(batch):
  fields = {**LONG, "train.steps": 200}
  found = {}
  for weight in (1e-6, 3000.0):  # The first is one that only reads.
    method = build(**fields, **{"method.leak_weight": weight})
    found[weight] = train(method, batch, 200)[1]
  # Of eight notes' pitch, family and source, log(8) + log(8) + log(2) nats say nothing.
  assert found[1e-6]["critic"] < 0.5 < 2.0 < found[3000.0]["critic"] < 8.0
  assert found[3000.0]["leak"] < 0.3 * found[1e-6]["leak"]
  assert found[3000.0]["kl"] < 2.0 * found[1e-6]["kl"]  # And z is not driven away.


def test_a_wasserstein_autoencoder_has_codes_that_are_normal_in_every_class(batch):
  """Tolstikhin et al. 2018: without the penalty codes are anywhere, and nothing can be drawn."""
  fields = {
    "method.posterior": "point",
    "method.prior": "standard",
    "optimizer.learning_rate": 5e-3,
  }
  plain = build(**fields)
  assert not plain.can_sample
  classes = {**batch, "family": jnp.asarray([0, 0, 0, 0, 3, 3, 3, 3])}
  found = {}
  for weight in (1e-3, 1e5):
    method = build(**fields, **{"method.mmd_weight": weight, "method.mmd_by": "family"})
    state = jax.jit(method.init)(jax.random.key(0), classes)
    for _ in range(30):
      state, metrics = method.train_step(state, classes)
    found[weight] = float(metrics["mmd"])
    assert method.can_sample
  # Of four points a class the estimate may be negative.
  assert found[1e-3] > 1.0 and found[1e5] < 0.1 * found[1e-3]


@pytest.mark.parametrize(
  "fields, message",
  [
    ({"method.mmd_by": "colour"}, "method.mmd_by must be a label of names .* got 'colour'"),
    ({"method.mmd_by": "pitch"}, "method.mmd_by must be a label of names"),
    ({"train.accumulate_steps": 2}, "train.accumulate_steps must be 1, got 2"),
  ],
)
def test_a_discrepancy_that_cannot_be_is_refused(fields, message):
  with pytest.raises(errors.UserError, match=message):
    build(**{"method.mmd_weight": 10.0, **fields})


def test_a_label_that_is_not_known_is_no_label(batch):
  method = build(**{"condition.drop_rate": 0.5})
  state, _ = train(method, batch, 3)
  unknown = {**batch, "pitch": jnp.full(8, -1), "family": jnp.full(8, -1)}
  other = {**batch, "pitch": jnp.full(8, -7), "family": jnp.full(8, -2)}
  rng = jax.random.key(0)
  a, b, c = (method.score(state.best_params, x, rng) for x in (batch, unknown, other))
  np.testing.assert_array_equal(b, c)
  assert np.abs(a - b).max() > 0
