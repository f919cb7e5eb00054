"""K-means in a compiled program, where codes are on every device already."""

import jax
import jax.numpy as jnp

_ROUNDS = 30  # of Lloyd's algorithm


def _squared_distances(x: jax.Array, centers: jax.Array) -> jax.Array:
  """[M, C] of [M, D] points to [C, D] centres."""
  norms = jnp.sum(jnp.square(x), axis=1)[:, None] + jnp.sum(jnp.square(centers), axis=1)
  return norms - 2.0 * x @ centers.T


def nearest(x: jax.Array, centers: jax.Array) -> jax.Array:
  """[M] numbers of the [C, D] centres that [M, D] points are nearest to."""
  return jnp.argmin(_squared_distances(x, centers), axis=1)


def fit(x: jax.Array, count: int, rng: jax.Array) -> jax.Array:
  """[count, D] centres of clusters of [M, D] points.

  Of fewer points than clusters some centres are the same, of which all but the first have none.

  Source: Lloyd 1982; Arthur & Vassilvitskii 2007, "k-means++", for the first centres.
  """
  first_rng, rng = jax.random.split(rng)
  first = x[jax.random.randint(first_rng, (), 0, len(x))]
  to = lambda center: jnp.maximum(_squared_distances(x, center[None])[:, 0], 0.0)

  def seed(distance, key):
    """One more centre, drawn by the squared distance to the nearest one so far."""
    center = x[jax.random.categorical(key, jnp.log(distance + 1e-12))]
    return jnp.minimum(distance, to(center)), center

  _, others = jax.lax.scan(seed, to(first), jax.random.split(rng, count - 1))

  def move(_, centers):
    belongs = jax.nn.one_hot(nearest(x, centers), count)
    counts = jnp.sum(belongs, axis=0)[:, None]
    return jnp.where(counts > 0.0, belongs.T @ x / jnp.maximum(counts, 1.0), centers)

  return jax.lax.fori_loop(0, _ROUNDS, move, jnp.concatenate([first[None], others]))
