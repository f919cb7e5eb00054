from conftest import get_config
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cvae_jax.audio import warps
from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.data.synthetic import factors
from cvae_jax.methods.common import guidance
from cvae_jax.models.common import guidance as networks
from cvae_jax.training import state as state_lib


def section(**fields):
  config = guidance.get_config()
  config.update(fields)
  return config


def test_readers_learn_the_labels_and_codes_move_them_into_their_dimensions():
  x = np.random.default_rng(0).normal(size=(4096, 4)).astype(np.float32)
  labels = ((x[:, 0] > 0).astype(np.int32), (x[:, 3] > 0).astype(np.int32))
  guide = guidance.Guide(None, (2, 2))
  apply = lambda params, function, z: guide.apply(params, z, method=function)

  def descend(value, unpack, weights, steps=300):
    """Adam on the cost of (params, z) = unpack(value); returns the value, and the metrics."""
    config = section(kind="labels", excitation_weight=weights[0], inhibition_weight=weights[1])
    optimizer = optax.adam(1e-2)

    def loss(value):
      params, z = unpack(value)
      found = guidance.losses(config, apply, params, x[:, None, None], z, labels, 0.08)
      return found.cost, found.metrics

    @jax.jit
    def step(value, state):
      grads, metrics = jax.grad(loss, has_aux=True)(value)
      updates, state = optimizer.update(grads, state)
      return optax.apply_updates(value, updates), state, metrics

    state = optimizer.init(value)
    for _ in range(steps):
      value, state, metrics = step(value, state)
    return value, {k: float(v) for k, v in metrics.items()}

  z = jnp.asarray(x)
  params = guide.init(jax.random.key(0), z)
  params, found = descend(params, lambda params: (params, z), (1.0, 1.0))
  # The first label is in its own dimension, and the second in another: half of each is read.
  chance = np.log(2.0)
  assert 0.7 * chance < found["excitation"] < 1.2 * chance
  assert 0.7 * chance < found["critic"] < 1.2 * chance and found["inhibition"] > 1.0
  _, hidden = descend(z, lambda z: (params, z), (0.0, 1.0))
  assert hidden["inhibition"] < 0.1 * found["inhibition"]
  _, excited = descend((params, z), lambda both: both, (1.0, 0.0))
  assert excited["excitation"] < 0.1


def test_a_light_decoder_finds_the_tilt_and_the_transposition_that_notes_were_made_with():
  rng = np.random.default_rng(0)
  hz = tuple((110.0 * 2.0 ** (np.arange(48) / 12)).tolist())
  bump = 1.2 * np.exp(-((np.arange(48) - 24) ** 2) / 18.0) - 0.6
  base = jnp.asarray(np.broadcast_to(bump, (64, 6, 48)), jnp.float32)
  slopes, semitones = rng.normal(0, 3, 64), rng.normal(0, 2, 64)
  x = warps.transpose(base, jnp.asarray(semitones, jnp.float32), hz)
  x = warps.tilt(x, jnp.asarray(slopes, jnp.float32), hz, 40.0)[..., None]
  guide = guidance.Guide(networks.LightDecoder(6, hz, 40.0), ())
  config = section(kind="transformations", orthogonality_weight=0.0)
  z = 0.1 * jax.random.normal(jax.random.key(1), (64, 4))
  params = {"guide": guide.init(jax.random.key(0), z), "z": z}
  apply = lambda params, function, z: guide.apply(params["guide"], z, method=function)
  optimizer = optax.adam(3e-3)

  @jax.jit
  def step(params, state):
    loss = lambda params: guidance.losses(config, apply, params, x, params["z"], (), 1.0).cost
    updates, state = optimizer.update(jax.grad(loss)(params), state)
    return optax.apply_updates(params, updates), state

  state = optimizer.init(params)
  for _ in range(800):
    params, state = step(params, state)
  z = np.asarray(params["z"])
  correlations = [np.corrcoef(z[:, i], y)[0, 1] for i, y in enumerate((slopes, semitones))]
  assert min(correlations) > 0.9, correlations


def test_factors_are_divided_evenly_on_the_scale_that_they_are_drawn_on():
  config = section(kind="labels", labels=("attack",), classes=4)
  (target,) = guidance.make_targets(config, make_vocabulary())
  column = factors.NAMES.index("attack")
  values = np.zeros((8, len(factors.NAMES)), np.float32)
  values[:, column] = factors.FACTORS["attack"].at((np.arange(8) + 0.5) / 8)
  np.testing.assert_array_equal(target.read({"factors": values}), np.arange(8) // 2)


def make_vocabulary():
  from cvae_jax.data import labels

  return labels.make_vocabulary(("organ_synthetic_000",))


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"labels": ("loudness",)}, "names 'loudness': it must be one of .*brightness"),
    ({"labels": ("family", "family")}, "names 'family' twice"),
    ({"labels": ("instrument",)}, "names 'instrument': it must be one of"),
  ],
)
def test_labels_that_cannot_guide_are_named(fields, message):
  with pytest.raises(errors.UserError, match=message):
    guidance.make_targets(section(kind="labels", **fields), make_vocabulary())


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"kind": "both"}, "must be one of none, transformations, labels"),
    ({"kind": "labels"}, "labels must be given where"),
    ({"kind": "none", "labels": ("family",)}, "labels must be given where"),
    ({"classes": 1}, "classes must be at least 2"),
    ({"light_weight": -1.0}, "light_weight must be 0 or more"),
  ],
)
def test_fields_that_it_cannot_use_are_refused(fields, message):
  config = get_config("cvae", "tiny", **{f"method.guidance.{k}": v for k, v in fields.items()})
  with pytest.raises(errors.UserError, match=message):
    guidance.check(config)


def test_notes_without_factors_and_features_without_levels_are_refused(real_batch):
  fields = {"method.guidance.kind": "labels", "method.guidance.labels": ("attack",)}
  method = make_method(get_config("cvae", "tiny", **fields), instruments=8)
  state = jax.jit(method.init)(jax.random.key(0), real_batch)
  with pytest.raises(errors.UserError, match="'attack', a factor of the notes of synth_notes/f"):
    jax.jit(method.train_step)(state, real_batch)
  light = {"method.guidance.kind": "transformations"}
  with pytest.raises(errors.UserError, match="must be over 3, got 3"):
    make_method(get_config("cvae", "tiny", **light, **{"model.latent_dim": 3}), instruments=8)
  config = get_config("cvae", "tiny", **light, **{"model.latent_dim": 8})
  config_lib.set_part(config, "representation", "mdct")
  with pytest.raises(errors.UserError, match="needs features that are levels over frequency"):
    make_method(config, instruments=8)


def test_a_guided_run_says_what_guides_it_and_is_used_as_any_other(real_batch):
  for kind, labels in (("transformations", ()), ("labels", ("family", "source"))):
    fields = {
      "method.guidance.kind": kind, "method.guidance.labels": labels, "model.latent_dim": 6
    }  # fmt: skip
    method = make_method(get_config("vae", "tiny", **fields), instruments=8)
    state = jax.jit(method.init)(jax.random.key(0), real_batch)
    state, metrics = jax.jit(method.train_step)(state, real_batch)
    expected = (
      {"light", "orthogonality"} if labels == () else {"excitation", "inhibition", "critic"}
    )
    assert expected < set(metrics) and np.isfinite(float(metrics["loss"]))
    assert isinstance(state, state_lib.TrainState) and "guide" in state.params["params"]
