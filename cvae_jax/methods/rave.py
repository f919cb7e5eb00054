"""RAVE: a variational autoencoder of waveforms, trained by spectra and then by discriminators.

    phase 1  encoder and decoder: distances of spectra, of bands and of waveforms, and the KL
    phase 2  the encoder is frozen; the decoder and its discriminators take turns: hinge, features
    then     principal components of the latents; how many of them are heard can be chosen after it
             a prior of their sequences, which draws sound and goes on from it, by labels if asked

Source: Caillon & Esling 2021, "RAVE: A variational autoencoder for fast and high-quality neural
audio synthesis", and the `acids-rave` package, which has left the paper since (`method.version`):

    paper  distances by norms, and of loudness; feature matching of all scales, times 10; tag v1
    v1     distances by squares; feature matching, weighted once where the package does it twice
    v2     networks of residual units; discriminators of periods as well; relative feature matching
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax import methods
from cvae_jax.audio import controls
from cvae_jax.audio import pqmf
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import rave_parts as parts_lib
from cvae_jax.methods.common import rave_streamer
from cvae_jax.methods.common import rave_training as training
from cvae_jax.methods.common import sequence_prior
from cvae_jax.models.common import rave_layers


def eval_step(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> methods.Sums:
  """Sums over a batch, and counts: of whole examples, from latents as `rave_parts.heard`."""
  audio, bands = parts_lib.take(parts, batch)
  posterior, _ = parts_lib.encode(parts, params, bands)
  fill_rng, noise_rng = jax.random.split(rng)
  z = parts_lib.heard(parts, params, posterior, fill_rng)
  made = parts_lib.decode(parts, params, z, noise_rng)
  made_audio = pqmf.from_bands(made)
  of_bands, of_audio = parts_lib.distance(parts, bands, audio, made, made_audio, False)
  divergence = parts_lib.kl(posterior)
  rate, hop_length = parts.form.sample_rate, parts.config.method.num_bands * 8
  loudness = [controls.measure_loudness(x, rate, hop_length)
              for x in (audio, made_audio)]  # fmt: skip
  by_example = {
    "loss": of_bands + of_audio + parts.config.method.beta * divergence,
    "spectral": of_audio,
    "spectral_of_bands": of_bands,
    "kl": divergence,
    "loudness_l1_db": jnp.mean(jnp.abs(loudness[0] - loudness[1]), axis=-1),
  }
  mask = batch["mask"]
  return {name: (jnp.sum(mask * value), jnp.sum(mask)) for name, value in by_example.items()}


def encode(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: Any = None) -> jax.Array:
  """[B, N, D] coordinates of the principal components: of the mean, with a key of a draw."""
  _, bands = parts_lib.take(parts, batch)
  posterior, _ = parts_lib.encode(parts, params, bands)
  z = posterior.mean if rng is None else networks_lib.draw(posterior, rng)
  return parts_lib.to_code(params, z)


def decode(
  parts: parts_lib.Parts, params: Any, codes: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, T] waveforms of codes, see `encode`; components beyond `method.fidelity` are drawn."""
  del labels
  fill_rng, noise_rng = jax.random.split(rng)
  z = parts_lib.from_code(params, codes, parts.config.method.fidelity, fill_rng)
  audio = pqmf.from_bands(parts_lib.decode(parts, params, z, noise_rng))
  return audio[:, : parts.form.num_samples]


def make_phase(parts: parts_lib.Parts) -> methods.Phase:
  """Once all else is trained: the analysis of the latents, and the prior of their sequences.

  Without a prior it is one step, which has the analysis' metrics.
  """
  prior, flow = parts.prior, parts.config.method.sequence_flow

  def prepare(params, batch):
    _, bands = parts_lib.take(parts, batch)
    mean = parts_lib.encode(parts, params, bands)[0].mean
    return {"mean": mean, "condition": parts.condition.encode(batch, len(mean))}

  def begin(state, rows):
    analysis = parts_lib.analyse(rows["mean"].reshape(-1, parts.latent_dim))
    state = state.replace(buffers={**state.buffers, parts_lib.ANALYSIS: analysis})
    if prior is None:
      return state
    return sequence_prior.begin(state, parts_lib.to_code(state.buffers, rows["mean"]))

  def step(state, rows):
    share = state.buffers[parts_lib.ANALYSIS]["share"]
    dimensions = {
      f"dimensions_{percent}": 1.0 + jnp.sum(share < percent / 100.0)
      for percent in (80, 90, 95, 99)
    }
    if prior is None:
      return state.replace(step=state.step + 1), {"loss": 1.0 - share[0], **dimensions}
    codes, c = parts_lib.to_code(state.buffers, rows["mean"]), rows["condition"]
    drop_rng = jax.random.fold_in(jax.random.fold_in(state.rng, state.step), 1)
    c = parts.condition.drop(c, drop_rng, parts.config.condition.drop_rate)
    state, metrics = sequence_prior.train_step(prior, flow, state, codes, c)
    return state, {**metrics, **dimensions}

  analysed = parts.config.method.analysed
  if prior is None:
    return methods.Phase("analysis", 1, 1, analysed, prepare, begin, step)
  return methods.Phase("prior", flow.steps, flow.batch_size, analysed, prepare, begin, step)


