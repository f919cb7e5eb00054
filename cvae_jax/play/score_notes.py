"""Scores as the page holds them: notes in steps by voice; to tokens and back, and of MIDI files."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cvae_jax import scores as scores_lib
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import tunes
from cvae_jax.play import score_schema
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody as melody_lib
from cvae_jax.scores import midi_reader
from cvae_jax.scores import piece as piece_lib
from cvae_jax.scores import trio as trio_lib
from cvae_jax.synthesis import synthesizer

Notes = dict[str, list[list[int]]]  # see `score_schema.Score`
_QUARTER_S = 60.0 / scores_lib.GRID_QPM


class Voice(NamedTuple):
  """A voice of scores.

  Attributes:
    name: of `trio.VOICES`.
    tokenizer: of its tokens, one per step.
  """

  name: str
  tokenizer: melody_lib.Melody | drum_tokens.Drums

  @property
  def is_drums(self) -> bool:
    """Whether it is percussion."""
    return isinstance(self.tokenizer, drum_tokens.Drums)


def is_played(synth: synthesizer.Synthesizer) -> bool:
  """Whether the page of scores plays a run: a grid of steps, and codes of one vector each."""
  method, form = synth.method, synth.form
  is_grid = isinstance(form, forms.Score) and isinstance(
    form.tokenizer, (melody_lib.Melody, drum_tokens.Drums, trio_lib.Trio)
  )
  can_mix = method.can_sample and method.can_reconstruct
  return is_grid and can_mix and len(method.code_shape or ()) == 1


def need_score(synth: synthesizer.Synthesizer) -> forms.Score:
  """The form of a run that `is_played`; raises UserError for another one."""
  if not is_played(synth):
    raise errors.UserError(
      "this needs a run that encodes scores on a grid of steps as vectors and draws them, such as "
      f"one of configs/musicvae.py: this one is a '{synth.config.method.name}'"
    )
  assert isinstance(synth.form, forms.Score)
  return synth.form


def voices_of(form: forms.Score) -> tuple[Voice, ...]:
  """The voices of scores on a grid."""
  tokenizer = form.tokenizer
  if isinstance(tokenizer, trio_lib.Trio):
    lead, bass, drums = trio_lib.VOICES
    return (
      Voice(lead, tokenizer.lead),
      Voice(bass, tokenizer.bass),
      Voice(drums, tokenizer.drums),
    )
  if isinstance(tokenizer, drum_tokens.Drums):
    return (Voice("drums", tokenizer),)
  assert isinstance(tokenizer, melody_lib.Melody)
  return (Voice("melody", tokenizer),)


def num_steps(form: forms.Score) -> int:
  """Steps of a score."""
  return form.num_tokens // len(voices_of(form))


def describe(synth: synthesizer.Synthesizer, attributes: Sequence[str]) -> score_schema.ScoreForm:
  """What a run's scores are made of; `attributes` are names."""
  form = need_score(synth)
  voices = voices_of(form)
  quarter_steps = max(1, round(_QUARTER_S / voices[0].tokenizer.step_s))
  settings = synth.config.data.get("scores")
  bar_steps = 4 * quarter_steps if settings is None else tunes.bar_steps(settings)
  return score_schema.ScoreForm(
    voices=[_describe_voice(voice) for voice in voices],
    num_steps=num_steps(form),
    bar_steps=bar_steps,
    quarter_steps=quarter_steps,
    attributes=list(attributes),
  )


def _describe_voice(voice: Voice) -> score_schema.ScoreVoice:
  name, tokenizer = voice
  if isinstance(tokenizer, melody_lib.Melody):
    low, high, program = tokenizer.min_pitch, tokenizer.max_pitch, tokenizer.program
    return score_schema.ScoreVoice(
      name=name, low=low, high=high, program=program, classes=[], keys=[]
    )
  keys = [list(keys) for keys in drum_tokens.CLASSES.values()]
  last = len(drum_tokens.NAMES) - 1
  return score_schema.ScoreVoice(
    name=name, low=0, high=last, program=0, classes=list(drum_tokens.NAMES), keys=keys
  )


def to_tokens(form: forms.Score, notes: Mapping[str, Sequence[Sequence[int]]]) -> np.ndarray:
  """Notes in steps to the tokens [L] of a score.

  Args:
    form: of the scores.
    notes: rows by voice; voices that are not given are silent.

  Raises:
    UserError: for notes that the tokens cannot represent: the first of them is named.
  """
  voices, length = voices_of(form), num_steps(form)
  unknown = sorted(set(notes) - {voice.name for voice in voices})
  if unknown:
    names = ", ".join(voice.name for voice in voices)
    raise errors.UserError(f"this run's scores have no voice '{unknown[0]}': they have {names}")
  columns = [_encode_voice(voice, notes.get(voice.name, ()), length) for voice in voices]
  if isinstance(form.tokenizer, trio_lib.Trio):
    return form.tokenizer.join(np.stack(columns, axis=-1))
  return columns[0]


def _encode_voice(voice: Voice, rows: Sequence[Sequence[int]], length: int) -> np.ndarray:
  ordered = sorted(map(list, rows))
  if isinstance(voice.tokenizer, melody_lib.Melody):
    _check_line(ordered, voice, length)
    starts, ends, pitches = np.asarray(ordered, int).reshape(-1, 3).T
    return voice.tokenizer.encode_steps(starts, ends, pitches, length)
  _check_strokes(ordered, voice, length)
  steps, classes = np.asarray(ordered, int).reshape(-1, 2).T
  return drum_tokens.encode_steps(steps, np.asarray(drum_tokens.KEYS)[classes], length)


