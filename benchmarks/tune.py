"""A tune of four parts, played from MIDI by a run's notes and listened to by measurement.

python benchmarks/tune.py --workdir=runs/cvae --out=tune/

Frère Jacques (France, 18th century), a round of three voices over a bass that is held for eight
seconds. Every part is rendered alone, so that its pitches can be told, and all of them together:
notes in tune (YIN's median frame within 50 cents), the roughest moment of held notes at the joints
of their loops beside elsewhere, the peak, and samples at full scale. Prints Markdown, and writes
the tune's MIDI file and its WAVs.
"""

import argparse
import os

import mido
import numpy as np

from cvae_jax.audio import files
from cvae_jax.data import labels
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.play import midi
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import loops
from cvae_jax.synthesis import synthesizer

_BEAT_S = 0.5
# Pitches and beats of the four phrases, each of them sung twice.
_PHRASES = (
  ((60, 1), (62, 1), (64, 1), (60, 1)),
  ((64, 1), (65, 1), (67, 2)),
  ((67, 0.5), (69, 0.5), (67, 0.5), (65, 0.5), (64, 1), (60, 1)),
  ((60, 1), (55, 1), (60, 2)),
)
_VOICES = {"flute": (73, 12), "organ": (19, 0), "strings": (48, 0)}  # program, semitones
_BASS_PROGRAM, _BASS = 19, (48, 43, 48, 43)


def write_tune(path: str) -> None:
  """The round as a MIDI file, a track for every part."""
  ticks = 480
  tune = mido.MidiFile(ticks_per_beat=ticks)
  melody = [note for phrase in _PHRASES for note in phrase * 2]
  parts = [
    (program, 8 * i, [(pitch + shift, beats) for pitch, beats in melody])
    for i, (program, shift) in enumerate(_VOICES.values())
  ]
  parts.append((_BASS_PROGRAM, 0, [(pitch, 16) for pitch in _BASS[:3]]))
  for channel, (program, wait, notes) in enumerate(parts):
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=round(_BEAT_S * 1e6)))
    track.append(mido.Message("program_change", channel=channel, program=program))
    rest = round(wait * ticks)
    for pitch, beats in notes:
      length = round(beats * ticks)
      note = {"channel": channel, "note": pitch, "velocity": 96}
      track.append(mido.Message("note_on", time=rest, **note))
      track.append(mido.Message("note_off", time=length - 20, **note))
      rest = 20
    tune.tracks.append(track)
  tune.save(path)


def measure_part(audio: np.ndarray, notes: list[midi.Note]) -> tuple[int, list[float]]:
  """How many of a part's notes are in tune, and the cents that each is off."""
  off = []
  for note in notes:
    start, end = (round(s * labels.SAMPLE_RATE) for s in (note.start_s + 0.04, note.end_s))
    found = pitch_metric.median_pitch(audio[start:end], labels.SAMPLE_RATE)
    off.append(100.0 * (found - note.pitch))
  return sum(abs(cents) < 50.0 for cents in off), off


def measure_loops(synth, pitches: list[int], program: int, seed: int) -> list[float]:
  """Of every held key: the roughest moment at its loop's joints over that of its first round."""
  family, source = midi.choose_voice(synth, program, {})
  keys = instrument.make_instrument(
    synth, pitches, (100,), seed + program, family=family, source=source
  )
  ratios = []
  for key in keys:
    if key.loop is None:
      continue
    held = loops.hold(key.audio, key.loop, 10 * labels.SAMPLE_RATE)
    rough = np.abs(np.diff(held, 2))
    joints = np.arange(key.loop.end, held.size - 64, key.loop.end - key.loop.start)
    at_joints = max(rough[j - 4 : j + 4].max() for j in joints)
    ratios.append(float(at_joints / rough[key.loop.start : key.loop.end - 8].max()))
  return ratios


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", required=True, help="of the run")
  parser.add_argument("--out", default="tune", help="directory of the MIDI file and the WAVs")
  parser.add_argument("--seed", type=int, default=0)
  args = parser.parse_args()
  os.makedirs(args.out, exist_ok=True)
  path = os.path.join(args.out, "frere_jacques.mid")
  write_tune(path)
  synth = synthesizer.load(args.workdir)
  notes = midi.read_notes(path)
  print("| part | notes | in tune | keys with a loop | roughness at loop joints, relative |")
  print("|---|---|---|---|---|")
  for number, track in enumerate(mido.MidiFile(path).tracks):
    alone = mido.MidiFile(ticks_per_beat=480)
    alone.tracks.append(track)
    part = midi.collect(list(alone))
    audio = midi.render(synth, part, seed=args.seed)
    in_tune, _ = measure_part(audio, part)
    pitches = sorted({note.pitch for note in part})
    ratios = measure_loops(synth, pitches, part[0].program, args.seed)
    worst = f"at most {max(ratios):.2f}" if ratios else "-"
    name = [*_VOICES, "bass"][number]
    print(f"| {name} | {len(part)} | {in_tune} | {len(ratios)} of {len(pitches)} | {worst} |")
  audio = midi.render(synth, notes, seed=args.seed)
  wav = os.path.join(args.out, "frere_jacques.wav")
  files.write_wav(wav, audio, labels.SAMPLE_RATE)
  clipped = int(np.sum(np.abs(audio) >= 1.0))
  print(
    f"\n{wav}: {audio.size / labels.SAMPLE_RATE:.1f} s, {len(notes)} notes, peak"
    f" {20 * np.log10(np.abs(audio).max()):.1f} dB, {clipped} samples at full scale"
  )


if __name__ == "__main__":
  main()
