import functools
import importlib

from conftest import ROOT
from conftest import example_batch
from conftest import get_config
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import methods
from cvae_jax.audio import representations
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import labels
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.sets import mixed_drums
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import feature_statistics
from cvae_jax.models import conv2d
from cvae_jax.models.common import layers

# Parameters of every config, exactly. A change here is a change of architecture: mean it.
PARAMETERS = {
  ("ae", ""): 2_433_664,
  ("ae", "thesis"): 67_556_353,
  ("vae", ""): 2_958_080,
  ("vae", "thesis"): 101_110_913,
  ("cvae", ""): 6_226_477,
  ("cvae", "thesis"): 138_634_113,
  ("cvae", "thesis,narrow"): 8_875_017,
  ("cvae_best", ""): 6_277_933,
  ("pretrained_notes", ""): 6_226_477,
  ("guided_vae", ""): 1_118_374,
  ("guided_vae", "labels"): 904_384,
  ("guided_vae", "vae"): 892_576,
  ("ddsp", ""): 413_259,
  ("ddsp_solo", ""): 289_215,
  ("ddsp_vae", ""): 745_801,
  ("pretrained_ddsp", ""): 745_801,
  ("mcnn", ""): 561_605,
  ("mcnn", "transposed"): 2_840_042,
  ("mcnn", "paper"): 7_951_850,
  ("mcnn", "notes"): 1_095_621,
  ("mcnn", "notes_mel"): 726_213,
  ("rave", ""): 17_622_578,  # The paper's 17.6 M.
  ("rave", "v2"): 31_536_000,
  ("rave", "small"): 1_067_425,
  ("musicvae", ""): 2_008_922,
  ("musicvae", "drums"): 1_871_616,
  ("musicvae", "flat16"): 2_402_394,
  ("musicvae", "melody16"): 3_455_066,
  ("musicvae", "trio16"): 6_544_564,
  ("musicvae", "flat16,small"): 873_818,
  ("musicvae", "melody16,small"): 1_072_474,
  ("musicvae", "paper"): 4_423_770,  # The package's 4.4 M.
  ("musicvae", "flat16,paper"): 235_250_778,
  ("musicvae", "melody16,paper"): 176_061_530,
  ("musicvae", "trio16,paper"): 220_694_196,
  ("drums", ""): 2_111_056,
  ("drums", "mixed"): 2_111_056,
  ("drums", "recorded"): 2_111_056,
  ("drums", "cvae"): 2_561_680,
  ("drums", "paper"): 57_075_777,
}


def count(config):
  if "crop" in config.method:
    config.method.crop = 8192  # It may be longer than a note.
  batch = example_batch()
  if "drums" in config.data:
    form = data_sets.make_form(config.data)
    vocabulary = drums.make_vocabulary(("a", "b"))
    if "mixed" in config.data:
      vocabulary = mixed_drums.make_vocabulary(config.data.mixed.names, ("a", "b"))
    zeros = {name: np.zeros(2, np.int32) for name in vocabulary.names}
    batch = {"audio": np.zeros((2, form.num_samples), np.float32), **zeros}
    plain = feature_statistics.FeatureStatistics(np.zeros(1), np.ones(1))
    statistics = plain if config.representation.standardize else None
    method = methods.make_method(config, form, vocabulary, statistics=statistics)
  elif "scores" in config.data:
    form = data_sets.make_form(config.data)
    batch = {form.key: np.zeros((2, *form.shape), np.int32)}
    method = methods.make_method(config, form, vocabulary_lib.Vocabulary())
  else:
    method = make_method(config, instruments=165)
  state = jax.eval_shape(lambda rng: method.init(rng, batch), jax.random.key(0))
  return sum(leaf.size for leaf in jax.tree.leaves(state.params))


def test_every_config_is_counted():
  assert {path.stem for path in (ROOT / "configs").glob("*.py")} == {n for n, _ in PARAMETERS}


@pytest.mark.parametrize("name,variant", PARAMETERS)
def test_parameter_counts(name, variant):
  assert count(get_config(name, variant)) == PARAMETERS[name, variant]


def make(name, shape, gaussian=True, pitched=False, **fields):
  config = get_config("cvae", "tiny", **{"model.name": name}).model
  config.update(fields)
  module = importlib.import_module(f"cvae_jax.models.{name}")
  representation = representations.Representation(
    shape=shape,
    floored=(True,) + (False,) * (shape[-1] - 1),
    frequencies_hz=tuple(np.linspace(0, 8000, shape[1])),
    encode=None,
    decode=None,
    level_db=None,
  )
  pitch = condition_lib.make_condition(("family", "pitch"), labels.make_vocabulary(["a", "b", "c"]))
  none = condition_lib.make_condition((), labels.make_vocabulary(["a", "b", "c"]))
  return module.make_model(config, representation, pitch if pitched else none, gaussian)


@pytest.mark.parametrize(
  "name,fields", [("conv1d", {}), ("conv2d", {}), ("conv2d", {"flat_channels": 3})]
)
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 13, 2), (126, 17, 1), (1, 3, 1)])
@pytest.mark.parametrize("pitched", [False, True])
def test_any_size_goes_in_and_comes_out(name, fields, shape, pitched):
  model = make(name, shape, pitched=pitched, **fields)
  x, c = jnp.ones((2, *shape)), jnp.ones((2, 11 + 128 if pitched else 0))
  params = jax.jit(model.init)(jax.random.key(0), x, c)
  latent = jax.jit(functools.partial(model.apply, method="encode"))(params, x, c)
  assert latent.mean.shape == latent.logvar.shape == (2, 4)
  np.testing.assert_array_equal(latent.logvar, 0.0)  # Of the prior's width before training.
  out = jax.jit(functools.partial(model.apply, method="decode"))(params, latent.mean, c)
  assert out.shape == (2, *shape) and out.dtype == jnp.float32


