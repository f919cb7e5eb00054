import jax
import jax.numpy as jnp
import librosa
import numpy as np

from cvae_jax.audio import phase
from cvae_jax.audio import stft


def convergence(audio, magnitude):
  rebuilt = np.abs(stft.stft(jnp.asarray(audio), 1024, 256))
  return np.linalg.norm(rebuilt - magnitude) / np.linalg.norm(magnitude)


def test_griffin_lim_comes_as_near_as_librosas(real_note):
  audio = real_note[:32_000]
  magnitude = np.abs(np.asarray(stft.stft(jnp.asarray(audio), 1024, 256)))
  ours, theirs = [], []
  for seed in range(8):  # Where it ends depends on the phases it starts from.
    rebuilt = phase.griffin_lim(
      jnp.asarray(magnitude), jax.random.key(seed), 32, 256, length=32_000
    )
    ours.append(convergence(np.asarray(rebuilt), magnitude))
    rebuilt = librosa.griffinlim(
      magnitude.T, n_iter=32, hop_length=256, random_state=seed, length=32_000, pad_mode="constant"
    )
    theirs.append(convergence(rebuilt, magnitude))
  assert np.mean(ours) < np.mean(theirs) + np.std(theirs)


def test_more_iterations_come_nearer_and_none_is_far(real_note):
  magnitude = jnp.abs(stft.stft(jnp.asarray(real_note[:16_000]), 1024, 256))
  key = jax.random.key(0)
  none, some, many = (
    convergence(phase.griffin_lim(magnitude, key, n, 256, length=16_000), np.asarray(magnitude))
    for n in (0, 8, 64)
  )
  assert none > 1.5 * some > 1.5 * many


def test_silence_gives_silence():
  audio = phase.griffin_lim(jnp.zeros((2, 20, 129)), jax.random.key(0), 4, 64)
  np.testing.assert_array_equal(audio, 0.0)
