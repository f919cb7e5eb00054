"""A prior p(z|c) that follows the codes of the training examples: a flow, trained after them.

The encoder's codes of real examples need not be distributed as the prior that the ELBO was trained
with, and a decoder is only good where codes were. Here a continuous flow carries N(0, I) to the
codes. Its velocity is learned by regression on straight paths from noise to codes, with encoder and
decoder frozen, and a code is drawn by following the velocity from a draw of the noise.

Codes are standardised by dimension. An untrained flow is the identity: then the prior is N(0, I).

Codes without a condition lie in clusters, of one pitch for instance, and what a flow draws between
two of them is no note. `clusters` found by k-means are then a condition of their own: a cluster is
drawn first, by its share of the codes, and a code of it by the flow.

Source: Lipman et al. 2023, "Flow Matching for Generative Modeling", equation 23 with sigma_min = 0,
and Liu et al. 2023, "Rectified Flow", for the paths; Chen et al. 2018, "Neural Ordinary
Differential Equations", for the density, and Grathwohl et al. 2019, "FFJORD", for its estimate;
Rombach et al. 2022 for a prior in the latent space of an autoencoder that is trained before it;
Bao, Li, Sun & Zhu 2022, "Why Are Conditional Generative Models Better Than Unconditional Ones?",
for clusters as conditions.
"""

from collections.abc import Callable
import math
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.methods.common import clusters as clusters_lib
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.models.common import velocity as velocity_lib
from cvae_jax.training import optimizers
from cvae_jax.training import state as state_lib

KEY = "prior"  # of the flow's variables among the parameters that a run is used with
_LEAST_DEVIATION = 1e-3  # of a dimension of the codes


