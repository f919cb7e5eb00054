"""Timbre transfer: a recording's f0 and loudness, played by a run's instrument.

The recording is read twice, in parts, and what is kept of it is its controls: memory does not grow
with its sound. Its register and its loudness are moved into the range of the training examples, and
the result's level back to where it was.

Source: Engel et al. 2020 (DDSP), section 4.5, and its Colab notebook `timbre_transfer`.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.methods.common import performer as performer_lib
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

_BLOCK_S, _CONTEXT_S = 8.0, 0.5  # of a recording that is measured at once, and around it
_PLAYED_S = 0.5  # of a block that is played
_FEW, _SOME = 0.1, 0.5  # shares of loud frames with a clear pitch
_TOP = 95  # percentile of the loudness that is moved to that of the training examples


def need_performer(synth: synthesizer.Synthesizer, what: str) -> performer_lib.Performer:
  """The run's performer.

  Raises:
    UserError: if the run is not played by f0 and loudness.
  """
  configs = "configs/ddsp.py, ddsp_solo.py and ddsp_vae.py"
  kind = f"is played by f0 and loudness, as those of {configs}"
  return synth.need("performer", what, kind)


def measure(
  performer: performer_lib.Performer, blocks: Iterable[np.ndarray], sample_rate: int
) -> controls_lib.Controls:
  """The controls [N] of a recording that comes in blocks of any lengths; N = T // hop_length."""
  hop_length = performer.tracking.hop_length
  count, context = (round(s * sample_rate / hop_length) for s in (_BLOCK_S, _CONTEXT_S))
  size = (count + 2 * context) * hop_length
  run = compilation.jit(performer.measure)
  buffer = np.zeros(context * hop_length, np.float32)  # Silence before the first frame.
  measured: list[controls_lib.Controls] = []
  total = 0

  def take(num_frames):
    padded = np.pad(buffer[:size], (0, max(size - len(buffer), 0)))
    found = run(jnp.asarray(padded[None]))
    measured.append(jax.tree.map(lambda x: np.asarray(x)[0, context : context + num_frames], found))

  for block in blocks:
    total += len(block)
    buffer = np.concatenate([buffer, block])
    while len(buffer) >= size:
      take(count)
      buffer = buffer[count * hop_length :]
  left = total // hop_length - count * len(measured)
  while left > 0:
    take(min(left, count))
    buffer, left = buffer[count * hop_length :], left - count
  if not measured:
    raise errors.UserError(
      f"the recording is shorter than a frame of {hop_length} samples at {sample_rate} Hz"
    )
  return jax.tree.map(lambda *x: np.concatenate(x), *measured)


class Summary(NamedTuple):
  """What a recording is like, as an instrument hears it.

  Attributes:
    clear: [N] frames that are loud and have a clear pitch.
    share: of the loud frames that are clear.
    pitch: median MIDI pitch of the clear frames; of loud ones where none is clear.
    top_db: loudness of its loud frames.
  """

  clear: np.ndarray
  share: float
  pitch: float
  top_db: float


def summarize(controls: controls_lib.Controls) -> Summary:
  """Summarises controls [N].

  Raises:
    UserError: if they are those of silence.
  """
  loudness_db = np.asarray(controls.loudness_db)
  if loudness_db.max() < controls_lib.SILENCE_DB:
    raise errors.UserError("the recording is silent: there is nothing to play")
  is_loud, clear = controls_lib.loud_frames(controls), controls_lib.clear_frames(controls)
  chosen = clear if clear.any() else is_loud
  pitch = np.asarray(controls_lib.hz_to_pitch(jnp.asarray(controls.f0_hz[chosen])))
  top_db = np.percentile(loudness_db[is_loud], _TOP)
  return Summary(clear, float(clear.sum() / is_loud.sum()), float(np.median(pitch)), float(top_db))


def warning(summary: Summary) -> str | None:
  """What to expect of a recording without a clear pitch; None for one with it."""
  percent = f"{100 * summary.share:.0f} % of its loud frames have a clear pitch"
  if summary.share < _FEW:
    return f"{percent}: it is noise, or many notes at once, and no melody will be followed"
  if summary.share < _SOME:
    return (
      f"{percent}: of notes that sound at once only one is followed, and in noise and in a "
      "room's echo the pitch may jump"
    )
  return None


