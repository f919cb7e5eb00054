"""Scores as controls: f0 and loudness of lines of notes, for a run that is played by them.

A part is divided into lines of one note at a time. Notes of a line that follow without a gap are
slurred: f0 glides and loudness hardly dips. Attack, decay and release are those of the run's own
notes where it draws them, and else those of a bow or of breath.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import logging
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from cvae_jax import scores
from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import level
from cvae_jax.methods.common import performer as performer_lib
from cvae_jax.scores import expression
from cvae_jax.synthesis import conversion
from cvae_jax.synthesis import rendering
from cvae_jax.synthesis import synthesizer

_log = logging.getLogger(__name__)

_SLUR_S, _OVERLAP_S = 0.03, 0.1  # a gap that is none; an overlap that is a slur and no chord
_GLIDE_S, _DIP_DB, _DIP_S = 0.04, 4.0, 0.05  # of a slur
_ATTACK_S, _ATTACK_DB = 0.06, 30.0
_RELEASE_DB_PER_S, _TAIL_S = 250.0, 1.0
_HELD_S = 3.0  # of a run's own notes, which are then released: NSynth's protocol
_VIBRATO_HZ, _VIBRATO_DELAY_S, _MODULATION_CENTS = 5.5, 0.3, 50.0


class Style(NamedTuple):
  """What a score does not say.

  Attributes:
    vibrato_cents: depth of the vibrato of long notes, of a part without bends or modulation.
  """

  vibrato_cents: float = 15.0


def split_lines(notes: Sequence[scores.Note]) -> list[list[scores.Note]]:
  """Divides notes, sorted by start, into lines of one note at a time.

  A note goes on with the line that ended last before it; overlaps of a tenth of a second are
  slurs. Where a note is cut short by its successor it ends with its start.
  """
  lines: list[list[scores.Note]] = []
  for note in notes:
    free = [line for line in lines if line[-1].end_s <= note.start_s + _OVERLAP_S
            and line[-1].start_s < note.start_s]  # fmt: skip
    if not free:
      lines.append([note])
      continue
    line = max(free, key=lambda line: line[-1].end_s)
    line[-1] = line[-1]._replace(end_s=min(line[-1].end_s, note.start_s))
    line.append(note)
  return lines


def _is_slurred(before: scores.Note | None, note: scores.Note) -> bool:
  return before is not None and note.start_s - before.end_s <= _SLUR_S


def trace_pitch(
  line: Sequence[scores.Note], part: expression.Part, times_s: np.ndarray, style: Style
) -> np.ndarray:
  """[N] MIDI pitch of a line at times: its notes, glides of slurs, bends and vibrato."""
  pitch = np.full(len(times_s), float(line[0].pitch))
  before = None
  has_own = not (part.bend.is_constant and part.modulation.is_constant)
  modulation = part.modulation.at(times_s)
  for note in line:
    since_s = times_s - note.start_s
    reached = np.clip(since_s / _GLIDE_S + 0.5, 0.0, 1.0) if _is_slurred(before, note) else (
      (since_s >= -_GLIDE_S).astype(float)  # It is there when the note begins.
    )  # fmt: skip
    reached = 0.5 - 0.5 * np.cos(np.pi * reached)
    pitch += reached * (note.pitch - (before.pitch if before else note.pitch))
    cents = _MODULATION_CENTS * modulation if has_own else style.vibrato_cents
    growth = np.clip((since_s - _VIBRATO_DELAY_S) / _VIBRATO_DELAY_S, 0.0, 1.0)
    inside = (since_s >= 0.0) & (times_s < note.end_s)
    wave = np.sin(2.0 * np.pi * _VIBRATO_HZ * np.maximum(since_s - _VIBRATO_DELAY_S, 0.0))
    pitch += inside * growth * wave * cents / 100.0
    before = note
  return pitch + part.bend.at(times_s)


class Envelopes(NamedTuple):
  """Loudness of a run's own notes.

  Attributes:
    loudness_db: [M, N] of each.
    rows: of each (pitch, velocity).
    frame_s: of a frame.
  """

  loudness_db: np.ndarray
  rows: Mapping[tuple[int, int], int]
  frame_s: float

  def held_db(self, note: scores.Note, since_s: np.ndarray) -> np.ndarray:
    """Loudness while the note is held; after its own three seconds it goes on as it went."""
    _, at = self._curve(note)
    held = at(np.minimum(since_s, _HELD_S))
    slope = min(float(at(np.asarray([_HELD_S]))[0] - at(np.asarray([_HELD_S - 1.0]))[0]), 0.0)
    return held + slope * np.maximum(since_s - _HELD_S, 0.0)

  def released_db(self, note: scores.Note, since_s: np.ndarray) -> np.ndarray:
    """What is lost of it, in dB, since it is released."""
    curve, at = self._curve(note)
    end_s = (len(curve) - 1) * self.frame_s
    fall = at(np.minimum(_HELD_S + since_s, end_s)) - at(np.asarray([_HELD_S]))
    # After the note's end it falls on, at least as fast as a bow is taken off.
    rest = -_RELEASE_DB_PER_S * np.maximum(_HELD_S + since_s - end_s, 0.0)
    return np.minimum(fall, 0.0) + rest

  def _curve(self, note):
    curve = self.loudness_db[self.rows[note.pitch, note.velocity]]
    times_s = np.arange(len(curve)) * self.frame_s
    return curve, lambda t: np.interp(t, times_s, curve)


def _velocity_db(velocity: int, ranges: performer_lib.Ranges) -> float:
  """Loudness of a velocity: from the quiet tenth of the training examples to the loud one."""
  quantiles = np.asarray(ranges.loudness_db)
  return float(
    np.interp(0.05 + 0.9 * velocity / 127.0, np.linspace(0, 1, len(quantiles)), quantiles)
  )


def trace_loudness(
  line: Sequence[scores.Note],
  part: expression.Part,
  times_s: np.ndarray,
  ranges: performer_lib.Ranges,
  envelopes: Envelopes | None = None,
) -> np.ndarray:
  """[N] loudness in dB of a line at times.

  Args:
    line: notes, one at a time.
    part: whose gain it has.
    times_s: [N].
    ranges: of the run, which velocities are mapped to.
    envelopes: of the run's own notes; None for a bow's.
  """
  loudness_db = np.full(len(times_s), -controls_lib.RANGE_DB)
  before = None
  for note in line:
    since_s, after_s = times_s - note.start_s, times_s - note.end_s
    if envelopes is None:
      target_db = _velocity_db(note.velocity, ranges)
      if _is_slurred(before, note):
        dip = _DIP_DB * np.maximum(1.0 - np.abs(since_s) / _DIP_S, 0.0)
        held = target_db - dip
      else:
        held = target_db - _ATTACK_DB * np.square(np.clip(1.0 - since_s / _ATTACK_S, 0.0, 1.0))
      curve = held - _RELEASE_DB_PER_S * np.maximum(after_s, 0.0)
    else:
      gain_db = 20.0 * np.log10(float(level.velocity_to_gain(note.velocity)))
      at_end = envelopes.held_db(note, np.minimum(since_s, note.end_s - note.start_s))
      curve = gain_db + at_end + np.where(
        after_s > 0.0, envelopes.released_db(note, np.maximum(after_s, 0.0)), 0.0
      )  # fmt: skip
    # The next note takes over from what rings of this one.
    loudness_db = np.where(since_s >= 0.0, np.maximum(curve, -controls_lib.RANGE_DB), loudness_db)
    before = note
  loudness_db = loudness_db + part.gain_db.at(times_s)
  return np.maximum(loudness_db, -controls_lib.RANGE_DB)


def _make_envelopes(
  synth: synthesizer.Synthesizer,
  performer: performer_lib.Performer,
  z: np.ndarray,
  columns: Mapping[str, np.ndarray],
  notes: Sequence[scores.Note],
) -> Envelopes | None:
  """Curves of the run's own notes of a timbre; None for a run that has none."""
  if performer.curves is None:
    return None
  rows = {key: i for i, key in enumerate(sorted({(n.pitch, n.velocity) for n in notes}))}
  count = len(rows)
  labels = {name: np.repeat(column, count, axis=0) for name, column in columns.items()}
  labels["pitch"] = np.asarray([pitch for pitch, _ in rows], np.float32)
  label = synth.vocabulary.get("pitch")
  labels["pitch"] = np.clip(labels["pitch"], label.low, label.high)
  if "velocity" in labels:
    labels["velocity"] = np.asarray([velocity for _, velocity in rows], np.int32)
  found = performer.curves(synth.params, jnp.asarray(np.repeat(z[None], count, axis=0)), labels)
  frame_s = performer.tracking.hop_length / synth.sample_rate
  return Envelopes(np.asarray(found.loudness_db), rows, frame_s)


