"""Renders scores with a run's notes."""

from collections.abc import Mapping
import logging

import numpy as np

from cvae_jax import scores
from cvae_jax.audio import level
from cvae_jax.data import general_midi
from cvae_jax.data import labels
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import loops
from cvae_jax.synthesis import synthesizer

_log = logging.getLogger(__name__)

_RELEASE_S = 0.12  # time constant of the release
_TAIL_S = 6 * _RELEASE_S  # after which the release is cut
_PEAK = 0.89  # -1 dB


def choose_voice(
  synth: synthesizer.Synthesizer, program: int, mapped: Mapping[int, str]
) -> tuple[str | None, str | None]:
  """Chooses the (family, source) of a program; None for a label to be drawn by the run.

  That is the case if the run is not conditioned on the label, or its value was not in the training
  data.

  Args:
    synth: the run.
    program: General MIDI program, from 0.
    mapped: families by program, which override General MIDI's.
  """
  general_program = general_midi.program(program)

  def if_trained(name, value):
    if name not in synth.conditions:
      return None
    return value if value in synth.table.known_names(name) else None

  family = mapped.get(program, general_program.family)
  return if_trained("family", family), if_trained("source", general_program.source)


def sound(key: instrument.Key, duration_s: float, velocity: int, rate: int) -> np.ndarray:
  """Renders a key that is held for a duration and released.

  A note with a loop is sustained for the whole duration; one without ends with its sample.

  Args:
    key: of an instrument.
    duration_s: time until the release.
    velocity: MIDI velocity.
    rate: of the key's samples, in Hz.
  """
  num_held, tail = round(duration_s * rate), round(_TAIL_S * rate)
  audio = key.audio
  if key.loop is not None and num_held + tail > key.loop.end:
    audio = loops.hold(audio, key.loop, num_held + tail)
  audio = audio[: num_held + tail].astype(np.float64)
  since_release = np.arange(audio.size) - num_held
  audio *= np.exp(-np.maximum(since_release, 0) / (_RELEASE_S * rate))
  fade = min(audio.size, round(0.005 * rate))  # Fades out the last samples.
  audio[audio.size - fade :] *= np.linspace(1.0, 0.0, fade)
  return audio * float(level.velocity_to_gain(velocity))


def limit_peak(piece: np.ndarray) -> np.ndarray:
  """A piece [T] as float32, with a peak of at most -1 dB."""
  peak = np.abs(piece).max()
  return (piece * min(1.0, _PEAK / max(peak, 1e-9))).astype(np.float32)


def render(
  synth: synthesizer.Synthesizer,
  notes: list[scores.Note],
  mapped: Mapping[int, str] | None = None,
  seed: int = 0,
  temperature: float = 1.0,
) -> np.ndarray:
  """Renders notes to [T] float32 at the run's sample rate, with a peak of at most -1 dB.

  Every program is one instrument, with one z for all of its keys.

  Args:
    synth: a run that is conditioned on the pitch.
    notes: of a piece.
    mapped: families by program.
    seed: of the instruments; program p uses seed + p.
    temperature: of z.

  Raises:
    UserError: as `instrument.make_instrument`.
  """
  instrument.check(synth)
  rate = synth.sample_rate
  layers = np.asarray(labels.VELOCITIES)
  nearest = lambda velocity: int(layers[np.argmin(np.abs(layers - velocity))])
  length = round(max(note.end_s for note in notes) * rate) + round(_TAIL_S * rate) + 1
  piece = np.zeros(length)
  for program in sorted({note.program for note in notes}):
    program_notes = [note for note in notes if note.program == program]
    family, source = choose_voice(synth, program, mapped or {})
    pitches, velocities = (sorted(set(values)) for values in (
      [n.pitch for n in program_notes], [nearest(n.velocity) for n in program_notes]))  # fmt: skip
    voice = "_".join(filter(None, (family, source))) or "drawn labels"
    _log.info("program %d: %d notes by %s", program, len(program_notes), voice)
    keys = instrument.make_instrument(
      synth, pitches, velocities, seed + program, temperature, family=family, source=source
    )
    key_of = {(key.pitch, key.velocity): key for key in keys}
    single_layer = keys[0].velocity if len({key.velocity for key in keys}) == 1 else None
    for note in program_notes:
      layer = single_layer if single_layer is not None else nearest(note.velocity)
      audio = sound(key_of[note.pitch, layer], note.end_s - note.start_s, note.velocity, rate)
      start = round(note.start_s * rate)
      piece[start : start + audio.size] += audio[: length - start]
  return limit_peak(piece)
