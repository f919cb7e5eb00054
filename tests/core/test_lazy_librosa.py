import os
import subprocess
import sys

import pytest

_PITCH = """
import numpy as np
from cvae_jax.evaluation.metrics import pitch
note = np.sin(2 * np.pi * 440.0 * np.arange(16000) / 16000)
assert abs(pitch.median_pitch(note, 16000) - 69.0) < 0.05
"""


def _start(cache):
  environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
  return subprocess.Popen(
    [sys.executable, "-c", _PITCH], env=environment, stderr=subprocess.PIPE, text=True
  )


@pytest.mark.slow
def test_processes_that_start_together_leave_a_cache_that_works(tmp_path):
  # Without the lock, about every second time one of them or all later ones crash.
  for wave in ([_start(tmp_path / "numba") for _ in range(3)], [_start(tmp_path / "numba")]):
    for process in wave:
      _, err = process.communicate(timeout=300)
      assert process.returncode == 0, err
  assert list((tmp_path / "numba").rglob("*.nbc"))


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_replaced(tmp_path):
  blocked = tmp_path / "file"
  blocked.write_text("")
  process = _start(blocked / "numba")
  _, err = process.communicate(timeout=300)
  assert process.returncode == 0, err