def get_config() -> ml_collections.ConfigDict:
  """Its fields: `method.flow`."""
  config = ml_collections.ConfigDict()
  config.hidden = 512  # units of each layer of the velocity
  config.blocks = 4  # residual blocks
  config.clusters = 0  # of the codes, by k-means, as a condition; for runs without condition.labels
  config.steps = 3000  # of its training, after train.steps
  config.batch_size = 256  # codes
  config.examples = 32_768  # training examples, at most, that are encoded
  config.draw_steps = 16  # midpoint steps from noise to a code
  config.probes = 1  # random directions that estimate the density; 0 for the exact one
  config.optimizer = config_lib.get_optimizer()
  config.optimizer.update(learning_rate=1e-3, warmup_steps=100, weight_decay=1e-2)
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values of `method.flow` that it cannot use; `config` is a whole one."""
  fields = ("hidden", "steps", "batch_size", "examples", "draw_steps")
  config_check.need_positive(config, *(f"method.flow.{name}" for name in fields))
  not_negative = ("blocks", "probes", "clusters")
  config_check.need_not_negative(config, *(f"method.flow.{name}" for name in not_negative))
  clusters, labels = config.method.flow.clusters, config.condition.labels
  if clusters and labels:
    raise errors.UserError(
      f"method.flow.clusters must be 0 where condition.labels are given ({', '.join(labels)}): "
      f"clusters are for codes without a condition, got {clusters}"
    )
  config_check.need_optimizer(config, "method.flow.optimizer")


class FlowPrior(NamedTuple):
  """p(z|c) by a flow.

  Its variables are {'params': of the velocity, 'mean': [D], 'std': [D]} of the codes; with clusters
  also 'centers' [C, D] of standardised codes, and their 'shares' [C]. The condition of the velocity
  is then which cluster it is.

  Attributes:
    network: the velocity.
    draw_steps: midpoint steps from noise to a code, and back.
    probes: random directions that estimate the density; 0 for the exact one.
    clusters: C, of codes without a condition; 0 for none.
  """

  network: velocity_lib.VelocityNetwork
  draw_steps: int
  probes: int
  clusters: int = 0

  def init(self, rng: jax.Array, condition: jax.Array) -> dict[str, Any]:
    """Variables of the identity, for conditions of this shape [B, K]."""
    dim = self.network.dim
    x, t = jnp.zeros((condition.shape[0], dim)), jnp.zeros(condition.shape[0])
    places = {"mean": jnp.zeros(dim), "std": jnp.ones(dim)}
    if self.clusters:
      condition = jnp.zeros((condition.shape[0], self.clusters))
      places["centers"] = jnp.zeros((self.clusters, dim))
      places["shares"] = jnp.full(self.clusters, 1.0 / self.clusters)
    return {**self.network.init(rng, x, t, condition), **places}

  def sample(
    self, variables: Any, c: jax.Array, temperature: jax.Array, rng: jax.Array
  ) -> jax.Array:
    """[B, D] codes of conditions [B, K], with [B] factors of the noise."""
    noise = jax.random.normal(rng, (len(temperature), self.network.dim)) * temperature[:, None]
    if self.clusters:
      chances = jnp.log(jnp.maximum(variables["shares"], 1e-30))
      drawn = jax.random.categorical(jax.random.fold_in(rng, 1), chances, shape=temperature.shape)
      c = jax.nn.one_hot(drawn, self.clusters)
    return self.draw(variables, noise, c)

  def place(
    self, variables: Any, z: jax.Array, c: jax.Array
  ) -> tuple[jax.Array, jax.Array | float]:
    """The velocity's condition for [B, D] codes, and [B] log of their cluster's share."""
    if not self.clusters:
      return c, 0.0
    x = (z - variables["mean"]) / variables["std"]
    found = clusters_lib.nearest(x, variables["centers"])
    shares = jnp.maximum(variables["shares"], 1e-30)
    return jax.nn.one_hot(found, self.clusters), jnp.log(shares)[found]

  def velocity(self, variables: Any, x: jax.Array, t: jax.Array, c: jax.Array) -> jax.Array:
    """[B, D] of standardised codes at a time t, one for all of them."""
    params = {"params": variables["params"]}
    return self.network.apply(params, x, jnp.full(x.shape[0], t), c)  # type: ignore[return-value]

  def draw(self, variables: Any, noise: jax.Array, c: jax.Array) -> jax.Array:
    """[B, D] codes of [B, D] noise, by midpoint steps; `c` is the velocity's condition."""
    size = 1.0 / self.draw_steps

    def step(x, i):
      t = i * size
      middle = x + 0.5 * size * self.velocity(variables, x, t, c)
      return x + size * self.velocity(variables, middle, t + 0.5 * size, c), None

    x, _ = jax.lax.scan(step, noise, jnp.arange(self.draw_steps, dtype=jnp.float32))
    return x * variables["std"] + variables["mean"]

  def log_density(self, variables: Any, z: jax.Array, c: jax.Array, rng: jax.Array) -> jax.Array:
    """[B] log p(z|c) in nats of [B, D] codes: exact, or an unbiased estimate.

    It is exact up to the steps of the integration where `probes` is 0. With clusters it is that of
    the code together with its nearest cluster, which is less than that of the code.
    """
    size, dim = 1.0 / self.draw_steps, z.shape[-1]
    c, log_share = self.place(variables, z, c)
    if self.probes:
      probes = jax.random.rademacher(rng, (self.probes, *z.shape), z.dtype)
    else:
      probes = jnp.broadcast_to(jnp.eye(dim)[:, None], (dim, *z.shape))

    def field(x, t):
      return self.velocity(variables, x, t, c)

    def divergence(x, t):
      """[B]: the trace of the Jacobian, by products with the probes."""
      along = lambda probe: jnp.sum(probe * jax.jvp(lambda y: field(y, t), (x,), (probe,))[1], -1)
      products = jax.vmap(along)(probes)
      return jnp.mean(products, 0) if self.probes else jnp.sum(products, 0)

    def step(carry, i):
      x, integral = carry
      t = 1.0 - i * size
      middle = x - 0.5 * size * field(x, t)
      integral += size * divergence(middle, t - 0.5 * size)
      return (x - size * field(middle, t - 0.5 * size), integral), None

    x = (z - variables["mean"]) / variables["std"]
    indices = jnp.arange(self.draw_steps, dtype=jnp.float32)
    (noise, integral), _ = jax.lax.scan(step, (x, jnp.zeros(z.shape[0])), indices)
    log_noise = -0.5 * (jnp.sum(jnp.square(noise), -1) + dim * math.log(2.0 * math.pi))
    return log_share + log_noise - integral - jnp.sum(jnp.log(variables["std"]))

  def loss(
    self, params: Any, x: jax.Array, noise: jax.Array, t: jax.Array, c: jax.Array
  ) -> jax.Array:
    """Mean squared error of the velocity on straight paths from noise to standardised codes x."""
    along = t[:, None]
    predicted = self.network.apply(params, (1.0 - along) * noise + along * x, t, c)
    return jnp.mean(jnp.square(predicted - (x - noise)))  # type: ignore[operator]


def make_flow_prior(config: ml_collections.ConfigDict, dim: int) -> FlowPrior:
  """Builds the prior of [B, dim] codes that `method.flow` asks for."""
  network = velocity_lib.VelocityNetwork(dim, config.hidden, config.blocks)
  return FlowPrior(network, config.draw_steps, config.probes, config.clusters)


def attach(
  state: state_lib.TrainState, prior: Any, settings: Any, rng: jax.Array, c: jax.Array
) -> state_lib.TrainState:
  """A run's first state with an untrained flow, its optimizer's state and its average.

  Args:
    state: without them.
    prior: the flow: a `FlowPrior`, or another one with its `init`.
    settings: its section of the config.
    rng: of the initial parameters.
    c: [B, K] conditions, of which only the shape counts.
  """
  variables = prior.init(rng, c)
  optimizer = optimizers.make_optimizer(settings.optimizer, settings.steps)
  params = {"params": jax.tree.map(jnp.copy, variables["params"])}
  later = state_lib.init_state(params, optimizer, state.rng, settings.optimizer.ema_decay)
  return state.replace(buffers={**(state.buffers or {}), KEY: variables}, later=later)


