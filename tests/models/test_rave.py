import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import pqmf
from cvae_jax.models.common import discriminators
from cvae_jax.models.common import rave
from cvae_jax.models.common import rave_layers
from cvae_jax.models.common import rave_stream
from cvae_jax.models.common import streaming

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "rave.npz"
SIZES = {"num_bands": 4, "capacity": 2, "ratios": (4, 2)}
DILATIONS = ((1, 3), (1,))
DIM, HOP = 3, 32


def make(version, causal=False, dilations=(1, 3, 5)):
  version, _, activation = version.partition(" ")
  activation = activation or rave_layers.LEAKY
  shared = {**SIZES, "causal": causal, "use_bias": False}
  if version == "v1":
    decoder = rave.DecoderV1(
      **shared, dilations=dilations, noise_ratios=(4, 2), activation=activation
    )
    return rave.EncoderV1(**shared, latent_dim=DIM), decoder
  shared |= {"dilations": DILATIONS, "activation": activation}
  decoder = rave.DecoderV2(**shared, noise_ratios=(2, 2, 2), noise_hidden=4)
  return rave.EncoderV2(**shared, latent_dim=DIM), decoder


@pytest.fixture(scope="module")
def package():
  """What the published package makes, and its weights, by version and part."""
  tree = {}
  with np.load(FIXTURE) as arrays:
    for key in arrays.files:
      *path, name = key.split("/")
      node = tree
      for part in path:
        node = node.setdefault(part, {})
      node[name] = arrays[key]
  return tree


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_packages_weights_give_the_packages_values(version, package):
  found = package[version]
  encoder, decoder = make(version)
  encoded = jax.jit(encoder.apply)(found["encoder"], found["bands"])
  np.testing.assert_allclose(encoded, found["encoded"], atol=1e-5)
  assert np.abs(found["encoded"]).max() > 0.01
  rng = jax.random.key(1)
  decoded = jax.jit(decoder.apply)(found["decoder"], found["z"], rng)
  np.testing.assert_allclose(decoded, found["decoded"], atol=1e-5)
  silent = jax.jit(decoder.apply)(found["decoder"], found["z"])
  assert np.abs(silent - decoded).max() > 0.01  # Noise is a part of what is compared.
  net = discriminators.make_v1(2) if version == "v1" else discriminators.make_v2(2)
  features = jax.jit(net.apply)(found["discriminator"], found["audio"])
  # Periods are before time here.
  scores = [np.asarray(f[-1][..., 0]) for f in features]
  scores = [x.swapaxes(1, 2) if x.ndim == 3 else x for x in scores]
  np.testing.assert_allclose(
    np.concatenate([x.reshape(-1) for x in scores]), found["scores"], atol=1e-5
  )


@pytest.mark.parametrize(
  "networks,millions",
  [
    ((rave.EncoderV1(), rave.DecoderV1()), (4.84, 12.79)),
    ((rave.EncoderV2(), rave.DecoderV2()), (16.06, 15.48)),
  ],
)
def test_networks_have_the_originals_number_of_parameters(networks, millions):
  inputs = ((1, 128, 16), (1, 1, 128))
  for network, shape, expected in zip(networks, inputs, millions, strict=True):
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros(shape))["params"]
    count = sum(math.prod(x.shape) for x in jax.tree.leaves(shapes))
    assert round(count / 1e6, 2) == expected


def start(version, causal):
  """Networks with statistics and biases off their start."""
  encoder, decoder = make(version, causal, dilations=(3,))
  rng = jax.random.key(0)
  variables = [
    jax.jit(encoder.init)(rng, jnp.zeros((1, 8, 4))),
    jax.jit(decoder.init)(rng, jnp.zeros((1, 1, DIM)), rng),
  ]
  return encoder, decoder, *(jax.tree.map(lambda x: x + 0.05, v) for v in variables)


def test_snake_is_the_packages():
  x = jax.random.normal(jax.random.key(0), (2, 5, 3))
  rate = jnp.array([0.5, 1.0, 3.0])
  found = rave_layers.Activation(rave_layers.SNAKE).apply({"params": {"rate": rate}}, x)
  # blocks.Snake: x + (alpha + 1e-9).reciprocal() * (alpha * x).sin().pow(2)
  np.testing.assert_allclose(found, x + np.sin(rate * x) ** 2 / rate, atol=1e-6)
  variables = rave_layers.Activation(rave_layers.SNAKE).init(jax.random.key(0), x)
  assert np.array_equal(variables["params"]["rate"], np.ones(3))
  assert not rave_layers.Activation().init(jax.random.key(0), x)


