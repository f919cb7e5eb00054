"""Interpolations and traversals of recordings of any length, by a run that streams, as WAVs."""

from collections.abc import Iterator
import os

import numpy as np

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.evaluation import drawing
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer


def interpolate(
  synth: synthesizer.Synthesizer,
  inputs: tuple[str, str],
  folder: str,
  steps: int,
  join: bool = False,
  seed: int = 0,
) -> Iterator[str]:
  """Interpolates between two recordings frame by frame, as long as the longer one.

  Args:
    synth: a run that streams.
    inputs: audio files.
    folder: of the WAVs.
    steps: number of WAVs, both ends included.
    join: whether one WAV goes from the first to the second over time instead.
    seed: of what is drawn in decoding.

  Yields:
    The path of each WAV that was written.

  Raises:
    UserError: if there are too few steps, the run does not stream, or a file cannot be read.
  """
  if steps < 2:
    raise errors.UserError(f"the number of steps must be 2 or more, got {steps}")
  rate = synth.sample_rate
  a, b = (
    latent_streams.encode(synth, (part.audio for part in files.read_parts(path, rate)))
    for path in inputs
  )
  count = max(len(a), len(b))
  weights: dict[str, float | np.ndarray] = {f"step-{i:02d}": i / (steps - 1) for i in range(steps)}
  if join:
    weights = {"interpolation": np.linspace(0.0, 1.0, count)}
  for name, weight in weights.items():
    path, codes = os.path.join(folder, f"{name}.wav"), latent_streams.mix(a, b, weight)
    num_samples = count * latent_streams.need_streamer(synth, "interpolating").hop_length
    files.write_blocks(path, latent_streams.decode(synth, [codes], num_samples, seed), rate)
    yield path


def traverse(
  synth: synthesizer.Synthesizer,
  path: str | None,
  folder: str,
  num: int,
  span: float,
  seed: int = 0,
) -> Iterator[str]:
  """Moves one latent after the other of a recording: each rises over time, in a WAV of its own.

  Args:
    synth: a run that streams.
    path: of the recording; None for a draw of the prior.
    folder: of the WAVs and of a figure.
    num: number of latents.
    span: by which they move to both sides.
    seed: of what is drawn.

  Yields:
    The path of each file that was written.

  Raises:
    UserError: if there are not so many latents, the run does not stream, or a file cannot be read.
  """
  streamer, rate = latent_streams.need_streamer(synth, "traversing"), synth.sample_rate
  if not 1 <= num <= streamer.latent_dim:
    raise errors.UserError(
      f"--num must be 1 to {streamer.latent_dim}, the dimensions of a code, got {num}"
    )
  if path is None:
    codes = latent_space.draw_code(synth, synth.draw_labels(1, seed), seed, count=1)[0]
  else:
    codes = latent_streams.encode(synth, (part.audio for part in files.read_parts(path, rate)))
  ramp = np.linspace(-span, span, len(codes))
  num_samples, rows = len(codes) * streamer.hop_length, []
  for dimension in (None, *range(num)):
    name = "as-it-is" if dimension is None else f"dimension-{dimension:03d}"
    moved = codes.copy()
    if dimension is not None:
      moved[:, dimension] += ramp
    audio = np.concatenate(list(latent_streams.decode(synth, [moved], num_samples, seed)))
    wav = os.path.join(folder, f"{name}.wav")
    files.write_wav(wav, audio, rate)
    yield wav
    rows.append(("as it is" if dimension is None else f"dimension {dimension}", [audio]))
  figure = os.path.join(folder, "traversal.png")
  drawing.write_png(figure, synth.form.draw(rows, [f"moved from {-span:+g} to {span:+g}"]))
  yield figure
