"""Scores as audio: notes by a run of notes, and percussion by a run of drums; or by a soundfont."""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import os
import shutil
import subprocess
import tempfile

import numpy as np

from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.data import soundfont as soundfont_lib
from cvae_jax.scores import drum_pattern
from cvae_jax.synthesis import drum_kit
from cvae_jax.synthesis import drum_rendering
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import rendering
from cvae_jax.synthesis import synthesizer

NOTES, DRUMS = "pretrained:notes", "pretrained:drums"  # what plays scores where nothing is named
_TIMEOUT_S = 600


class Band:
  """Who plays scores: runs that are loaded when there is something for them to play.

  Args:
    notes: workdir of the run that plays notes, conditioned on the pitch.
    drums: workdir of the run of drums that plays percussion.
    seed: of their sounds.
  """

  def __init__(self, notes: str = NOTES, drums: str = DRUMS, seed: int = 0):
    self._notes, self._drums, self.seed = notes, drums, seed

  @functools.cached_property
  def notes(self) -> synthesizer.Synthesizer:
    """The run that plays notes; raises UserError if it cannot."""
    synth = synthesizer.load(self._notes)
    instrument.check(synth)
    return synth

  @functools.cached_property
  def drums(self) -> synthesizer.Synthesizer:
    """The run that plays percussion; raises UserError if it cannot."""
    synth = synthesizer.load(self._drums)
    drum_kit.check(synth, self._drums)
    return synth

  def play(
    self, notes: Sequence[scores.Note], mapped: Mapping[int, str] | None = None
  ) -> tuple[np.ndarray, int]:
    """Renders notes to [T] float32 with a peak of at most -1 dB, and its sample rate in Hz.

    The rate is that of the run of notes, or of drums where there is nothing else. A piece without
    notes is half a second of silence.

    Args:
      notes: of a piece.
      mapped: families by program, as in `rendering.render`.
    """
    strokes = [note for note in notes if note.is_drum]
    others = [note for note in notes if not note.is_drum]
    if not notes:
      return np.zeros(scores.SAMPLE_RATE // 2, np.float32), scores.SAMPLE_RATE
    if not others:
      return rendering.limit_peak(render_drums(self.drums, strokes, self.seed)[0]), (
        self.drums.sample_rate
      )
    audio, rate = rendering.render(self.notes, others, mapped, self.seed), self.notes.sample_rate
    if strokes:
      beat = render_drums(self.drums, strokes, self.seed)[0]
      audio = mix(audio, rate, beat, self.drums.sample_rate)
    return rendering.limit_peak(audio), rate


def render_drums(
  synth: synthesizer.Synthesizer,
  notes: Sequence[scores.Note],
  seed: int = 0,
  temperature: float = 1.0,
) -> tuple[np.ndarray, int]:
  """Renders percussion to [T] float64, at its own level, and counts the strokes.

  Args:
    synth: a run of drums.
    notes: of percussion, sorted by start.
    seed: of the kit.
    temperature: of the prior.
  """
  events = [drum_pattern.Event(note.start_s, note.pitch, note.velocity) for note in notes]
  hits, events = drum_rendering.draw_for(synth, events, seed, temperature)
  return drum_rendering.render_events(hits, events, synth.sample_rate), len(events)


def mix(audio: np.ndarray, rate: int, beat: np.ndarray, beat_rate: int) -> np.ndarray:
  """A piece [T] with its percussion, at the piece's rate."""
  import librosa

  if beat_rate != rate:
    beat = librosa.resample(beat, orig_sr=beat_rate, target_sr=rate)
  both = np.zeros(max(audio.size, beat.size))
  both[: audio.size] += audio
  both[: beat.size] += beat
  return both


def play_by_soundfont(
  notes: Sequence[scores.Note], path: str, sample_rate: int = 44_100
) -> tuple[np.ndarray, int]:
  """Renders notes with FluidSynth, as `Band.play`, in mono.

  Args:
    notes: of a piece.
    path: of the soundfont.
    sample_rate: in Hz.

  Raises:
    UserError: without FluidSynth, or if the file is no soundfont.
  """
  import soundfile

  path, command = soundfont_lib.find_soundfont(path), shutil.which("fluidsynth")
  if command is None:
    raise errors.UserError("playing by a soundfont needs FluidSynth: `apt-get install fluidsynth`")
  with tempfile.TemporaryDirectory() as folder:
    midi, wav = (os.path.join(folder, name) for name in ("score.mid", "score.wav"))
    with open(midi, "wb") as f:
      f.write(scores.to_midi(notes))
    arguments = ["-n", "-i", "-q", "-F", wav, "-r", str(sample_rate), path, midi]
    done = subprocess.run([command, *arguments], capture_output=True, timeout=_TIMEOUT_S)
    if done.returncode or not os.path.exists(wav):
      reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
      raise errors.UserError(f"FluidSynth could not play {path}: {reason[0]}")
    audio, _ = soundfile.read(wav, dtype="float32", always_2d=True)
  return rendering.limit_peak(audio.mean(axis=1)), sample_rate
