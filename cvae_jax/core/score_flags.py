"""Flags of commands that write scores: who plays them."""

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import os
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from cvae_jax.core import errors

if TYPE_CHECKING:
  from cvae_jax import scores

Player = Callable[[Sequence["scores.Note"]], tuple[np.ndarray, int]]

_FLAGS = ("play_by", "drums_by", "soundfont", "no_audio")


def add(parser: argparse.ArgumentParser) -> None:
  """Adds --play_by, --drums_by, --soundfont and --no_audio."""
  group = parser.add_argument_group("of runs of scores, which are written as MIDI and as WAV")
  group.add_argument("--play_by", metavar="RUN", help="run that plays the notes")
  group.add_argument("--drums_by", metavar="RUN", help="run of drums that plays the percussion")
  group.add_argument("--soundfont", metavar="FILE", help="soundfont that plays all, by FluidSynth")
  group.add_argument("--no_audio", action="store_true", default=None, help="write MIDI alone")


def make_player(args: argparse.Namespace, form: Any, seed: int = 0) -> Player | None:
  """What plays the notes of a run of scores: from them to a waveform and its rate in Hz.

  Args:
    args: with the flags of `add`.
    form: of the run.
    seed: of the sounds.

  Returns:
    None for a run of sounds, and with --no_audio.

  Raises:
    UserError: flags that mean nothing together, or to a run of sounds.
  """
  from cvae_jax.data import forms

  given = [name for name in _FLAGS if getattr(args, name) is not None]
  if not isinstance(form, forms.Score):
    if given:
      raise errors.UserError(f"--{given[0]} is for runs of scores, and this one makes sounds")
    return None
  if len(given) > 1 and given != ["play_by", "drums_by"]:
    raise errors.UserError(f"--{given[-2]} and --{given[-1]} exclude each other: give one of them")
  if args.no_audio:
    return None

  from cvae_jax.synthesis import score_audio

  if args.soundfont is not None:
    return lambda notes: score_audio.play_by_soundfont(notes, args.soundfont)
  return score_audio.Band(
    args.play_by or score_audio.NOTES, args.drums_by or score_audio.DRUMS, seed
  ).play


def write(form: Any, path: str, notes: Sequence["scores.Note"], play: Player | None) -> list[str]:
  """Writes notes as a MIDI file, and beside it as audio if they are played; returns the paths.

  Args:
    form: of the run.
    path: of the MIDI file.
    notes: as of `forms.Score.join`.
    play: of `make_player`.
  """
  from cvae_jax.audio import files

  form.write_notes(path, notes)
  if play is None:
    return [path]
  wav = os.path.splitext(path)[0] + ".wav"
  audio, rate = play(notes)
  files.write_wav(wav, audio, rate)
  return [path, wav]
