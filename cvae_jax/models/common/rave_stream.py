"""RAVE's networks on waveforms, block by block, filter bank included: see `models.common.rave`."""

from collections.abc import Mapping
import math
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax.audio import pqmf
from cvae_jax.models.common import streaming


class Carry(NamedTuple):
  """What a stream of waveforms remembers.

  Attributes:
    bands: of the filter bank.
    network: of the encoder or decoder.
  """

  bands: pqmf.State
  network: Any


def begin_encoding(
  encoder: Any, variables: Mapping[str, Any], batch_size: int, block_length: int
) -> Carry:
  """The carry before the first block of `encode_block`.

  Args:
    encoder: an `EncoderV1` or `EncoderV2`.
    variables: its parameters, of `streaming.fold_weight_norm`, which is faster, or as trained; and
      its `batch_stats`.
    batch_size: B.
    block_length: samples of every block, a multiple of `hop_length`.
  """
  bands = _zeros(batch_size, block_length // encoder.num_bands, encoder.num_bands)
  bank = pqmf.begin(batch_size, encoder.num_bands)
  return Carry(bank, streaming.begin(encoder, variables, bands))


def encode_block(
  encoder: Any, variables: Mapping[str, Any], carry: Carry, audio: jax.Array
) -> tuple[jax.Array, Carry]:
  """[B, T] samples to [B, T / hop, num_outputs D], and the carry after them.

  Equal to the encoder's output for the whole waveform with as many zeros before it as the filter
  bank waits for, late by as many frames as `encoding_delay` says.
  """
  bands, bank = pqmf.to_bands_block(carry.bands, audio, encoder.num_bands)
  outputs, network = streaming.advance(encoder, variables, carry.network, bands)
  return outputs, Carry(bank, network)


def encoding_delay(encoder: Any, variables: Mapping[str, Any]) -> tuple[int, int]:
  """Samples that the filter bank waits for, and latent frames that the encoder does."""
  bands = _zeros(1, math.prod(encoder.ratios), encoder.num_bands)
  return pqmf.latency(encoder.num_bands)[0], streaming.delay(encoder, variables, bands)


def begin_decoding(
  decoder: Any,
  variables: Mapping[str, Any],
  batch_size: int,
  block_frames: int,
  latent_dim: int,
  noise_rng: jax.Array | None = None,
) -> Carry:
  """The carry before the first block of `decode_block`.

  Args:
    decoder: a `DecoderV1` or `DecoderV2`.
    variables: its parameters, as in `begin_encoding`.
    batch_size: B.
    block_frames: latent frames of every block.
    latent_dim: D.
    noise_rng: a key if there will be one; its value is not read.
  """
  z = _zeros(batch_size, block_frames, latent_dim)
  delay = streaming.delay(decoder, variables, z, noise_rng=noise_rng)
  bank = pqmf.begin(batch_size, decoder.num_bands, delay)
  return Carry(bank, streaming.begin(decoder, variables, z, noise_rng=noise_rng))


def decode_block(
  decoder: Any,
  variables: Mapping[str, Any],
  carry: Carry,
  z: jax.Array,
  noise_rng: jax.Array | None = None,
) -> tuple[jax.Array, Carry]:
  """[B, N, D] latents to [B, N * hop] samples, and the carry after them.

  Late by `decoding_delay` samples; then equal to the whole sequence's. `noise_rng` is that of the
  whole sequence too, the same for each block.
  """
  bands, network = streaming.advance(decoder, variables, carry.network, z, noise_rng=noise_rng)
  audio, bank = pqmf.from_bands_block(carry.bands, bands)
  return audio, Carry(bank, network)


def decoding_delay(
  decoder: Any,
  variables: Mapping[str, Any],
  latent_dim: int,
  noise_rng: jax.Array | None = None,
) -> int:
  """Samples by which `decode_block` is late; arguments as in `begin_decoding`."""
  frames = streaming.delay(decoder, variables, _zeros(1, 1, latent_dim), noise_rng=noise_rng)
  return frames * decoder.num_bands + pqmf.latency(decoder.num_bands)[1]


def _zeros(*shape):
  return jnp.zeros(shape)
