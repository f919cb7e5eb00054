"""An autoencoder of waveforms: every 441 samples are a code of 4 numbers."""

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax import methods
from cvae_jax.training import optimizers
from cvae_jax.training import state as state_lib

FRAME, DIM = 441, 4


class Net(nn.Module):
  def setup(self):
    self.down, self.up = nn.Dense(DIM), nn.Dense(FRAME)
    self.scale = self.variable("running", "scale", lambda: jnp.ones(()))

  def __call__(self, frames):
    self.scale.value = 0.9 * self.scale.value + 0.1 * jnp.std(frames)
    return self.up(self.down(frames / self.scale.value)) * self.scale.value

  def encode(self, frames):
    return self.down(frames / self.scale.value)

  def decode(self, codes):
    return self.up(codes) * self.scale.value


def make_method(config, task):
  net, optimizer = Net(), optimizers.make_optimizer(config.optimizer, task.total_steps)
  frames = lambda b: b["audio"].reshape(b["audio"].shape[0], -1, FRAME)
  whole = lambda x: x.reshape(x.shape[0], -1)

  def init(rng, batch):
    variables = net.init(rng, frames(batch))
    return state_lib.init_state(
      {"params": variables["params"]}, optimizer, rng, 0.9, {"running": variables["running"]}
    )

  def train_step(state, batch):
    def loss_fn(params):
      made, buffers = net.apply({**params, **state.buffers}, frames(batch), mutable=["running"])
      return jnp.mean(jnp.square(made - frames(batch))), buffers

    (loss, buffers), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    return state_lib.apply_gradients(state, grads, optimizer, 0.9).replace(buffers=buffers), {
      "loss": loss
    }

  encode = lambda params, batch, rng=None: net.apply(params, frames(batch), method="encode")
  decode = lambda params, codes, labels, rng: whole(net.apply(params, codes, method="decode"))

  def eval_step(params, batch, rng):
    error = jnp.mean(
      jnp.square(decode(params, encode(params, batch), {}, rng) - batch["audio"]), -1
    )
    return {"waveform_mse": (jnp.sum(error * batch["mask"]), jnp.sum(batch["mask"]))}

  return methods.Method(
    init,
    train_step,
    eval_step,
    code_shape=(task.form.num_samples // FRAME, DIM),
    encode=encode,
    decode=decode,
  )