@pytest.mark.parametrize(
  ("version", "causal"),
  [("v1", True), ("v1", False), ("v2", True), ("v2", False), ("v2 snake", False)],
)
def test_blocks_are_those_of_the_whole(version, causal):
  encoder, decoder, encoder_variables, decoder_variables = start(version, causal)
  frames, rng = 36, jax.random.key(5)
  audio = jax.random.normal(jax.random.key(1), (2, frames * HOP))
  z = jax.random.normal(jax.random.key(2), (2, frames, DIM))
  bank, late = rave_stream.encoding_delay(encoder, encoder_variables)
  delayed = jnp.pad(audio, [(0, 0), (bank, -bank % HOP)])
  encoded = jax.jit(encoder.apply)(encoder_variables, pqmf.to_bands(delayed, 4))
  decoded = pqmf.from_bands(jax.jit(decoder.apply)(decoder_variables, z, rng))
  later = rave_stream.decoding_delay(decoder, decoder_variables, DIM, rng)
  if causal:
    assert late == 0 and later == pqmf.latency(4)[1]
  else:
    assert late > 0 and later > pqmf.latency(4)[1]
  folded = [
    {**v, "params": streaming.fold_weight_norm(v["params"])}
    for v in (encoder_variables, decoder_variables)
  ]
  encode = jax.jit(lambda carry, x: rave_stream.encode_block(encoder, folded[0], carry, x))
  decode = jax.jit(lambda carry, z: rave_stream.decode_block(decoder, folded[1], carry, z, rng))
  for count in (1, 12) if causal else (3,):
    there = rave_stream.begin_encoding(encoder, folded[0], 2, count * HOP)
    back = rave_stream.begin_decoding(decoder, folded[1], 2, count, DIM, rng)
    latents, waveforms = [], []
    for n in range(0, frames, count):
      outputs, there = encode(there, audio[:, n * HOP : (n + count) * HOP])
      waveform, back = decode(back, z[:, n : n + count])
      latents.append(outputs)
      waveforms.append(waveform)
    latents, waveform = np.concatenate(latents, 1), np.concatenate(waveforms, 1)
    np.testing.assert_allclose(latents[:, late:], encoded[:, : frames - late], atol=1e-5)
    scale = np.abs(decoded).max()
    np.testing.assert_allclose(
      waveform[:, later:] / scale, decoded[:, : frames * HOP - later] / scale, atol=1e-5
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_causal_model_sees_nothing_that_follows(version):
  encoder, decoder, encoder_variables, decoder_variables = start(version, True)
  bands = jax.random.normal(jax.random.key(1), (1, 80, 4))
  encode, decode = (jax.jit(network.apply) for network in (encoder, decoder))
  outputs = [encode(encoder_variables, x) for x in (bands, bands.at[:, 41:].add(1.0))]
  np.testing.assert_array_equal(outputs[0][:, :6], outputs[1][:, :6])
  assert np.abs(outputs[0] - outputs[1])[:, 6:].max() > 1e-3
  z = jax.random.normal(jax.random.key(1), (1, 10, DIM))
  outputs = [decode(decoder_variables, x) for x in (z, z.at[:, 5:].add(1.0))]
  np.testing.assert_array_equal(outputs[0][:, :40], outputs[1][:, :40])
  assert np.abs(outputs[0] - outputs[1])[:, 40:].max() > 1e-3


def test_training_moves_the_statistics_and_evaluation_uses_them():
  encoder, _ = make("v1")
  bands = 3.0 + jax.random.normal(jax.random.key(0), (2, 64, 4))
  variables = encoder.init(jax.random.key(1), bands)
  outputs, updated = encoder.apply(variables, bands, train=True, mutable=["batch_stats"])
  assert np.abs(updated["batch_stats"]["BatchNorm_0"]["mean"]).max() > 0.01
  after = encoder.apply({**variables, **updated}, bands)
  assert np.abs(outputs - after).max() > 1e-4
  assert np.abs(encoder.apply(variables, bands) - after).max() > 1e-5


def test_noise_is_filtered_by_the_causal_half_of_its_response():
  amplitudes = jnp.ones((1, 5))
  noise = jax.random.normal(jax.random.key(0), (1, 64))
  # A flat spectrum is an impulse: the noise as it is.
  np.testing.assert_allclose(rave_layers.shape_noise(amplitudes, noise), noise, atol=1e-5)
  one = jnp.zeros((1, 64)).at[0, 10].set(1.0)
  shape = jnp.asarray([[1.0, 0.5, 0.2, 0.1, 0.0]])
  response = np.asarray(rave_layers.shape_noise(shape, one))[0]
  full = np.fft.irfft(np.asarray(shape[0]))
  window = 0.5 + 0.5 * np.cos(2 * np.pi * np.arange(8) / 8)
  np.testing.assert_allclose(response[10:14], (full * window)[:4], atol=1e-6)
  np.testing.assert_allclose(response[14:], 0.0, atol=1e-6)
  np.testing.assert_allclose(response[:10], 0.0, atol=1e-6)


def test_a_posterior_has_the_deviation_of_its_numbers():
  outputs = jnp.asarray([[[1.0, -2.0, 0.0, 3.0]]])
  latent = rave.posterior(outputs)
  np.testing.assert_array_equal(latent.mean, [[[1.0, -2.0]]])
  deviation = np.log1p(np.exp([0.0, 3.0])) + 1e-4
  np.testing.assert_allclose(np.exp(0.5 * latent.logvar[0, 0]), deviation, rtol=1e-5)


def test_frames_that_the_noise_does_not_divide_are_refused():
  decoder = rave.DecoderV2(**SIZES, dilations=DILATIONS, noise_ratios=(4, 4))
  with pytest.raises(ValueError, match="24 frames are no multiple of the noise's 16"):
    jax.eval_shape(decoder.init, jax.random.key(0), jnp.zeros((1, 3, DIM)))
