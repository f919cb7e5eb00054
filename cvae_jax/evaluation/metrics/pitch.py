"""Agreement of measured and requested pitch."""

import concurrent.futures
import math

import numpy as np

from cvae_jax.core import lazy_librosa

_FRAME_S, _HOP_S = 0.128, 0.032  # a frame holds three and a half periods of the lowest note
# YIN's lags are whole samples. At 16 kHz the period of C8 is 3.8 samples, too few to interpolate,
# so that YIN returns the octave below.
_OVERSAMPLING = 2


def _pitch_of_frames(audio: np.ndarray, sample_rate: int) -> np.ndarray:
  """[N] fractional MIDI numbers of the loud frames of a waveform [T], by YIN; [0] for silence.

  Frames more than 26 dB below the loudest are ignored, since YIN returns a pitch for silence and
  noise too. The note is first resampled to twice its rate.

  Source: de Cheveigne & Kawahara 2002, `librosa.yin`.
  """
  librosa = lazy_librosa.load()

  audio = librosa.resample(
    audio.astype(np.float64),
    orig_sr=sample_rate,
    target_sr=_OVERSAMPLING * sample_rate,
    res_type="soxr_hq",
  )
  sample_rate *= _OVERSAMPLING
  frame_length, hop_length = round(_FRAME_S * sample_rate), round(_HOP_S * sample_rate)
  rms = librosa.feature.rms(y=audio, frame_length=frame_length, hop_length=hop_length)[0]
  if not rms.max() > 1e-5:
    return np.zeros(0)
  # A semitone below A0 to a semitone above C8.
  f0_hz = librosa.yin(
    audio,
    fmin=26.0,
    fmax=4435.0,
    sr=sample_rate,
    frame_length=frame_length,
    hop_length=hop_length,
  )
  return librosa.hz_to_midi(f0_hz[rms > 0.05 * rms.max()])


def _map(function, audio, sample_rate) -> np.ndarray:
  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    return np.asarray(
      list(pool.map(lambda x: function(_pitch_of_frames(x, sample_rate)), audio)), np.float64
    )


def _median(midi: np.ndarray) -> float:
  return float(np.median(midi)) if midi.size else math.nan


def median_pitch(audio: np.ndarray, sample_rate: int) -> float:
  """Pitch of a waveform [T] as a MIDI number: the median of YIN over loud frames; NaN for silence.

  It is a fraction.
  """
  return _median(_pitch_of_frames(audio, sample_rate))


def has_clear_pitch(
  audio: np.ndarray, sample_rate: int, tolerance_cents: float = 50.0, share: float = 0.8
) -> np.ndarray:
  """[M] whether waveforms [M, T] keep one pitch, whichever it is.

  Args:
    audio: [M, T] waveforms.
    sample_rate: in Hz.
    tolerance_cents: largest deviation of a loud frame from the median.
    share: of the loud frames that must be within it.
  """

  def is_clear(midi):
    if not midi.size:
      return False
    return np.mean(np.abs(midi - np.median(midi)) * 100.0 <= tolerance_cents) >= share

  return _map(is_clear, audio, sample_rate) > 0


def pitch_agreement(
  audio: np.ndarray, pitch: np.ndarray, sample_rate: int, tolerance_cents: float = 50.0
) -> np.ndarray:
  """Whether notes are within a tolerance of their requested pitch.

  YIN makes octave errors on real notes too (high or hollow ones), so that results should be
  compared with those of the training notes.

  Args:
    audio: [M, T] waveforms.
    pitch: [M] requested MIDI numbers.
    sample_rate: in Hz.
    tolerance_cents: largest deviation.

  Returns:
    [M] bool; a silent note does not agree.
  """
  measured = _map(_median, audio, sample_rate)
  return np.abs(measured - np.asarray(pitch)) * 100.0 <= tolerance_cents