def draw_code(
  parts: parts_lib.Parts, params: Any, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, N, D] codes of the prior."""
  assert parts.prior is not None
  temperature = labels[methods.TEMPERATURE]
  c = parts.condition.encode(labels, len(temperature))
  return parts.prior.sequence(params[flow_prior.KEY], parts.num_frames, c, temperature, rng)


def extend_code(
  parts: parts_lib.Parts, params: Any, codes: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """See `methods.Method`."""
  assert parts.prior is not None
  c = parts.condition.encode(labels, len(codes))
  temperature = labels[methods.TEMPERATURE]
  return parts.prior.extend(params[flow_prior.KEY], codes, c, temperature, rng)


def warm_start(state: training.State, params: Any) -> training.State:
  """A new run's state with the parameters of another run; discriminators begin anew."""
  started = flow_prior.warm_start(state, params)
  assert isinstance(started, training.State)
  return started


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  parts = parts_lib.make_parts(config, task)
  bind = lambda function: functools.partial(function, parts)
  turn = training.make_turns(parts)
  return methods.Method(
    init=bind(training.init),
    train_step=turn(0).train_step,
    eval_step=bind(eval_step),
    code_shape=(parts.num_frames, parts.latent_dim),
    encode=bind(encode),
    decode=bind(decode),
    phase=make_phase(parts),
    turn=turn,
    warm_start=warm_start,
    streamer=rave_streamer.make_streamer(parts),
    draw_code=bind(draw_code) if parts.prior is not None else None,
    extend_code=bind(extend_code) if parts.prior is not None else None,
    context=parts.prior.context if parts.prior is not None else 0,
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.version = parts_lib.PAPER  # paper, v1, v2
  config.num_bands = 16
  config.capacity = 64  # channels of the networks' first and last layers
  config.ratios = (4, 4, 4, 2)  # strides; with the bands, 2,048 samples a latent frame
  config.latent_dim = 128
  config.activation = rave_layers.LEAKY  # or snake, as in the package's snake.gin
  config.causal = False  # whether no sample is seen before it is heard, but for the lookahead
  config.lookahead = 0  # latent frames by which a stream may be later than its networks need
  config.noise_ratios = (4, 4, 4)  # strides of the noise synthesizer; () for none
  config.noise_amplitudes = 5  # of a band's noise, from its lowest frequency to its highest
  config.early_noise = False  # whether there is noise in phase 1 too, as in the package's v2
  config.fft_sizes = (2048, 1024, 512, 256, 128)
  config.log_floor = 1e-7  # of magnitudes in the logarithms of distances that are trained on
  config.crop = 65_536  # samples that are trained on; 0 for whole examples
  config.margins = (0, 0)  # latent frames of an excerpt's ends that nothing is measured of
  config.phase_share = 0.8  # of the excerpts, whose phases are turned
  # Of the KL, in distances of spectra a nat; the original has 0.1, of a KL twice as large.
  config.beta = 0.2
  config.beta_warmup_steps = 0
  config.adversarial_from = 1_000_000  # the step that phase 2 begins with
  config.critic_every = 2  # one of so many steps of phase 2 is the discriminators'
  config.critic_warmup = 0  # first steps of phase 2, all of which are the discriminators'
  config.critic_capacity = 16  # channels of a discriminator's first layer
  config.critic_layers = 4  # of a stride each
  config.adversarial_weight = 1.0
  config.matching_weight = 10.0
  config.critic = config_lib.get_optimizer()
  config.critic.update(
    learning_rate=1e-4, b1=0.5, b2=0.9, schedule="constant", warmup_steps=0, clip_norm=0.0
  )
  config.fidelity = 0.95  # share of the latents' variance that is heard; the rest is drawn
  config.sequence_flow = sequence_prior.get_config()
  config.analysed = 4096  # training examples, at most, of which latents are analysed
  return config


CHOICES = {
  "method.version": (parts_lib.PAPER, parts_lib.V1, parts_lib.V2),
  "method.activation": (rave_layers.LEAKY, rave_layers.SNAKE),
}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  positive = ("num_bands", "capacity", "latent_dim", "noise_amplitudes", "critic_capacity",
              "critic_every", "critic_layers", "analysed", "fidelity", "log_floor")  # fmt: skip
  config_check.need_positive(config, *(f"method.{name}" for name in positive))
  not_negative = ("crop", "lookahead", "beta", "beta_warmup_steps", "adversarial_from",
                  "critic_warmup", "adversarial_weight", "matching_weight",
                  "phase_share")  # fmt: skip
  config_check.need_not_negative(config, *(f"method.{name}" for name in not_negative))
  config_check.need_choices(config, CHOICES)
  config_check.need_optimizer(config, "method.critic")
  sequence_prior.check(config)


def tiny(config: ml_collections.ConfigDict) -> None:
  """Few bands and channels, short crops, both phases."""
  config.method.update(
    num_bands=4, capacity=4, ratios=(4, 2), latent_dim=4, noise_ratios=(2, 2), crop=2048,
    fft_sizes=(256, 128), critic_capacity=4, critic_layers=2, adversarial_from=10,
  )  # fmt: skip
  config.method.sequence_flow.update(hidden=8, dilations=(1, 2), window=8, steps=4, draw_steps=2)