def perform(
  synth: synthesizer.Synthesizer,
  parts: Sequence[expression.Part],
  mapped: Mapping[int, str] | None = None,
  seed: int = 0,
  temperature: float = 1.0,
  style: Style | None = None,
) -> np.ndarray:
  """Plays parts of a score to [T] float32 at the run's sample rate, with a peak of at most -1 dB.

  Args:
    synth: a run with a performer.
    parts: of the score.
    mapped: families by program.
    seed: of the instruments; program p uses seed + p.
    temperature: of their timbre.
    style: of what the score does not say.

  Raises:
    UserError: as `conversion.choose_timbre`.
  """
  performer = conversion.need_performer(synth, "playing a score by curves")
  style, rate, hop_length = style or Style(), synth.sample_rate, performer.tracking.hop_length
  last_s = max(note.end_s for part in parts for note in part.notes) + _TAIL_S
  num_frames = round(last_s * rate / hop_length)
  piece = np.zeros(num_frames * hop_length)
  ranges = performer.ranges(synth.params)
  for part in parts:
    for program in sorted({note.program for note in part.notes}):
      notes = [note for note in part.notes if note.program == program]
      lines = split_lines(notes)
      family, source = rendering.choose_voice(synth, program, mapped or {})
      voice = {name: value for name, value in (("family", family), ("source", source))
               if value is not None}  # fmt: skip
      pitch = float(np.median([note.pitch for note in notes]))
      z, columns = conversion.choose_timbre(synth, pitch, voice, None, seed + program, temperature)
      _log.info(
        "program %d: %d notes in %d lines by %s",
        program, len(notes), len(lines), "_".join(voice.values()) or "the run's instrument",
      )  # fmt: skip
      envelopes = None
      if z is not None:
        envelopes = _make_envelopes(synth, performer, z, columns, notes)
      for i, line in enumerate(lines):
        first = max(round(line[0].start_s * rate / hop_length) - 4, 0)
        last = min(round((line[-1].end_s + _TAIL_S) * rate / hop_length), num_frames)
        times_s = np.arange(first, last) * hop_length / rate
        f0_hz = controls_lib.pitch_to_hz(jnp.asarray(trace_pitch(line, part, times_s, style)))
        loudness_db = trace_loudness(line, part, times_s, ranges, envelopes)
        controls = controls_lib.Controls(
          f0_hz, jnp.asarray(loudness_db, jnp.float32), jnp.ones_like(f0_hz)
        )
        start = first * hop_length
        for block in conversion.play(synth, controls, z, columns, seed + i):
          piece[start : start + len(block)] += block
          start += len(block)
  return rendering.limit_peak(piece)
