"""The next token by the last one: a table of logits."""

import jax
import jax.numpy as jnp
import optax

from cvae_jax import methods
from cvae_jax.training import optimizers
from cvae_jax.training import state as state_lib


def make_method(config, task):
  length, size = task.form.num_tokens, task.form.tokenizer.size
  optimizer = optimizers.make_optimizer(config.optimizer, task.total_steps)

  def nll(params, tokens):
    before = jnp.pad(tokens, [(0, 0), (1, 0)])[:, :-1]
    return optax.softmax_cross_entropy_with_integer_labels(
      params["params"]["table"][before], tokens
    ).sum(-1)

  def init(rng, batch):
    return state_lib.init_state({"params": {"table": jnp.zeros((size, size))}}, optimizer, rng, 0.0)

  def train_step(state, batch):
    loss, grads = jax.value_and_grad(lambda p: nll(p, batch["tokens"]).mean())(state.params)
    return state_lib.apply_gradients(state, grads, optimizer, 0.0), {"loss": loss}

  def eval_step(params, batch, rng):
    return {"nll": (jnp.sum(nll(params, batch["tokens"]) * batch["mask"]), jnp.sum(batch["mask"]))}

  def decode(params, codes, labels, rng):
    def step(last, key):
      token = jax.random.categorical(key, params["params"]["table"][last])
      return token, token

    _, tokens = jax.lax.scan(step, jnp.zeros(len(codes), int), jax.random.split(rng, length))
    return tokens.T.astype(jnp.int32)

  draw = lambda params, labels, rng: jnp.zeros((methods.count(labels), 0))
  return methods.Method(
    init,
    train_step,
    eval_step,
    code_shape=(0,),
    decode=decode,
    draw_code=draw,
    score=lambda params, batch, rng: -nll(params, batch["tokens"]),
  )
