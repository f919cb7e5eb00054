"""What every method on the features of waveforms needs: features of a batch, waveforms of features.

Waveforms lose their DC offset and get one peak level before a network sees them, and what a network
generates ends at 0 and has that peak: see `audio.level`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax.audio import augment
from cvae_jax.audio import bilateral
from cvae_jax.audio import level
from cvae_jax.audio import representations
from cvae_jax.data import forms


def encode_features(
  representation: representations.Representation, batch: Mapping[str, Any]
) -> jax.Array:
  """[B, N, F, C] features of a batch's waveforms."""
  return representation.encode(level.normalize(batch["audio"]))


def vary(
  config: ml_collections.ConfigDict, form: forms.Waveform, audio: jax.Array, rng: jax.Array
) -> jax.Array:
  """[B, T] normalised waveforms, varied as the `augment` section of a config asks for."""
  varied = augment.vary(audio, rng, form.sample_rate, config.equaliser_db, config.envelope_db)
  return level.normalize(varied)


def decode_features(
  representation: representations.Representation,
  form: forms.Waveform,
  features: jax.Array,
  rng: jax.Array,
) -> jax.Array:
  """[B, T] waveforms of features: faded at both ends, with a peak of `level.PEAK`."""
  return finish(form, representation.decode(features, rng))


def finish(form: forms.Waveform, audio: jax.Array) -> jax.Array:
  """[B, T] waveforms faded at both ends, with a peak of `level.PEAK`."""
  return level.peak_normalize(level.fade_ends(audio, form.sample_rate))


def steady_levels(
  config: ml_collections.ConfigDict,
  representation: representations.Representation,
  form: forms.Waveform,
  features: jax.Array,
) -> jax.Array:
  """Predicted features with levels that do not waver, see `bilateral.smooth_over_time`.

  Args:
    config: a whole one; `method.smoothing_db` is the tolerance, and `method.smoothing_s` the reach.
    representation: of the features.
    form: of the waveforms.
    features: [B, N, F, C].
  """
  tolerance_db, floored = config.method.smoothing_db, np.asarray(representation.floored)
  if not tolerance_db or not floored.any():
    return features
  unit_db = -config.representation.floor_db / 2.0
  reach = round(config.method.smoothing_s * form.sample_rate / config.representation.hop_length)
  channels = [
    bilateral.smooth_over_time(features[..., i], tolerance_db / unit_db, reach)
    if is_level
    else features[..., i]
    for i, is_level in enumerate(floored)
  ]
  return jnp.stack(channels, axis=-1)


_OVER_FRAMES = 4  # below the gate, after which a sound is over


def end_in_silence(
  config: ml_collections.ConfigDict,
  representation: representations.Representation,
  features: jax.Array,
) -> jax.Array:
  """Predicted features of sounds that have an end: silence after they have fallen into it.

  Args:
    config: a whole one; `method.gate_db` below its loudest frame, a sound is over.
    representation: of the features; its first channel is a level.
    features: [B, N, F, C].
  """
  gate_db, floored = config.method.gate_db, np.asarray(representation.floored)
  if not gate_db or not floored[0]:
    return features
  level = jnp.max(features[..., 0], axis=-1)  # [B, N] of the loudest bin
  peak = jnp.argmax(level, axis=-1)
  gate = jnp.max(level, axis=-1) + 2.0 * gate_db / config.representation.floor_db
  is_below = (level < gate[:, None]) & (jnp.arange(level.shape[1]) > peak[:, None])
  # As many in a row: none of the last few frames is above.
  above = jnp.pad(~is_below, ((0, 0), (_OVER_FRAMES - 1, 0)), constant_values=True)
  run = sum(above[:, i : i + level.shape[1]] for i in range(_OVER_FRAMES))
  is_over = jnp.cumsum(run == 0, axis=-1) > 0
  silent = jnp.where(floored, -1.0, features)
  return jnp.where(is_over[..., None, None], silent, features)


def squared_error_db(
  representation: representations.Representation, features: jax.Array, predicted: jax.Array
) -> jax.Array:
  """[B, N, F] squared differences of the levels of features, in dB^2."""
  return jnp.square(representation.level_db(features) - representation.level_db(predicted))


def error_metrics(error_db2: jax.Array) -> dict[str, jax.Array]:
  """Metrics of [B, N, F] squared errors in dB^2, [B] each.

  Returns:
    'mse_db2', which the root of a mean makes 'rmse_db', and 'lsd_db', the log-spectral distance.
  """
  return {
    "mse_db2": jnp.mean(error_db2, axis=(1, 2)),
    "lsd_db": jnp.mean(jnp.sqrt(jnp.mean(error_db2, axis=2)), axis=1),
  }