class Adaptation(NamedTuple):
  """How a recording's controls are moved into the range of an instrument.

  Attributes:
    semitones: by which f0 is transposed.
    gain_db: that loudness is given before it is played, and that is taken away afterwards.
    curve: loudness in dB of the recording, and of the instrument where it stands for it; None to
      leave its dynamics.
  """

  semitones: float
  gain_db: float
  curve: tuple[np.ndarray, np.ndarray] | None = None

  def apply(self, controls: controls_lib.Controls) -> controls_lib.Controls:
    """The controls that are played."""
    f0_hz = controls.f0_hz * 2.0 ** (self.semitones / 12.0)
    loudness_db = np.asarray(controls.loudness_db)
    if self.curve is None:
      loudness_db = loudness_db + self.gain_db
    else:
      source, target = self.curve
      # Below the quietest and above the loudest it is moved as these are.
      inside = np.interp(loudness_db, source, target)
      below = np.minimum(loudness_db - source[0], 0.0)
      above = np.maximum(loudness_db - source[-1], 0.0)
      loudness_db = inside + below + above
    loudness_db = np.maximum(loudness_db, -controls_lib.RANGE_DB)
    return controls._replace(f0_hz=f0_hz, loudness_db=loudness_db)  # type: ignore[arg-type]


def adapt(
  controls: controls_lib.Controls,
  summary: Summary,
  ranges: performer_lib.Ranges,
  semitones: float | None = None,
  match_loudness: bool = False,
) -> Adaptation:
  """How to move controls into the ranges of an instrument.

  Args:
    controls: of the recording.
    summary: of them.
    ranges: of the training examples.
    semitones: to transpose by; without it by the octaves that bring the median pitch nearest to
      that of the training examples.
    match_loudness: whether the dynamics become those of the training examples as well.
  """
  pitch, loudness_db = (np.asarray(x) for x in ranges)
  if semitones is None:
    semitones = 12.0 * round((float(np.median(pitch)) - summary.pitch) / 12.0)
  gain_db = float(np.percentile(loudness_db, _TOP)) - summary.top_db
  if not match_loudness:
    return Adaptation(semitones, gain_db)
  chosen = summary.clear if summary.clear.any() else np.ones_like(summary.clear)
  places = np.linspace(0.0, 1.0, len(loudness_db))
  source = np.quantile(np.asarray(controls.loudness_db)[chosen], places)
  source = np.maximum.accumulate(source + 1e-4 * np.arange(len(source)))  # np.interp needs a rise.
  return Adaptation(semitones, gain_db, (source, loudness_db))


