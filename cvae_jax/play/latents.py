"""Recordings and draws of the prior as curves of latents, which the page changes and plays."""

from collections.abc import Sequence

import numpy as np

from cvae_jax.core import errors
from cvae_jax.play import melodies
from cvae_jax.play import schema
from cvae_jax.synthesis import continuation
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer

_DECIMALS = 4  # of the curves' values, the largest of which are about 10


def count_heard(synth: synthesizer.Synthesizer) -> int:
  """K: latents that have the share of the variance that is heard; 0 of a run that has no stream."""
  streamer = synth.method.streamer
  return 0 if streamer is None else streamer.count_heard(synth.params, synth.config.method.fidelity)


def _check_count(count: int, heard: int) -> None:
  if count > heard:
    raise errors.UserError(f"this run has {heard} latents that are heard, got {count} curves")


def _to_curves(
  synth: synthesizer.Synthesizer, codes: np.ndarray, num_samples: int
) -> schema.Latents:
  hop_length = latent_streams.need_streamer(synth, "curves of latents").hop_length
  heard = np.asarray(codes[:, : count_heard(synth)], np.float64)
  return schema.Latents(
    frame_s=hop_length / synth.sample_rate,
    num_samples=num_samples,
    codes=np.round(heard.T, _DECIMALS).tolist(),
  )


def encode(synth: synthesizer.Synthesizer, body: bytes) -> schema.Latents:
  """The curves of an uploaded recording.

  Args:
    synth: a run with a streamer.
    body: bytes of an audio file; of a longer one the first `schema.MAX_S` seconds are used.

  Raises:
    UserError: if the run does not stream, or the bytes are no recording.
  """
  latent_streams.need_streamer(synth, "curves of a recording")
  parts = melodies.read_recording(body, synth.sample_rate)
  return _to_curves(synth, latent_streams.encode(synth, parts), sum(len(part) for part in parts))


def draw(synth: synthesizer.Synthesizer, request: schema.LatentsDrawn) -> schema.Latents:
  """Curves that are drawn of the prior.

  Raises:
    UserError: if the run does not stream, or has no prior that goes on.
  """
  hop_length = latent_streams.need_streamer(synth, "curves of latents").hop_length
  num_samples = max(round(request.seconds * synth.sample_rate), 1)
  count = -(-num_samples // hop_length)
  windows = continuation.draw_windows(synth, None, request.seed, request.temperature)
  codes = np.concatenate(list(latent_streams.trim(windows, 0, count)))
  return _to_curves(synth, codes, num_samples)


def play(synth: synthesizer.Synthesizer, request: schema.LatentsPlayed) -> np.ndarray:
  """[T] samples of the sound of curves. Latents that have none are 0, or drawn if none are heard.

  Raises:
    UserError: if the run does not stream, for curves of several lengths or of latents that there
      are not, or for a sound that is too long.
  """
  streamer = latent_streams.need_streamer(synth, "playing latents")
  lengths = {len(curve) for curve in request.codes}
  if len(lengths) > 1:
    raise errors.UserError(
      f"codes must be curves of one length, got {min(lengths)} to {max(lengths)} frames"
    )
  (frames,) = lengths
  _check_count(len(request.codes), count_heard(synth))
  most = round(schema.MAX_S * synth.sample_rate)
  # The last frame of the longest sound may go on beyond it.
  num_samples = request.num_samples or min(frames * streamer.hop_length, most)
  if num_samples > most or frames > -(-most // streamer.hop_length):
    seconds = max(num_samples, frames * streamer.hop_length) / synth.sample_rate
    raise errors.UserError(f"codes must be of at most {schema.MAX_S:g} s, got {seconds:.1f} s")
  codes = np.zeros((frames, streamer.latent_dim), np.float32)
  codes[:, : len(request.codes)] = np.asarray(request.codes, np.float32).T
  return np.concatenate(list(latent_streams.decode(synth, [codes], num_samples, request.seed)))


def to_change(
  synth: synthesizer.Synthesizer, change: schema.LatentChange
) -> latent_conversion.Change:
  """A change of all of a run's latents.

  Raises:
    UserError: if the run does not stream, or for latents that there are not.
  """
  streamer, heard = latent_streams.need_streamer(synth, "playing latents"), count_heard(synth)

  def pairs(values: Sequence[float]) -> list[tuple[int, float]]:
    _check_count(len(values), heard)
    return list(enumerate(values))

  return latent_conversion.make_change(streamer.latent_dim, pairs(change.scale), pairs(change.bias))