@pytest.mark.parametrize("name", ["conv1d", "conv2d"])
def test_levels_start_at_silence_and_the_other_channels_at_0(name):
  model = make(name, (8, 8, 2), linear_ranks=())
  x, c = jnp.ones((2, 8, 8, 2)), jnp.ones((2, 3))
  out = model.apply(
    jax.jit(model.init)(jax.random.key(0), x, c), jnp.ones((2, 4)), c, method="decode"
  )
  np.testing.assert_allclose(out[..., 0], layers.SILENCE, atol=0.01)
  np.testing.assert_array_equal(out[..., 1], 0.0)


@pytest.mark.parametrize("name", ["conv1d", "conv2d"])
def test_a_plain_autoencoder_has_no_variance(name):
  model = make(name, (8, 8, 1), gaussian=False)
  x, c = jnp.ones((2, 8, 8, 1)), jnp.ones((2, 0))
  params = jax.jit(model.init)(jax.random.key(0), x, c)
  assert model.apply(params, x, c, method="encode").logvar is None


def test_the_thesis_network_has_its_channels_mirrored():
  config = get_config("cvae", "thesis")
  if "crop" in config.method:
    config.method.crop = 8192  # It may be longer than a note.
  batch = example_batch()
  if "drums" in config.data:
    form = data_sets.make_form(config.data)
    vocabulary = mixed_drums.make_vocabulary(("synth_drums", "soundfont_drums"), ("a", "b"))
    zeros = {name: np.zeros(2, np.int32) for name in vocabulary.names}
    batch = {"audio": np.zeros((2, form.num_samples), np.float32), **zeros}
    method = methods.make_method(config, form, vocabulary)
  else:
    method = make_method(config, instruments=165)
  state = jax.eval_shape(lambda rng: method.init(rng, batch), jax.random.key(0))
  kernels = {k: v["kernel"].shape for k, v in state.params["params"].items() if "kernel" in v}
  assert [kernels[f"down_{i}"] for i in range(3)] == [
    (3, 3, 1, 32),
    (3, 3, 32, 64),
    (3, 3, 64, 128),
  ]
  assert [kernels[f"up_{i}"] for i in range(3)] == [(3, 3, 128, 64), (3, 3, 64, 32), (3, 3, 32, 1)]


@pytest.mark.parametrize(
  "field,name,says",
  [
    ("model.name", "transformer", "must be one of conv1d, conv2d, got 'transformer'"),
    ("model.name", "layers", "must be one of conv1d, conv2d, got 'layers'"),  # Of their kitchen.
    (
      "method.name",
      "transformer",
      "must be one of ddsp, mcnn, musicvae, rave, vae, got 'transformer'",
    ),
    ("method.name", "own.gan", ": there is no module own.gan with a function make_method"),
    ("method.name", "cvae_jax.level", ": there is no module cvae_jax.level with a function make"),
    (
      "method.name",
      "cvae_jax.core.errors",
      ": there is no module cvae_jax.core.errors with a function make",
    ),
  ],
)
def test_parts_that_are_not_there_are_named(field, name, says):
  with pytest.raises(errors.UserError) as error:
    get_config("cvae", "tiny", **{field: name})
  assert str(error.value).startswith(f"{field}{says}" if says[0] == ":" else f"{field} {says}")


def test_a_part_may_live_outside_the_package():
  config = get_config("cvae", "tiny", **{"model.name": "cvae_jax.models.conv2d"})
  make_method(config, instruments=1)


def test_strides_divide_frames_and_bins_as_neural_drum_machine_has_it():
  """512 x 87 to 171 x 44, 57 x 22 and 19 x 11 (Aouameur, Esling & Hadjeres 2019), and back."""
  settings = {"channels": (2, 3, 4), "kernel_size": 5, "kernel_bins": 11, "strides": (2, 3)}
  network = make("conv2d", (87, 512, 1), hidden_units=(10, 6), **settings)
  x, none = jnp.zeros((1, 87, 512, 1)), jnp.zeros((1, 0))
  variables = network.init(jax.random.key(0), x, none)
  assert network.apply(variables, x, none).shape == x.shape
  kernels = {k: v["kernel"].shape for k, v in variables["params"].items() if "kernel" in v}
  assert kernels["down_0"] == (5, 11, 1, 2) and kernels["down_dense_0"] == (11 * 19 * 4, 10)
  assert kernels["down_dense_1"] == (10, 6) and kernels["up_dense_0"][1] == 6
  assert kernels["up_dense_1"] == (6, 10) and kernels["start"] == (10, 11 * 19 * 4)


@pytest.mark.parametrize(
  "fields, message",
  [
    ({"model.strides": (2, 0)}, "model.strides must be two positive numbers"),
    ({"model.strides": (2, 2, 2)}, "model.strides must be two positive numbers"),
    ({"model.hidden_units": (0,)}, "hidden_units positive, got"),
    ({"model.strides": (2, 3), "model.upsampling": "resize"}, "stride and resize halve and double"),
  ],
)
def test_strides_that_cannot_be_are_refused(fields, message):
  with pytest.raises(errors.UserError, match=message):
    conv2d.check(get_config("cvae", "tiny", **{"model.name": "conv2d", **fields}))