def play(
  synth: synthesizer.Synthesizer,
  controls: controls_lib.Controls,
  z: np.ndarray | None = None,
  labels: Mapping[str, np.ndarray] | None = None,
  seed: int = 0,
  in_room: bool = True,
) -> Iterator[np.ndarray]:
  """Plays controls [N] of any length, in bounded memory.

  Args:
    synth: a run with a performer.
    controls: of the instrument, see `Adaptation.apply`.
    z: [D] latent; None for a run of one timbre.
    labels: of one example, for a run with a condition.
    seed: of the noise.
    in_room: whether the room that was learnt is heard, if there is one.

  Yields:
    Blocks of samples; in total N * hop_length.
  """
  performer = need_performer(synth, "playing controls")
  hop_length, count = performer.tracking.hop_length, len(controls.f0_hz)
  block = max(round(_PLAYED_S * synth.sample_rate / hop_length), 1)
  advance = compilation.jit(performer.advance)
  state = performer.begin(synth.params, 1, block, jax.random.key(seed), in_room)
  batch_z = jnp.zeros((1, 0)) if z is None else jnp.asarray(z)[None]
  late, left = performer.latency, count * hop_length
  # Frames after the last are as the last, but silent, for what is late.
  spare = -(-late // hop_length)
  padding = (0, spare + -(count + spare) % block)
  f0_hz = np.pad(np.asarray(controls.f0_hz, np.float32), padding, mode="edge")
  loudness_db = np.pad(
    np.asarray(controls.loudness_db, np.float32), padding, constant_values=-controls_lib.RANGE_DB
  )
  for first in range(0, len(f0_hz), block):
    part = slice(first, first + block)
    audio, state = advance(
      synth.params, state, f0_hz[None, part], loudness_db[None, part], batch_z, dict(labels or {})
    )
    samples = np.asarray(audio)[0, late:][:left]
    late = max(late - block * hop_length, 0)
    left -= len(samples)
    yield samples


def choose_timbre(
  synth: synthesizer.Synthesizer,
  pitch: float,
  labels: Mapping[str, Any] | None = None,
  like: np.ndarray | None = None,
  seed: int = 0,
  temperature: float = 1.0,
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
  """The latent [D] and the labels [1] of the instrument that a recording is played on.

  Args:
    synth: a run with a performer.
    pitch: MIDI pitch that is typical of the recording.
    labels: given labels, see `Synthesizer.resolve`.
    like: an example whose timbre it is; drawn from the prior without one.
    seed: of the draw.
    temperature: of the prior.

  Raises:
    UserError: a run without a prior where there is no sound to be like, or wrong labels.
  """
  performer = need_performer(synth, "timbre")
  synth.resolve(**(labels or {}))
  columns = synth.draw_labels(1, seed, **(labels or {})) if synth.conditions else {}
  if performer.timbre is None:
    if like is not None:
      raise errors.UserError("this run has one timbre: it takes no sound to be like")
    return None, columns
  label = synth.vocabulary.find("pitch")
  if label is not None and "pitch" in columns:
    columns["pitch"] = np.clip(np.asarray([pitch], np.float32), label.low, label.high)
  if like is not None:
    audio = synth.form.check(like)[None]
    found = performer.measure(jnp.asarray(audio))
    summary = summarize(jax.tree.map(lambda x: np.asarray(x)[0], found))
    batch = {**columns, "audio": audio}
    if "pitch" in columns:
      batch["pitch"] = np.asarray([summary.pitch], np.float32)
    return np.asarray(performer.timbre(synth.params, batch))[0], columns
  if synth.method.draw_code is None:
    raise errors.UserError(
      "this run has no prior to draw a timbre from: give it a sound to be like, with --like"
    )
  at_temperature = methods.at_temperature(columns, 1, temperature)
  key = jax.random.key(seed)
  return np.asarray(synth.method.draw_code(synth.params, at_temperature, key))[0], columns


class Converted(NamedTuple):
  """What was done to a file.

  Attributes:
    duration_s: of the result.
    summary: of the recording.
    adaptation: of its controls.
    labels: of the instrument.
  """

  duration_s: float
  summary: Summary
  adaptation: Adaptation
  labels: dict[str, np.ndarray]


def convert_file(
  synth: synthesizer.Synthesizer,
  source: str,
  target: str,
  semitones: float | None = None,
  match_loudness: bool = False,
  labels: Mapping[str, Any] | None = None,
  like: np.ndarray | None = None,
  seed: int = 0,
  temperature: float = 1.0,
  in_room: bool = True,
) -> Converted:
  """Plays the f0 and loudness of an audio file, of any rate and length, on a run's instrument.

  Args:
    synth: a run with a performer.
    source: path of the file.
    target: path to write.
    semitones: see `adapt`.
    match_loudness: see `adapt`.
    labels: of the instrument.
    like: see `choose_timbre`.
    seed: of the timbre and the noise.
    temperature: of the timbre.
    in_room: see `play`.

  Raises:
    UserError: a run that is not played so, a file that cannot be read, is silent or too short, or
      a path that cannot be written.
  """
  performer, rate = need_performer(synth, "converting"), synth.sample_rate
  blocks = (part.audio for part in files.read_parts(source, rate))
  try:
    controls = measure(performer, blocks, rate)
    summary = summarize(controls)
  except errors.UserError as e:
    raise errors.UserError(str(e).replace("the recording", source)) from None
  adaptation = adapt(controls, summary, performer.ranges(synth.params), semitones, match_loudness)
  pitch = summary.pitch + adaptation.semitones
  z, columns = choose_timbre(synth, pitch, labels, like, seed, temperature)
  played = play(synth, adaptation.apply(controls), z, columns, seed, in_room)
  gain = 10.0 ** (-adaptation.gain_db / 20.0)
  count = files.write_blocks(target, (gain * x for x in played), rate)
  return Converted(count / rate, summary, adaptation, columns)
