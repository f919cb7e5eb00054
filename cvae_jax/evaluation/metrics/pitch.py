"""Does a note sound at the pitch that it was asked for?"""

import concurrent.futures

import numpy as np

from cvae_jax.core import lazy_librosa

_FRAME_S, _HOP_S = 0.128, 0.032  # a frame is three and a half periods of the lowest note
# YIN's lags are whole samples. At 16 kHz the period of C8 is 3.8 of them, too few to interpolate
# between, and the octave below is found instead.
_OVERSAMPLING = 2


def median_pitch(audio: np.ndarray, sample_rate: int) -> float:
  """Pitch of a note as a MIDI number with fractions: YIN's median over the frames that sound.

  A frame sounds where its RMS is within 26 dB of the loudest one's: YIN gives every frame a pitch,
  silence and fading noise too. The note is resampled to twice its rate first.

  Args:
    audio: [T] waveform.
    sample_rate: in Hz.

  Returns:
    MIDI number; NaN for silence.

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
    return float("nan")
  # From A0 less a semitone to C8 and a semitone.
  f0_hz = librosa.yin(
    audio,
    fmin=26.0,
    fmax=4435.0,
    sr=sample_rate,
    frame_length=frame_length,
    hop_length=hop_length,
  )
  return float(librosa.hz_to_midi(np.median(f0_hz[rms > 0.05 * rms.max()])))


def pitch_agreement(
  audio: np.ndarray, pitch: np.ndarray, sample_rate: int, tolerance_cents: float = 50.0
) -> np.ndarray:
  """Which notes sound within a tolerance of the pitch they should have.

  The measure errs on real notes too (octaves of high or hollow ones), so that a share of agreement
  means something only beside the same share on the notes a model was trained on.

  Args:
    audio: [M, T] waveforms.
    pitch: [M] MIDI numbers wanted.
    sample_rate: in Hz.
    tolerance_cents: largest deviation.

  Returns:
    [M] bool; a silent note does not agree.
  """
  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    found = np.asarray(list(pool.map(lambda x: median_pitch(x, sample_rate), audio)))
  return np.abs(found - np.asarray(pitch)) * 100.0 <= tolerance_cents