def _check_line(rows, voice, length):
  """Raises UserError for rows that are no melody."""
  low, high, last_end = voice.tokenizer.min_pitch, voice.tokenizer.max_pitch, 0
  for row in rows:
    if len(row) != 3:
      raise errors.UserError(f"a note of the {voice.name} is [start, end, pitch], got {row}")
    start, end, pitch = row
    if not start < end <= length:
      raise errors.UserError(
        f"{voice.name}: the note {row} must start before it ends, and end by step {length}"
      )
    if not low <= pitch <= high:
      raise errors.UserError(f"{voice.name}: pitch must be {low}-{high}, got {pitch}")
    if start < last_end:
      raise errors.UserError(
        f"{voice.name}: the note {row} starts before the one before it ends, at step {last_end}: "
        "one note sounds at a time"
      )
    last_end = end


def _check_strokes(rows, voice, length):
  """Raises UserError for rows that are no strokes."""
  last = len(drum_tokens.NAMES) - 1
  for row in rows:
    if len(row) != 2:
      raise errors.UserError(f"a stroke of the {voice.name} is [step, class], got {row}")
    if row[0] >= length or row[1] > last:
      raise errors.UserError(
        f"{voice.name}: the stroke {row} must be at step 0-{length - 1} and of class 0-{last}"
      )


def to_notes(form: forms.Score, tokens: np.ndarray) -> Notes:
  """The tokens [L] of a score to notes in steps, by voice."""
  voices = voices_of(form)
  columns = [tokens]
  if isinstance(form.tokenizer, trio_lib.Trio):
    columns = list(np.moveaxis(form.tokenizer.split(tokens), -1, 0))
  return {voice.name: _decode_voice(voice, x) for voice, x in zip(voices, columns, strict=True)}


def _decode_voice(voice: Voice, tokens: np.ndarray) -> list[list[int]]:
  if voice.is_drums:
    return np.argwhere(drum_tokens.to_roll(tokens)).tolist()
  to_step = lambda seconds: round(seconds / voice.tokenizer.step_s)
  return [
    [to_step(note.start_s), to_step(note.end_s), note.pitch]
    for note in voice.tokenizer.decode(tokens)
  ]


def read(synth: synthesizer.Synthesizer, body: bytes) -> score_schema.ReadScore:
  """Reads a MIDI file as a score: from its first bar with notes, as many bars as a score has.

  Args:
    synth: the run.
    body: bytes of the file.

  Raises:
    UserError: if it is no MIDI file, or has no notes that the run's tokens represent.
  """
  form = need_score(synth)
  found = midi_reader.parse("the MIDI file", body).piece
  tokens = np.asarray(form.tokenizer.encode(piece_lib.to_notes(found, scores_lib.GRID_QPM)))
  count = len(voices_of(form))
  is_event = (tokens.reshape(-1, count) != np.asarray(_padding(form))).any(axis=1)
  if not is_event.any():
    raise errors.UserError(_why_nothing(form, found))
  bar = describe(synth, ()).bar_steps * count
  begin = int(np.flatnonzero(is_event)[0]) * count // bar * bar
  end = begin + form.num_tokens
  notes = to_notes(form, form.pad(tokens[begin:end]))
  changes = [f"from bar {begin // bar + 1}"] if begin else []
  # A note-off alone, where the last note of the score ends, is nothing that is lost.
  rest = to_notes(form, form.pad(tokens[end : end + form.num_tokens]))
  if any(rest.values()) or is_event[end // count + 1 :].any():
    changes.append("cut")
  return score_schema.ReadScore(notes=notes, changes=changes)


def _padding(form: forms.Score) -> tuple[int, ...]:
  return getattr(form.tokenizer, "padding", (0,))


def _why_nothing(form: forms.Score, found: piece_lib.Piece) -> str:
  """Why a piece has no notes for the voices of a run, in a line."""
  strokes = int(found.notes["is_drum"].sum())
  others = len(found.notes) - strokes
  if not len(found.notes):
    return "the MIDI file has no notes"
  voice = voices_of(form)[0]
  if isinstance(voice.tokenizer, drum_tokens.Drums):
    if not strokes:
      return f"the MIDI file has no drums, on channel 10, but {others} other notes"
    return f"none of the {strokes} strokes in the MIDI file is of the nine classes of drums"
  if not others:
    return f"the MIDI file has no melody but percussion: {strokes} strokes on channel 10"
  low, high = voice.tokenizer.min_pitch, voice.tokenizer.max_pitch
  return f"none of the {others} notes in the MIDI file has a pitch of {low}-{high}"


def join(form: forms.Score, parts: Sequence[Notes], tempo_bpm: float) -> list[scores_lib.Note]:
  """The notes of scores, one after the other, in seconds at a tempo.

  Args:
    form: of the scores.
    parts: notes in steps of each.
    tempo_bpm: quarter notes per minute.

  Raises:
    UserError: as `to_tokens`.
  """
  scale = scores_lib.GRID_QPM / tempo_bpm
  notes = form.join([to_tokens(form, part) for part in parts])
  return [n._replace(start_s=n.start_s * scale, end_s=n.end_s * scale) for n in notes]
