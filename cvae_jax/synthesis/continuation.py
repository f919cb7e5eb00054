"""Sound of any length from a run whose prior goes on: out of nothing, or after a recording."""

from collections.abc import Iterator
from collections.abc import Mapping
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation


def draw_windows(
  synth: synthesizer.Synthesizer,
  start: np.ndarray | None = None,
  seed: int = 0,
  temperature: float = 1.0,
  labels: Mapping[str, np.ndarray] | None = None,
) -> Iterator[np.ndarray]:
  """Codes without end, some [n, D] frames at a time.

  Args:
    synth: a run whose prior goes on.
    start: [K, D] codes that they go on from; they are not among the result.
    seed: the same one gives the same codes.
    temperature: factor of the prior's noise.
    labels: of one example, see `Synthesizer.draw_labels`, which gives them if there are none.

  Raises:
    UserError: a run without such a prior, or a temperature that is negative.
  """
  kind = "has a prior of sequences, as those of configs/rave.py"
  extend = compilation.jit(synth.need("extend_code", "going on", kind))
  synthesizer.check_temperature(temperature)
  drawn = synth.draw_labels(1, seed) if labels is None else labels
  chosen = {name: np.asarray(drawn[name]) for name in synth.conditions}
  conditions, key = methods.at_temperature(chosen, 1, temperature), jax.random.key(seed)
  context = synth.method.context
  assert synth.method.code_shape is not None
  known = np.zeros((0, synth.method.code_shape[-1]), np.float32) if start is None else start
  number = 0
  while True:
    known = known[max(len(known) - context, 0) :]
    rng = jax.random.fold_in(key, number)
    window = np.asarray(extend(synth.params, jnp.asarray(known)[None], conditions, rng))[0]
    yield window[len(known) :]
    known, number = window, number + 1


def encode_end(synth: synthesizer.Synthesizer, audio: np.ndarray) -> np.ndarray:
  """[K, D] codes of the end of a recording [T]: of its last example, silence before it if short.

  Raises:
    UserError: a run that has no encoder.
  """
  encode = synth.need("encode", "going on from a recording", "has an encoder")
  length = forms.need_waveform(synth.form, "going on").num_samples
  part = audio[max(len(audio) - length, 0) :]
  part = np.pad(part, (length - len(part), 0))[None].astype(np.float32)
  codes = np.asarray(compilation.jit(encode)(synth.params, {synth.form.key: part}))[0]
  hop_length = latent_streams.need_streamer(synth, "going on").hop_length
  return codes[: length // hop_length][-max(len(audio) // hop_length, 1) :]


def generate(
  synth: synthesizer.Synthesizer,
  seconds: float,
  start: np.ndarray | None = None,
  seed: int = 0,
  temperature: float = 1.0,
  labels: Mapping[str, np.ndarray] | None = None,
) -> Iterator[np.ndarray]:
  """Draws sound of any length, in bounded memory.

  Args:
    synth: a run whose prior goes on, and that streams.
    seconds: of what is drawn.
    start: [T] a recording to go on from, at the run's sample rate: the end of it comes first, at
      most an example, through the run's decoder.
    seed: the same one gives the same sound.
    temperature: factor of the prior's noise.
    labels: as in `draw_windows`.

  Yields:
    [n] float32 waveforms.

  Raises:
    UserError: as `draw_windows`; a length that is not positive; no more than silence to go on from.
  """
  streamer = latent_streams.need_streamer(synth, "sound of any length")
  if not 0.0 < seconds < np.inf:
    raise errors.UserError(f"seconds must be positive, got {seconds}")
  first = np.zeros((0, streamer.latent_dim), np.float32)
  if start is not None:
    if not np.any(start):
      raise errors.UserError("there is nothing to go on from: the recording is silent")
    first = encode_end(synth, start)
  drawn = draw_windows(synth, first, seed, temperature, labels)
  total = round(seconds * synth.sample_rate) + len(first) * streamer.hop_length
  yield from latent_streams.decode(synth, itertools.chain([first], drawn), total, seed)


def generate_file(
  synth: synthesizer.Synthesizer,
  target: str,
  seconds: float,
  source: str | None = None,
  seed: int = 0,
  temperature: float = 1.0,
  labels: Mapping[str, np.ndarray] | None = None,
) -> None:
  """`generate` into an audio file, after a recording if there is one.

  Raises:
    UserError: as `generate`, `files.read_parts` and `files.write_blocks`.
  """
  start, rate = None, synth.sample_rate
  if source is not None:
    most = forms.need_waveform(synth.form, "going on").num_samples
    start = np.zeros(0, np.float32)
    for part in files.read_parts(source, rate):
      start = np.concatenate([start, part.audio])[-most:]
  files.write_blocks(target, generate(synth, seconds, start, seed, temperature, labels), rate)
