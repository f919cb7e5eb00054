"""RAVE block by block: its networks with what they remember."""

import functools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import rave_parts
from cvae_jax.methods.common import streamer as streamer_lib
from cvae_jax.models.common import rave as rave_lib
from cvae_jax.models.common import rave_stream
from cvae_jax.models.common import streaming


class State(NamedTuple):
  """What a stream remembers.

  Attributes:
    encoding: of the encoder.
    decoding: of the decoder.
  """

  encoding: rave_stream.Carry
  decoding: rave_stream.Carry


def prepare(params: Any) -> dict[str, Any]:
  """Parameters with plain kernels, as they are multiplied."""
  return {**params, "params": streaming.fold_weight_norm(params["params"])}


def _encoder_variables(params):
  variables = {"params": params["params"][rave_parts.ENCODER]}
  statistics = params.get(rave_parts.STATISTICS)
  return variables if statistics is None else {**variables, rave_parts.STATISTICS: statistics}


def _decoder_variables(params):
  return {"params": params["params"][rave_parts.DECODER]}


def begin(parts: rave_parts.Parts, params: Any, batch_size: int, block_frames: int) -> State:
  """The state before the first block."""
  length, key = block_frames * parts.hop_length, jax.random.key(0)
  return State(
    rave_stream.begin_encoding(parts.encoder, _encoder_variables(params), batch_size, length),
    rave_stream.begin_decoding(
      parts.decoder, _decoder_variables(params), batch_size, block_frames, parts.latent_dim, key
    ),
  )


def encode(
  parts: rave_parts.Parts, params: Any, state: State, audio: jax.Array, rng: Any = None
) -> tuple[jax.Array, State]:
  """See `streamer.Streamer`."""
  outputs, carry = rave_stream.encode_block(
    parts.encoder, _encoder_variables(params), state.encoding, audio
  )
  posterior = rave_lib.posterior(outputs)
  z = posterior.mean if rng is None else networks_lib.draw(posterior, rng)
  return rave_parts.to_code(params, z), state._replace(encoding=carry)


def decode(
  parts: rave_parts.Parts,
  params: Any,
  state: State,
  codes: jax.Array,
  rng: jax.Array,
  number: jax.Array,
) -> tuple[jax.Array, State]:
  """See `streamer.Streamer`."""
  fill_rng, noise_rng = jax.random.split(rng)
  fill_rng = jax.random.fold_in(fill_rng, number)
  z = rave_parts.from_code(params, codes, parts.config.method.fidelity, fill_rng)
  audio, carry = rave_stream.decode_block(
    parts.decoder, _decoder_variables(params), state.decoding, z, noise_rng
  )
  return audio, state._replace(decoding=carry)


def _shapes(parts: rave_parts.Parts) -> tuple[Any, Any]:
  """Variables of encoder and decoder without values, for what only their shapes say."""
  bands = jnp.zeros((1, parts.hop_length // parts.encoder.num_bands, parts.encoder.num_bands))
  key, z = jax.random.key(0), jnp.zeros((1, 1, parts.latent_dim))
  encoder = jax.eval_shape(functools.partial(parts.encoder.init, train=True), key, bands)
  return encoder, jax.eval_shape(parts.decoder.init, key, z, key)


def make_streamer(parts: rave_parts.Parts) -> streamer_lib.Streamer:
  """Binds the functions."""
  bind = lambda function: functools.partial(function, parts)
  encoder, decoder = _shapes(parts)
  waited, frames = rave_stream.encoding_delay(parts.encoder, encoder)
  start = -waited % parts.hop_length
  key = jax.random.key(0)
  late = rave_stream.decoding_delay(parts.decoder, decoder, parts.latent_dim, key)
  return streamer_lib.Streamer(
    parts.hop_length,
    parts.latent_dim,
    start,
    frames + (waited + start) // parts.hop_length + parts.config.method.lookahead,
    late,
    prepare,
    bind(begin),
    bind(encode),
    bind(decode),
    lambda params, share: rave_parts.count_dimensions(params[rave_parts.ANALYSIS], share),
    lambda params: bool(rave_parts.is_analysed(params)),
  )
