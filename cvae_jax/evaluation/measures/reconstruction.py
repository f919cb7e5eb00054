"""Distances of reconstructed held-out examples to their originals, as waveforms."""

import jax
import numpy as np

from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.metrics import spectral
from cvae_jax.training import compilation


def distances(audio: np.ndarray, predicted: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
  """[M] of each distance of two sets of waveforms ([M, T] each): log-spectral, mel-cepstral and
  SI-SDR in dB, multi-resolution in nepers."""
  return {
    "lsd_db": spectral.log_spectral_distance(audio, predicted),
    "multi_resolution": spectral.multi_resolution_distance(audio, predicted),
    "mcd_db": spectral.mel_cepstral_distortion(audio, predicted, sample_rate),
    "si_sdr_db": spectral.si_sdr(audio, predicted),
  }


def measure_waveform(run: measures.Run) -> dict[str, float] | None:
  """Distances of `eval.waveform_notes` held-out notes to what is heard of them.

  Returns:
    The mean of each of `distances`, and 'notes': how many, spread evenly over the split.
  """
  method, config = run.method, run.config
  form = run.waveform
  if form is None or not method.can_reconstruct or not config.eval.waveform_notes:
    return None
  reconstruct = compilation.jit(method.reconstruct)
  rows = notes.spread_rows(len(run.data.held_out), config.eval.waveform_notes)
  found: dict[str, list[np.ndarray]] = {}
  for i, batch in enumerate(pipeline.eval_batches(run.data.held_out, run.batch_size, rows)):
    audio = np.asarray(reconstruct(run.params, run.inputs_of(batch), jax.random.key(i)))
    for name, values in distances(batch["audio"], audio, form.sample_rate).items():
      found.setdefault(name, []).append(values[batch["mask"] > 0])
  return {
    **{name: float(np.concatenate(values).mean()) for name, values in found.items()},
    "notes": len(rows),
  }
