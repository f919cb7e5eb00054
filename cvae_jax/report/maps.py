"""Maps of the latent space: codes of held-out notes projected to two dimensions."""

from typing import NamedTuple

import numpy as np

from cvae_jax.data import pipeline
from cvae_jax.synthesis import note_codes
from cvae_jax.synthesis import synthesizer


class Map(NamedTuple):
  """A two-dimensional map of notes.

  Attributes:
    title: the projection.
    places: [M, 2] coordinates from 0 to 1.
  """

  title: str
  places: np.ndarray


class Examples(NamedTuple):
  """The examples of a run's maps.

  Attributes:
    codes: [M, D] codes, flattened.
    ids: [M] str.
    groups: [M] integers: the main label, which determines the colour; 0 without one.
    group_names: names of the groups.
    sounds: (waveform, sample rate in Hz) of each example.
  """

  codes: np.ndarray
  ids: list[str]
  groups: np.ndarray
  group_names: tuple[str, ...]
  sounds: list[tuple[np.ndarray, int]]


def collect(synth: synthesizer.Synthesizer, num: int) -> Examples:
  """Encodes evenly spaced examples of the evaluation split."""
  held_out = pipeline.open_data(synth.config.data).held_out
  codes = note_codes.encode_notes(synth, held_out, num)
  columns, main, form = codes.labels(), synth.vocabulary.main, synth.form
  return Examples(
    codes.flat,
    columns["id"].tolist(),
    np.zeros(len(codes.rows), int) if main is None else columns[main.name],
    ("all",) if main is None else main.names,
    [form.hear(held_out[int(row)][form.key]) for row in codes.rows],
  )


def _fit(places: np.ndarray) -> np.ndarray:
  """Scales coordinates to the unit square; outliers are clipped."""
  low, high = np.percentile(places, [1, 99], axis=0)
  return np.clip((places - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)


def make_maps(codes: np.ndarray, seed: int = 0) -> list[Map]:
  """Projects standardised codes by PCA, t-SNE and, if umap-learn is installed, UMAP.

  Args:
    codes: [M, D]; for fewer than 4 examples or 2 dimensions there are no maps.
    seed: of t-SNE and UMAP.

  Source: van der Maaten & Hinton 2008, by scikit-learn; McInnes et al. 2018, by umap-learn.
  """
  from sklearn import decomposition
  from sklearn import manifold

  if len(codes) < 4 or codes.shape[1] < 2:
    return []
  scaled = (codes - codes.mean(axis=0)) / (codes.std(axis=0) + 1e-6)
  pca = decomposition.PCA(2, random_state=seed)
  places = _fit(pca.fit_transform(scaled))
  share = 100 * pca.explained_variance_ratio_.sum()
  maps = [Map(f"PCA ({share:.0f} % of the variance)", places)]
  perplexity = min(30.0, (len(codes) - 1) / 3)
  tsne = manifold.TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
  maps.append(Map("t-SNE", _fit(tsne.fit_transform(scaled))))
  try:
    import umap
  except ImportError:
    return maps
  reducer = umap.UMAP(n_neighbors=min(15, len(codes) - 1), random_state=seed)
  return [*maps, Map("UMAP", _fit(reducer.fit_transform(scaled)))]
