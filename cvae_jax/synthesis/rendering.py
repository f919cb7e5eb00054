"""A score played by a run's notes."""

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

_RELEASE_S = 0.12  # time constant of a note that is let go
_TAIL_S = 6 * _RELEASE_S  # until nothing is left of it
_PEAK = 0.89  # -1 dB


def choose_voice(
  synth: synthesizer.Synthesizer, program: int, mapped: Mapping[int, str]
) -> tuple[str | None, str | None]:
  """(family, source) that a program is played by; None for what the run is not conditioned on.

  A family or a source that was not in training is left to the run.

  Args:
    synth: the run.
    program: General MIDI's, from 0.
    mapped: families by program, before General MIDI's own.
  """
  meant = general_midi.program(program)

  def known(name, value):
    if name not in synth.conditions:
      return None
    return value if value in synth.table.known_names(name) else None

  family = mapped.get(program, meant.family)
  return known("family", family), known("source", meant.source)


def sound(key: instrument.Key, duration_s: float, velocity: int, rate: int) -> np.ndarray:
  """A key's sound, held for a time and let go.

  A note that has a loop is held as long as it takes; one that has none fades as it does.

  Args:
    key: of an instrument.
    duration_s: until it is let go.
    velocity: MIDI velocity.
    rate: of the key's samples, in Hz.
  """
  down, tail = round(duration_s * rate), round(_TAIL_S * rate)
  audio = key.audio
  if key.loop is not None and down + tail > key.loop.end:
    audio = loops.hold(audio, key.loop, down + tail)
  audio = audio[: down + tail].astype(np.float64)
  after = np.arange(audio.size) - down
  audio *= np.exp(-np.maximum(after, 0) / (_RELEASE_S * rate))
  end = min(audio.size, round(0.005 * rate))  # And the last of it goes to nothing.
  audio[audio.size - end :] *= np.linspace(1.0, 0.0, end)
  return audio * float(level.velocity_to_gain(velocity))


def render(
  synth: synthesizer.Synthesizer,
  notes: list[scores.Note],
  mapped: Mapping[int, str] | None = None,
  seed: int = 0,
  temperature: float = 1.0,
) -> np.ndarray:
  """Plays notes: [T] float32 at the run's rate, no louder than -1 dB.

  Every program is one instrument: one z for all of its keys.

  Args:
    synth: a run that is conditioned on the pitch.
    notes: of a piece.
    mapped: families by program.
    seed: of the instruments; program p has seed + p.
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
    own = [note for note in notes if note.program == program]
    family, source = choose_voice(synth, program, mapped or {})
    pitches, velocities = (sorted(set(values)) for values in (
      [n.pitch for n in own], [nearest(n.velocity) for n in own]))  # fmt: skip
    voice = "_".join(filter(None, (family, source))) or "the run's own"
    _log.info("program %d: %d notes by %s", program, len(own), voice)
    keys = instrument.make_instrument(
      synth, pitches, velocities, seed + program, temperature, family=family, source=source
    )
    by_place = {(key.pitch, key.velocity): key for key in keys}
    alone = keys[0].velocity if len({key.velocity for key in keys}) == 1 else None
    for note in own:
      layer = alone if alone is not None else nearest(note.velocity)
      audio = sound(by_place[note.pitch, layer], note.end_s - note.start_s, note.velocity, rate)
      start = round(note.start_s * rate)
      piece[start : start + audio.size] += audio[: length - start]
  peak = np.abs(piece).max()
  return (piece * min(1.0, _PEAK / max(peak, 1e-9))).astype(np.float32)
