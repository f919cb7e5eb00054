"""A GAN on features of notes: two networks, two optimizers."""

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.training import optimizers


class State(struct.PyTreeNode):
  step: jax.Array
  params: dict
  critic_params: dict
  opt_states: tuple
  rng: jax.Array
  best_params = property(lambda self: self.params)


class Mlp(nn.Module):
  size: int

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.size)(nn.relu(nn.Dense(16)(x)))


def make_method(config, task):
  rep, _ = task.need_representation()
  size, dim = rep.shape[0] * rep.shape[1] * rep.shape[2], config.method.latent_dim
  maker, critic = Mlp(size), Mlp(1)
  pair = [optimizers.make_optimizer(s, task.total_steps) for s in (config.optimizer, config.critic)]
  make = lambda p, z, c: jnp.tanh(maker.apply(p, jnp.concatenate([z, c], -1)))
  judge = lambda p, x, c: critic.apply(p, jnp.concatenate([x, c], -1))[:, 0]
  feats = lambda b: rep.encode(level.normalize(b["audio"]))
  flat = lambda x: x.reshape(len(x), -1)

  def init(rng, batch):
    c = task.condition.encode(batch)
    a, b, rng = jax.random.split(rng, 3)
    params, cp = (
      maker.init(a, jnp.zeros((1, dim + c.shape[1]))),
      critic.init(b, jnp.zeros((1, size + c.shape[1]))),
    )
    return State(jnp.zeros((), int), params, cp, (pair[0].init(params), pair[1].init(cp)), rng)

  def train_step(s, batch):
    z = jax.random.normal(jax.random.fold_in(s.rng, s.step), (len(batch["audio"]), dim))
    x, c = flat(feats(batch)), task.condition.encode(batch)
    d_loss, dg = jax.value_and_grad(
      lambda p: jnp.mean(
        nn.softplus(-judge(p, x, c)) + nn.softplus(judge(p, make(s.params, z, c), c))
      )
    )(s.critic_params)
    g_loss, gg = jax.value_and_grad(
      lambda p: jnp.mean(nn.softplus(-judge(s.critic_params, make(p, z, c), c)))
    )(s.params)
    new = [
      o.update(g, st, p)
      for o, g, st, p in zip(pair, (gg, dg), s.opt_states, (s.params, s.critic_params), strict=True)
    ]
    return s.replace(
      step=s.step + 1,
      params=optax.apply_updates(s.params, new[0][0]),
      critic_params=optax.apply_updates(s.critic_params, new[1][0]),
      opt_states=(new[0][1], new[1][1]),
    ), {"loss": d_loss, "generator_loss": g_loss}

  def eval_step(params, batch, rng):
    z = jax.random.normal(rng, (len(batch["audio"]), dim))
    error = jnp.mean(
      jnp.square(flat(feats(batch)) - make(params, z, task.condition.encode(batch))), -1
    )
    return {"feature_distance": (jnp.sum(error * batch["mask"]), jnp.sum(batch["mask"]))}

  def decode(params, z, labels, rng):
    x = make(params, z, task.condition.encode(labels, len(z)))
    return level.peak_normalize(rep.decode(x.reshape(-1, *rep.shape), rng))

  draw = lambda params, labels, rng: (
    jax.random.normal(rng, (methods.count(labels), dim)) * labels["temperature"][:, None]
  )
  return methods.Method(
    init,
    train_step,
    eval_step,
    code_shape=(dim,),
    decode=decode,
    draw_code=draw,
    full_level=True,
    features=feats,
    level_db=rep.level_db,
  )


def get_config():
  return ml_collections.ConfigDict({"latent_dim": 128})


def tiny(config):
  config.method.latent_dim = 4
