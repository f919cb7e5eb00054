"""Distances between held-out waveforms and their reconstructions."""

import jax
import numpy as np

from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.metrics import controls
from cvae_jax.evaluation.metrics import spectral
from cvae_jax.training import compilation


def distances(audio: np.ndarray, predicted: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
  """Distances between two sets of waveforms [M, T], each [M].

  Log-spectral distance, mel-cepstral distortion and SI-SDR are in dB, the multi-resolution distance
  in nepers.
  """
  return {
    "lsd_db": spectral.log_spectral_distance(audio, predicted),
    "multi_resolution": spectral.multi_resolution_distance(audio, predicted),
    "mcd_db": spectral.mel_cepstral_distortion(audio, predicted, sample_rate),
    "si_sdr_db": spectral.si_sdr(audio, predicted),
  }


def measure_waveform(run: measures.Run) -> dict[str, float] | None:
  """Mean distances between `eval.waveform_notes` held-out notes and their reconstructions.

  Returns:
    The mean of each of `distances`; means over frames of `controls.control_errors`; and 'notes':
    number of notes, evenly spaced in the split.
  """
  method, config = run.method, run.config
  form = run.waveform
  if form is None or not method.can_reconstruct or not config.eval.waveform_notes:
    return None
  reconstruct = compilation.jit(method.reconstruct)
  rows = notes.spread_rows(len(run.data.held_out), config.eval.waveform_notes)
  values_of: dict[str, list[np.ndarray]] = {}
  sums: dict[str, float] = {}
  for i, batch in enumerate(pipeline.eval_batches(run.data.held_out, run.batch_size, rows)):
    audio = np.asarray(reconstruct(run.params, run.inputs_of(batch), jax.random.key(i)))
    for name, values in distances(batch["audio"], audio, form.sample_rate).items():
      values_of.setdefault(name, []).append(values[batch["mask"] > 0])
    for name, values in controls.control_errors(batch["audio"], audio, form.sample_rate).items():
      sums[name] = sums.get(name, 0.0) + float(values[batch["mask"] > 0].sum())
  ratio = lambda name, count: sums[name] / sums[count] if sums[count] else float("nan")
  return {
    **{name: float(np.concatenate(values).mean()) for name, values in values_of.items()},
    "loudness_l1_db": ratio("loudness_db", "frames"),
    "f0_l1_semitones": ratio("f0_semitones", "f0_frames"),
    "f0_outliers": ratio("outliers", "tracked_frames"),
    "notes": len(rows),
  }
