import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.models.common import streaming


def run(module, variables, x, block):
  """A stream's output, in blocks of a size."""
  advance = jax.jit(lambda carry, block: streaming.advance(module, variables, carry, block))
  carry = streaming.begin(module, variables, x[:, :block])
  outputs = []
  for start in range(0, x.shape[1], block):
    output, carry = advance(carry, x[:, start : start + block])
    outputs.append(output)
  return np.concatenate(outputs, axis=1)


def reference(x, kernel, stride, padding, dilation, groups):
  """A convolution by its definition."""
  x = np.pad(x, [(0, 0), padding, (0, 0)]).astype(np.float64)
  taps, per_group, features = kernel.shape
  count = (x.shape[1] - (taps - 1) * dilation - 1) // stride + 1
  outputs = np.zeros((x.shape[0], count, features))
  for o in range(features):
    first = o // (features // groups) * per_group
    for t in range(taps):
      part = x[:, t * dilation :][:, ::stride][:, :count, first : first + per_group]
      outputs[:, :, o] += part @ kernel[t, :, o]
  return outputs


CONVS = [
  {"kernel_size": 7},
  {"kernel_size": 3, "dilation": 9},
  {"kernel_size": 9, "stride": 4},
  {"kernel_size": 8, "stride": 4},
  {"kernel_size": 5, "groups": 2},
  {"kernel_size": 5, "stride": 2, "groups": 2},
]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("settings", CONVS)
def test_a_convolution_is_that_of_the_definition_whole_and_in_blocks(settings, causal):
  module = streaming.Conv(6, causal=causal, **settings)
  x = jax.random.normal(jax.random.key(0), (2, 48, 4))
  variables = module.init(jax.random.key(1), x)
  whole = module.apply(variables, x)
  stride, dilation = settings.get("stride", 1), settings.get("dilation", 1)
  padding = streaming.same_padding(settings["kernel_size"], dilation, causal)
  params = jax.tree.map(np.asarray, variables["params"])
  expected = reference(
    np.asarray(x), params["kernel"], stride, padding, dilation, settings.get("groups", 1)
  )
  np.testing.assert_allclose(whole, expected + params["bias"], atol=1e-5)
  late = streaming.delay(module, variables, x[:, :stride])
  assert late == (0 if causal else -(-padding[1] // stride))
  for block in (4, 12) if causal else (4,):
    blocks = run(module, variables, x, block)
    np.testing.assert_allclose(blocks[:, late:], whole[:, : whole.shape[1] - late], atol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_a_transposed_convolution_adds_each_frames_kernel(causal):
  module = streaming.ConvTranspose(3, stride=4, causal=causal)
  x = jax.random.normal(jax.random.key(0), (2, 12, 5))
  variables = module.init(jax.random.key(1), x)
  kernel, bias = (np.asarray(variables["params"][k]) for k in ("kernel", "bias"))
  full = np.zeros((2, 4 * 13, 3))
  for n in range(12):
    full[:, 4 * n : 4 * n + 8] += np.einsum("bc,cko->bko", np.asarray(x[:, n]), kernel)
  early = 0 if causal else 2
  whole = module.apply(variables, x)
  np.testing.assert_allclose(whole, full[:, early : early + 48] + bias, atol=1e-5)
  late = streaming.delay(module, variables, x[:, :1])
  assert late == early
  for block in (1, 4):
    blocks = run(module, variables, x, block)
    np.testing.assert_allclose(blocks[:, late:], whole[:, : 48 - late], atol=1e-5)


def test_weight_norm_begins_as_its_kernel_and_folds_away():
  x = jax.random.normal(jax.random.key(0), (1, 16, 4))
  for module, channels in (
    (streaming.Conv(6, 3, weight_norm=True), 6),
    (streaming.ConvTranspose(6, 2, weight_norm=True), 4),
  ):
    variables = module.init(jax.random.key(1), x)
    plain = type(module)(6, module.kernel_size if hasattr(module, "kernel_size") else 2)
    params = dict(variables["params"])
    assert params["scale"].size == channels
    scale = params.pop("scale")
    start = plain.apply({"params": params}, x)
    np.testing.assert_allclose(module.apply(variables, x), start, atol=1e-6)
    # Twice the length is twice the output, and a longer direction is no other one.
    params["bias"] *= 0.0
    doubled = {"params": {**params, "scale": 2.0 * scale, "kernel": 5.0 * params["kernel"]}}
    outputs = module.apply(doubled, x)
    np.testing.assert_allclose(outputs, 2.0 * plain.apply({"params": params}, x), atol=1e-5)
    folded = {"params": streaming.fold_weight_norm(doubled["params"])}
    assert set(folded["params"]) == {"kernel", "bias"}
    np.testing.assert_allclose(module.apply(folded, x), outputs, atol=1e-6)


def test_branches_are_as_late_as_the_latest():
  class Residual(streaming.nn.Module):
    @streaming.nn.compact
    def __call__(self, x):
      return streaming.combine(jnp.subtract, streaming.Conv(2, 7)(x), x)

  x = jax.random.normal(jax.random.key(0), (1, 20, 2))
  module = Residual()
  variables = module.init(jax.random.key(1), x)
  assert streaming.delay(module, variables, x[:, :1]) == 3
  blocks = run(module, variables, x, 5)
  np.testing.assert_allclose(blocks[:, 3:], module.apply(variables, x)[:, :-3], atol=1e-6)


def test_blocks_that_are_no_multiple_of_the_stride_are_refused():
  module = streaming.Conv(2, 3, stride=4)
  variables = module.init(jax.random.key(0), jnp.zeros((1, 8, 2)))
  with pytest.raises(ValueError, match="blocks of 6 frames are no multiple of the stride 4"):
    streaming.begin(module, variables, jnp.zeros((1, 6, 2)))


def test_many_groups_are_few_convolutions_of_the_same_values_and_gradients():
  x = jax.random.normal(jax.random.key(0), (1, 24, 72))
  kernel = jax.random.normal(jax.random.key(1), (5, 1, 144))

  def native(x, kernel):
    return jax.lax.conv_general_dilated(
      x, kernel, (2,), [(2, 2)], dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=72
    )

  ours = lambda x, kernel: streaming.convolve(x, kernel, 2, (2, 2), groups=72)
  np.testing.assert_allclose(ours(x, kernel), native(x, kernel), atol=1e-5)
  gradients = [
    jax.jit(jax.grad(lambda x, k, f=f: jnp.sum(jnp.sin(f(x, k))), (0, 1)))(x, kernel)
    for f in (ours, native)
  ]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), *gradients)
