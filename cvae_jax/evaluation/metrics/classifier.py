"""A classifier of sounds, used to evaluate generated sounds.

It takes the role of an ImageNet network in the evaluation of generated images, but is trained on
the labels of the data set itself. Its probabilities classify a sound (pitch, family and source of a
note, the kind of a drum), and its last hidden layer provides features in which sets of sounds are
compared. Its held-out accuracy bounds the accuracy that can be measured. Sounds are normalised to
the same peak, so that level has no influence.
"""

from collections.abc import Callable
from collections.abc import Mapping
import functools
from typing import Any
from typing import NamedTuple

from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax

from cvae_jax.audio import augment
from cvae_jax.audio import decibel
from cvae_jax.audio import level
from cvae_jax.audio import mel
from cvae_jax.audio import stft
from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.training import compilation

NUM_FEATURES = 128
_NUM_MELS, _FLOOR_DB = 256, -80.0
_LONGEST_HOP, _NUM_FRAMES = 1024, 62  # a sound has so many frames, where windows allow it
_WIDEST_BIN_HZ = 22.0  # of a shorter window
_BATCH_SIZE = 64
_PEAK_RATE = 2e-3


class _Network(nn.Module):
  """Convolutions over time with mel bands as channels, pooling over time, and a head per label.

  Attributes:
    classes: labels with their numbers of values.
  """

  classes: tuple[tuple[str, int], ...]

  @nn.compact
  def __call__(self, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    for i, stride in enumerate((1, 2, 2)):
      x = nn.Conv(256, (3,), (stride,), name=f"conv_{i}")(x)
      x = nn.relu(nn.LayerNorm(name=f"norm_{i}")(x))
    pooled = jnp.concatenate([x.mean(axis=1), x.max(axis=1)], axis=-1)
    features = nn.relu(nn.Dense(NUM_FEATURES, name="features")(pooled))
    return features, {name: nn.Dense(n, name=name)(features) for name, n in self.classes}


def choose_hop(num_samples: int, sample_rate: int) -> int:
  """Samples between the frames that sounds of this length are seen in: fewer for short sounds.

  Windows are twice as long, and never so short that a mel band has no bin of its own.
  """
  hop = _LONGEST_HOP
  while num_samples // hop < _NUM_FRAMES and sample_rate / hop <= _WIDEST_BIN_HZ:
    hop //= 2
  return hop


def _spectrogram(audio, sample_rate):
  """[B, N, 256] mel levels, -1 (silence) to 1."""
  hop = choose_hop(audio.shape[-1], sample_rate)
  n_fft = 2 * hop
  magnitude = jnp.abs(stft.stft(level.normalize(audio), n_fft, hop, n_fft, "hann"))
  bands = mel.linear_to_mel(
    magnitude, sample_rate=sample_rate, n_mels=_NUM_MELS, fmin=27.5, fmax=sample_rate / 2
  )
  # A full-scale sine peaks at n_fft / 4 times the filters' height of some 2 / width: about 0 dB.
  ref = n_fft / 4.0 * 0.05
  floor = ref * 10.0 ** (_FLOOR_DB / 20.0)
  return 1.0 - 2.0 * decibel.amplitude_to_db(bands, ref, floor, None) / _FLOOR_DB


class Predictions(NamedTuple):
  """Predictions of a classifier for M sounds.

  Attributes:
    features: [M, 128] of the last hidden layer.
    probabilities: [M, classes] by label.
  """

  features: np.ndarray
  probabilities: dict[str, np.ndarray]

  def predict(self, name: str) -> np.ndarray:
    """[M] most likely class of a label."""
    return self.probabilities[name].argmax(axis=1)

  def take(self, rows: np.ndarray) -> "Predictions":
    """Selects the predictions of some sounds."""
    return Predictions(
      self.features[rows], {name: p[rows] for name, p in self.probabilities.items()}
    )


@functools.partial(jax.jit, static_argnames=("classes", "sample_rate"))
def _apply(params, audio, classes, sample_rate):
  features, logits = _Network(classes).apply({"params": params}, _spectrogram(audio, sample_rate))
  return features, jax.tree.map(jax.nn.softmax, logits)


class Classifier(NamedTuple):
  """A trained classifier.

  Attributes:
    params: of its network.
    classes: labels with their numbers of values.
    sample_rate: of the sounds, in Hz.
  """

  params: Any
  classes: tuple[tuple[str, int], ...]
  sample_rate: int

  def predict(self, audio: np.ndarray, batch_size: int = 64) -> Predictions:
    """Classifies sounds ([M, T] waveforms at `sample_rate`)."""
    features, probabilities = [], []
    for start in range(0, len(audio), batch_size):
      chunk = np.asarray(audio[start : start + batch_size], np.float32)
      filled = np.concatenate([chunk, np.repeat(chunk[:1], batch_size - len(chunk), axis=0)])
      out = jax.device_get(_apply(self.params, filled, self.classes, self.sample_rate))
      features.append(out[0][: len(chunk)])
      probabilities.append({name: p[: len(chunk)] for name, p in out[1].items()})
    return Predictions(
      np.concatenate(features),
      {name: np.concatenate([p[name] for p in probabilities]) for name, _ in self.classes},
    )


def train(
  read: Callable[[np.ndarray], Mapping[str, np.ndarray]],
  count: int,
  steps: int,
  classes: Mapping[str, int],
  sample_rate: int,
  seed: int = 0,
) -> Classifier:
  """Trains a classifier with AdamW on the sum of the labels' mean cross-entropies.

  Sounds are augmented with random equalisers and envelopes (`augment.vary`), so that the classifier
  generalises to held-out instruments.

  Args:
    read: maps rows to a batch with 'audio' [B, T] and [B] integers of each label.
    count: number of examples; rows are drawn from 0 to count - 1.
    steps: training steps, of 64 examples each.
    classes: labels with their numbers of values.
    sample_rate: of the sounds, in Hz.
    seed: of the weights and of the order.
  """
  network = _Network(tuple(classes.items()))
  optimizer = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.adamw(
      optax.warmup_cosine_decay_schedule(0.0, _PEAK_RATE, min(50, steps // 4), steps),
      weight_decay=1e-3,
    ),
  )
  key = jax.random.key(seed)

  def init():
    frames = jnp.zeros((1, 8, _NUM_MELS))
    params = network.init(key, frames)["params"]
    return params, optimizer.init(params)

  def step(params, opt_state, batch, step_key):
    audio = augment.vary(batch["audio"], step_key, sample_rate, 3.0, 2.0)
    x = _spectrogram(audio, sample_rate)

    def loss_fn(params):
      _, logits = network.apply({"params": params}, x)
      terms = [
        optax.softmax_cross_entropy_with_integer_labels(logits[name], batch[name]).mean()
        for name in classes
      ]
      return sum(terms)

    grads = jax.grad(loss_fn)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state

  params, opt_state = compilation.jit(init)()
  step = compilation.jit(step, donate_argnums=(0, 1))
  rng = np.random.default_rng(seed)
  order = np.empty(0, np.int64)
  for i in range(steps):
    while order.size < _BATCH_SIZE:
      order = np.concatenate([order, rng.permutation(count)])
    rows, order = order[:_BATCH_SIZE], order[_BATCH_SIZE:]
    examples = read(rows)
    batch = {name: examples[name] for name in ("audio", *classes)}
    params, opt_state = step(params, opt_state, batch, jax.random.fold_in(key, i))
  return Classifier(jax.device_get(params), tuple(classes.items()), sample_rate)


def save(classifier: Classifier, path: str) -> None:
  """Writes the parameters as an .npz file, atomically."""
  flat = traverse_util.flatten_dict(classifier.params, sep="/")
  arrays: dict[str, Any] = {name: np.asarray(value) for name, value in flat.items()}
  with atomic.open_file(path, "wb") as f:
    np.savez(f, **arrays)


def _shapes(classes) -> dict[str, tuple[int, ...]]:
  frames = jax.ShapeDtypeStruct((1, 8, _NUM_MELS), jnp.float32)
  init = lambda x: _Network(tuple(classes.items())).init(jax.random.key(0), x)
  params = jax.eval_shape(init, frames)["params"]
  return {k: v.shape for k, v in traverse_util.flatten_dict(params, sep="/").items()}


def load(path: str, classes: Mapping[str, int], sample_rate: int) -> Classifier | None:
  """Loads the file of `save`; None if it is missing, or of another network."""
  try:
    flat = npz_file.load(path)
  except (FileNotFoundError, errors.UserError):
    return None
  if {name: value.shape for name, value in flat.items()} != _shapes(classes):
    return None
  params = traverse_util.unflatten_dict(flat, sep="/")
  return Classifier(params, tuple(classes.items()), sample_rate)
