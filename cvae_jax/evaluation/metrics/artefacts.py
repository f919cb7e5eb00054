"""Faults of generated notes that can be heard and seen in a spectrogram, as numbers.

Notes are NSynth's: held for 3 s, let go, and 4 s long. Levels are in dB of mean power.
"""

import numpy as np

_FRAME_S, _STEP_S = 0.01, 0.001  # of the envelope that attacks are read from
_WINDOW_S = 0.05  # in which a burst is looked for
_BURST_DB = 3.0  # rise that is a burst
_SILENCE_DB = -60.0  # under the peak, where a rise is not heard
_REACH_CENTS = 60.0  # to either side of a partial


def level_db(audio: np.ndarray, sample_rate: int, start_s: float, end_s: float) -> np.ndarray:
  """[B] levels of [B, T] waveforms within an interval, in dB; -120 at the least."""
  part = audio[:, round(start_s * sample_rate) : round(end_s * sample_rate)]
  return 10.0 * np.log10(np.maximum(np.mean(np.square(part, dtype=np.float64), axis=1), 1e-12))


def _peak_db(audio: np.ndarray) -> np.ndarray:
  return 20.0 * np.log10(np.maximum(np.abs(audio).max(axis=1), 1e-6))


def release_db(audio: np.ndarray, sample_rate: int) -> np.ndarray:
  """[B] level of 3.4 to 3.9 s relative to that of 2.0 to 2.9 s: how far a note has faded."""
  held = level_db(audio, sample_rate, 2.0, 2.9)
  return level_db(audio, sample_rate, 3.4, 3.9) - held


def tail_db(audio: np.ndarray, sample_rate: int) -> np.ndarray:
  """[B] level of the last 50 ms before the final fade, relative to the peak."""
  return level_db(audio, sample_rate, 3.92, 3.97) - _peak_db(audio)


def has_burst(audio: np.ndarray, sample_rate: int) -> np.ndarray:
  """[B] whether a released note rises again: by over 3 dB after 3.5 s, and above -60 dB."""
  before = level_db(audio, sample_rate, 3.3, 3.45)
  starts = np.arange(3.5, 3.95, _WINDOW_S)
  windows = [level_db(audio, sample_rate, t, t + _WINDOW_S) for t in starts]
  loudest = np.max(windows, axis=0)
  return (loudest - before > _BURST_DB) & (loudest - _peak_db(audio) > _SILENCE_DB)


def decay_db(audio: np.ndarray, sample_rate: int) -> np.ndarray:
  """[B] level of 2.4 to 2.9 s relative to that of 0.1 to 0.6 s: 0 where a note is sustained."""
  return level_db(audio, sample_rate, 2.4, 2.9) - level_db(audio, sample_rate, 0.1, 0.6)


def attack_s(audio: np.ndarray, sample_rate: int) -> np.ndarray:
  """[B] seconds from the first 10 ms at 10 % of the largest amplitude to the first at 70 %.

  At 90 % it would be the time of the loudest moment of a sustained note, wherever that is.
  """
  frame, step = round(_FRAME_S * sample_rate), max(round(_STEP_S * sample_rate), 1)
  power = np.cumsum(np.square(audio, dtype=np.float64), axis=1)
  power = np.pad(power, ((0, 0), (1, 0)))
  starts = np.arange(0, audio.shape[1] - frame + 1, step)
  envelope = np.sqrt(np.maximum(power[:, starts + frame] - power[:, starts], 0.0) / frame)
  envelope /= np.maximum(envelope.max(axis=1, keepdims=True), 1e-9)
  steps = np.argmax(envelope >= 0.7, axis=1) - np.argmax(envelope >= 0.1, axis=1)
  return steps * (step / sample_rate)


def between_partials_db(audio: np.ndarray, pitch: np.ndarray, sample_rate: int) -> np.ndarray:
  """[B] power between the partials of the pitch over the whole, of 0.3 to 2.8 s, in dB.

  A partial reaches 60 cents to either side, but no farther than a quarter of the way to the next,
  and two bins of the Hann window's spectrum at least.

  Args:
    audio: [B, T].
    pitch: [B] MIDI numbers.
    sample_rate: in Hz.
  """
  part = audio[:, round(0.3 * sample_rate) : round(2.8 * sample_rate)].astype(np.float64)
  power = np.square(np.abs(np.fft.rfft(part * np.hanning(part.shape[1]))))
  frequencies_hz = np.fft.rfftfreq(part.shape[1], 1.0 / sample_rate)
  f0_hz = 440.0 * 2.0 ** ((np.asarray(pitch, np.float64)[:, None] - 69.0) / 12.0)
  nearest_hz = np.maximum(np.round(frequencies_hz / f0_hz), 1.0) * f0_hz
  reach_hz = nearest_hz * (2.0 ** (_REACH_CENTS / 1200.0) - 1.0)
  reach_hz = np.maximum(np.minimum(reach_hz, 0.25 * f0_hz), 2.0 * frequencies_hz[1])
  is_between = np.abs(frequencies_hz - nearest_hz) > reach_hz
  total = np.maximum(power.sum(axis=1), 1e-12)
  return 10.0 * np.log10(np.maximum((power * is_between).sum(axis=1) / total, 1e-9))
