"""A prior of sequences of codes: a flow on windows of them, of which the first frames may be known.

It is trained after the autoencoder, as `flow_prior` is, whose training step it shares. With no
frame known a window comes out of nothing; with half of one known it is continued, and window after
window gives a sequence of any length.

A dimension is standardised by its deviation, or by a share of the largest one if it has less than
that: those that say little are then next to nothing, for data and for the flow.

Source: Lipman et al. 2023, "Flow Matching for Generative Modeling", for the flow; Le et al. 2023,
"Voicebox", for the flow that fills in what is not known.
"""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.methods.common import flow_prior
from cvae_jax.models.common import velocity as velocity_lib
from cvae_jax.training import optimizers
from cvae_jax.training import state as state_lib

_LEAST_SHARE = 0.1  # of the largest deviation of a dimension
_UNKNOWN_RATE = 0.3  # of the windows that are trained with no frame known


def get_config() -> ml_collections.ConfigDict:
  """Its fields: `method.sequence_flow`."""
  config = ml_collections.ConfigDict()
  config.hidden = 128  # channels of the velocity
  config.dilations = (1, 2, 4, 8, 1, 2)  # of its residual blocks
  config.window = 32  # frames that are drawn at once; half of them may be known
  config.steps = 4000  # of its training, after train.steps; 0 for no prior
  config.batch_size = 32  # windows
  config.draw_steps = 16  # midpoint steps from noise to a window
  config.optimizer = config_lib.get_optimizer()
  config.optimizer.update(learning_rate=1e-3, warmup_steps=100, weight_decay=1e-2)
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values of `method.sequence_flow` that it cannot use."""
  fields = ("hidden", "window", "batch_size", "draw_steps")
  config_check.need_positive(config, *(f"method.sequence_flow.{name}" for name in fields))
  config_check.need_not_negative(config, "method.sequence_flow.steps")
  config_check.need_optimizer(config, "method.sequence_flow.optimizer")


class SequencePrior(NamedTuple):
  """p(z | c) of windows [W, D], given the first frames of them or not, by a flow.

  Its variables are {'params': of the velocity, 'mean': [D], 'std': [D]} of the codes.

  Attributes:
    network: the velocity.
    window: W.
    condition_dim: K of c [B, K]; 0 without one.
    draw_steps: midpoint steps from noise to a window.
  """

  network: velocity_lib.SequenceVelocityNetwork
  window: int
  condition_dim: int
  draw_steps: int

  @property
  def context(self) -> int:
    """Frames that a window begins with where a sequence goes on."""
    return self.window // 2

  def init(self, rng: jax.Array, is_known: jax.Array) -> dict[str, Any]:
    """Variables of the identity, for [B, W] marks of what is known."""
    dim = self.network.dim
    x, t = jnp.zeros((*is_known.shape, dim)), jnp.zeros(len(is_known))
    c = jnp.zeros((len(is_known), self.condition_dim))
    variables = self.network.init(rng, x, t, is_known, c)
    return {**variables, "mean": jnp.zeros(dim), "std": jnp.ones(dim)}

  def loss(
    self, params: Any, x: jax.Array, noise: jax.Array, t: jax.Array, given: tuple[jax.Array, ...]
  ) -> jax.Array:
    """Mean squared error of the velocity, over the frames that are not known: see `flow_prior`.

    `given` is marks of what is known [B, W], and c [B, K].
    """
    is_known, c = given
    along, known = t[:, None, None], is_known[..., None]
    points = jnp.where(known > 0.0, x, (1.0 - along) * noise + along * x)
    predicted: Any = self.network.apply(params, points, t, is_known, c)
    errors = jnp.mean(jnp.square(predicted - (x - noise)), axis=-1) * (1.0 - is_known)
    return jnp.sum(errors) / jnp.sum(1.0 - is_known)

  def draw(
    self, variables: Any, codes: jax.Array, is_known: jax.Array, noise: jax.Array, c: jax.Array
  ) -> jax.Array:
    """[B, W, D] windows of [B, W, D] noise by midpoint steps; known frames stay as they are.

    Args:
      variables: of the prior.
      codes: [B, W, D], read where they are known.
      is_known: [B, W] ones and zeros.
      noise: [B, W, D].
      c: [B, K] conditions.
    """
    size, known = 1.0 / self.draw_steps, is_known[..., None] > 0.0
    given = (codes - variables["mean"]) / variables["std"]
    params = {"params": variables["params"]}

    def velocity(x, t):
      at = jnp.full(len(x), t)
      return self.network.apply(params, jnp.where(known, given, x), at, is_known, c)

    def step(x, i):
      t = i * size
      middle = x + 0.5 * size * velocity(x, t)
      return x + size * velocity(middle, t + 0.5 * size), None

    x, _ = jax.lax.scan(step, noise, jnp.arange(self.draw_steps, dtype=jnp.float32))
    return jnp.where(known, codes, x * variables["std"] + variables["mean"])

  def extend(
    self,
    variables: Any,
    known: jax.Array,
    c: jax.Array,
    temperature: jax.Array,
    rng: jax.Array,
  ) -> jax.Array:
    """[B, W, D] windows that begin with [B, K, D] known frames; K may be 0, and less than W.

    Args:
      variables: of the prior.
      known: the last frames of a sequence.
      c: [B, K] conditions.
      temperature: [B] factors of the noise.
      rng: of the noise.
    """
    batch_size, count, dim = known.shape
    noise = jax.random.normal(rng, (batch_size, self.window, dim)) * temperature[:, None, None]
    codes = jnp.pad(known, [(0, 0), (0, self.window - count), (0, 0)])
    is_known = jnp.broadcast_to(jnp.arange(self.window) < count, (batch_size, self.window))
    return self.draw(variables, codes, is_known.astype(jnp.float32), noise, c)

  def sequence(
    self, variables: Any, num_frames: int, c: jax.Array, temperature: jax.Array, rng: jax.Array
  ) -> jax.Array:
    """[B, num_frames, D] sequences, window after window; see `extend`."""
    codes = jnp.zeros((len(temperature), 0, self.network.dim))
    number = 0
    while codes.shape[1] < num_frames:
      known = codes[:, max(codes.shape[1] - self.context, 0) :]
      window = self.extend(variables, known, c, temperature, jax.random.fold_in(rng, number))
      codes = jnp.concatenate([codes, window[:, known.shape[1] :]], axis=1)
      number += 1
    return codes[:, :num_frames]


def make_sequence_prior(
  config: ml_collections.ConfigDict, dim: int, condition_dim: int = 0
) -> SequencePrior:
  """Builds the prior of sequences of [D] codes that `method.sequence_flow` asks for."""
  network = velocity_lib.SequenceVelocityNetwork(dim, config.hidden, tuple(config.dilations))
  return SequencePrior(network, config.window, condition_dim, config.draw_steps)


def begin(state: state_lib.TrainState, codes: jax.Array) -> state_lib.TrainState:
  """The state with the mean and deviation of all frames of codes [M, N, D]."""
  flat = codes.reshape(-1, codes.shape[-1])
  deviation = jnp.std(flat, axis=0)
  least = jnp.maximum(_LEAST_SHARE * jnp.max(deviation), 1e-3)
  statistics = {"mean": jnp.mean(flat, axis=0), "std": jnp.maximum(deviation, least)}
  variables = {**state.buffers[flow_prior.KEY], **statistics}
  return state.replace(buffers={**state.buffers, flow_prior.KEY: variables})


def train_step(
  prior: SequencePrior,
  settings: ml_collections.ConfigDict,
  state: Any,
  codes: jax.Array,
  c: jax.Array,
) -> tuple[Any, dict[str, jax.Array]]:
  """One step on windows from anywhere in whole examples [B, N, D], under conditions c [B, K].

  See `flow_prior.train_step`.
  """
  rng = jax.random.fold_in(state.rng, state.step)
  start_rng, mark_rng, count_rng, flow_rng = jax.random.split(rng, 4)
  batch_size, num_frames, _ = codes.shape
  starts = jax.random.randint(start_rng, (batch_size,), 0, num_frames - prior.window + 1)
  cut = lambda row, start: jax.lax.dynamic_slice_in_dim(row, start, prior.window)
  windows = jax.vmap(cut)(codes, starts)
  counts = jax.random.randint(count_rng, (batch_size,), 1, prior.context + 1)
  counts = jnp.where(jax.random.bernoulli(mark_rng, _UNKNOWN_RATE, (batch_size,)), 0, counts)
  is_known = (jnp.arange(prior.window) < counts[:, None]).astype(jnp.float32)
  optimizer = optimizers.make_optimizer(settings.optimizer, settings.steps)
  decay = settings.optimizer.ema_decay
  return flow_prior.train_step(prior, optimizer, decay, state, windows, (is_known, c), flow_rng)


def attach(
  state: Any, prior: SequencePrior, settings: ml_collections.ConfigDict, rng: jax.Array
) -> Any:
  """A run's first state with an untrained flow: see `flow_prior.attach`."""
  return flow_prior.attach(state, prior, settings, rng, jnp.zeros((1, prior.window)))
