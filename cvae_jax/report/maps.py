"""Maps of a latent space: codes of held-out notes in two dimensions, with their sounds."""

from typing import NamedTuple

import numpy as np

from cvae_jax import note_codes
from cvae_jax import synthesizer
from cvae_jax.data import pipeline


class Map(NamedTuple):
  """Places of notes.

  Attributes:
    title: how they were found.
    places: [M, 2], 0 to 1 in both directions.
  """

  title: str
  places: np.ndarray


class Notes(NamedTuple):
  """The notes of a run's maps.

  Attributes:
    codes: [M, D].
    names: [M] str.
    family: [M] integers.
    audio: [M, T].
  """

  codes: np.ndarray
  names: list[str]
  family: np.ndarray
  audio: np.ndarray


def collect(synth: synthesizer.Synthesizer, num: int) -> Notes:
  """Held-out notes, spread evenly over the evaluation split, with their codes."""
  held_out = pipeline.open_notes(synth.config.data).held_out
  codes = note_codes.encode_notes(synth, held_out, num)
  columns = codes.labels()
  return Notes(
    codes.code,
    columns["id"].tolist(),
    columns["family"],
    np.stack([held_out[int(row)]["audio"] for row in codes.rows]),
  )


def _fit(places: np.ndarray) -> np.ndarray:
  """Places moved and scaled into the unit square, as a whole, but for outliers."""
  low, high = np.percentile(places, [1, 99], axis=0)
  return np.clip((places - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)


def make_maps(codes: np.ndarray, seed: int = 0) -> list[Map]:
  """PCA, t-SNE, and UMAP where umap-learn is installed, of codes at deviation 1 ([M, D]).

  Args:
    codes: of M notes, M > 3.
    seed: of t-SNE and UMAP.

  Source: van der Maaten & Hinton 2008, by scikit-learn; McInnes et al. 2018, by umap-learn.
  """
  from sklearn import decomposition
  from sklearn import manifold

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