def warm_start(state: state_lib.TrainState, params: Any) -> state_lib.TrainState:
  """A new run's state with the parameters of another run, and its flow if both have one.

  A flow of another size begins anew.
  """
  if state.later is not None and KEY in params:
    its, mine = (jax.tree.map(jnp.shape, x["params"]) for x in (params[KEY], state.later.params))
    if its != mine:
      params = {name: value for name, value in params.items() if name != KEY}
  state = state_lib.warm_start(state, params)
  if state.later is None or KEY not in params:
    return state
  flow = {"params": jax.tree.map(jnp.copy, params[KEY]["params"])}
  ema_params = None if state.later.ema_params is None else jax.tree.map(jnp.copy, flow)
  return state.replace(later=state.later.replace(params=flow, ema_params=ema_params))


def begin(
  prior: FlowPrior, state: state_lib.TrainState, posterior: latent_lib.Latent
) -> state_lib.TrainState:
  """The state with the mean and deviation of codes of posteriors ([M, D]), and their clusters."""
  mean, variance = jnp.mean(posterior.mean, axis=0), jnp.var(posterior.mean, axis=0)
  if posterior.logvar is not None:
    variance += jnp.mean(jnp.exp(posterior.logvar), axis=0)
  std = jnp.sqrt(jnp.maximum(variance, _LEAST_DEVIATION**2))
  variables = {**state.buffers[KEY], "mean": mean, "std": std}
  if prior.clusters:
    x = (posterior.mean - mean) / std
    rng = jax.random.fold_in(state.rng, state.step)
    variables["centers"] = clusters_lib.fit(x, prior.clusters, rng)
    found = clusters_lib.nearest(x, variables["centers"])
    variables["shares"] = jnp.bincount(found, length=prior.clusters) / len(x)
  return state.replace(buffers={**state.buffers, KEY: variables})


def train_step(
  prior: Any,
  optimizer: optax.GradientTransformation,
  ema_decay: float,
  state: state_lib.TrainState,
  codes: jax.Array,
  given: Any,
  rng: jax.Array,
) -> tuple[state_lib.TrainState, dict[str, jax.Array]]:
  """One step of the flow on [B, ..., D] codes; the rest of the state stays as it is.

  `prior` is a `FlowPrior`, or another one with its `loss`; `given` is what that is given.
  """
  variables = state.buffers[KEY]
  x = (codes - variables["mean"]) / variables["std"]
  noise_rng, t_rng = jax.random.split(rng)
  noise, t = jax.random.normal(noise_rng, x.shape), jax.random.uniform(t_rng, x.shape[:1])
  loss_fn = lambda params: prior.loss(params, x, noise, t, given)
  loss, grads = jax.value_and_grad(loss_fn)(state.later.params)
  later = state_lib.apply_gradients(state.later, grads, optimizer, ema_decay)
  buffers = {**state.buffers, KEY: {**variables, **later.best_params}}
  metrics = {"loss": loss, "grad_norm": optax.global_norm(grads)}
  return state.replace(step=state.step + 1, later=later, buffers=buffers), metrics


def make_phase(
  prior: FlowPrior,
  settings: Any,
  encode: Callable[[Any, methods.Batch], tuple[latent_lib.Latent, jax.Array]],
  drop: Callable[[jax.Array, jax.Array], jax.Array] | None,
) -> methods.Phase:
  """The flow's training: a phase of any method that has an encoder.

  Args:
    prior: the flow.
    settings: `method.flow`.
    encode: (params, batch) to posteriors and conditions [B, K].
    drop: (conditions, rng) to conditions of which some are unknown; None to leave them.
  """
  optimizer = optimizers.make_optimizer(settings.optimizer, settings.steps)

  def prepare(params: Any, batch: methods.Batch) -> dict[str, jax.Array]:
    latent, c = encode(params, batch)
    rows = {"mean": latent.mean, "c": c}
    return rows if latent.logvar is None else {**rows, "logvar": latent.logvar}

  def posterior(rows):
    return latent_lib.Latent(rows["mean"], rows.get("logvar"))

  def step(state, rows):
    rng = jax.random.fold_in(state.rng, state.step)
    draw_rng, drop_rng, flow_rng = jax.random.split(rng, 3)
    z = networks_lib.draw(posterior(rows), draw_rng)
    c = rows["c"] if drop is None else drop(rows["c"], drop_rng)
    c, _ = prior.place(state.buffers[KEY], rows["mean"], c)
    return train_step(prior, optimizer, settings.optimizer.ema_decay, state, z, c, flow_rng)

  return methods.Phase(
    "prior",
    settings.steps,
    settings.batch_size,
    settings.examples,
    prepare,
    lambda state, rows: begin(prior, state, posterior(rows)),
    step,
  )
