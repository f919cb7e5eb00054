import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import check


def test_integers_are_refused_while_tracing():
  with pytest.raises(TypeError, match="the waveform must be floating point, got int16: divide"):
    jax.jit(check.check_audio)(jnp.zeros(100, jnp.int16))


def test_what_is_not_finite_is_counted_and_placed():
  audio = np.zeros((2, 100), np.float32)
  audio[1, 7:9] = np.nan
  with pytest.raises(ValueError, match=r"2 values that are not, the first at \(1, 7\)"):
    check.check_audio(jnp.asarray(audio))


@pytest.mark.parametrize(
  "shape,says",
  [((0,), "empty"), ((3, 0), "empty"), ((10,), "10 samples is too short"), ((), "1 axes")],
)
def test_shapes_that_hold_no_waveform_are_refused(shape, says):
  with pytest.raises(ValueError, match=says):
    check.check_audio(jnp.zeros(shape), min_samples=11)


_CALLS = """
import jax.numpy as jnp
from cvae_jax.audio import cqt, f0, loudness, mdct, mel, phase, pqmf, stft
bad = {
  "nan": jnp.full(4096, jnp.nan),
  "empty": jnp.zeros(0),
  "integers": jnp.zeros(4096, jnp.int16),
}
transforms = {
  "stft": stft.stft,
  "mdct": mdct.mdct,
  "pqmf": pqmf.analyse,
  "cqt": lambda x: cqt.cqt(x, 16000),
  "rms": loudness.rms,
  "loudness": lambda x: loudness.loudness(x, 16000),
  "yin": lambda x: f0.yin(x, 50.0, 1000.0, 16000),
  "istft": lambda x: stft.istft(x[None]),
  "imdct": lambda x: mdct.imdct(x[None]),
  "griffin_lim": lambda x: phase.griffin_lim(x[None], start="integrated"),
  "linear_to_mel": lambda x: mel.linear_to_mel(x[None], 16000),
}
for name, transform in transforms.items():
  for kind, x in bad.items():
    try:
      transform(x)
    except (TypeError, ValueError) as e:
      assert any(w in str(e) for w in ("finite", "empty", "floating point")), (name, kind, e)
      continue
    raise SystemExit(f"{name} took {kind}")
"""


def test_no_transform_takes_nan_nothing_or_integers():
  # In a process without the tests' own shape checks, as everybody else runs it.
  done = subprocess.run([sys.executable, "-c", _CALLS], capture_output=True, text=True, timeout=120)
  assert done.returncode == 0, done.stderr
