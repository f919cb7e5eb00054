"""librosa, imported late and by one process at a time.

librosa takes a second to import, which only what needs it should cost. Its vectorised functions are
compiled by numba as they are imported, into a cache on disk. Two processes that fill one cache at
once can each leave half of a function there, and every process that reads the halves jumps to
address 0 (numba issue 10128). Two runs that start together on a fresh machine would do just that:
so the cache is our own, and its first reader fills it alone.
"""

import os
import pathlib
import tempfile
import types


def load() -> types.ModuleType:
  """Imports librosa: `core`, `display`, `feature`, `filters` and `util`.

  numba's cache is in ~/.cache/cvae_jax/numba, or where NUMBA_CACHE_DIR says; where neither can be
  written to, in a folder of this process.
  """
  import filelock

  default = pathlib.Path.home() / ".cache" / "cvae_jax" / "numba"
  cache = pathlib.Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(default)))
  try:
    cache.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(cache / "lock")
    lock.acquire()
  except OSError:
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="cvae_jax_numba_")
    lock = filelock.FileLock(os.path.join(os.environ["NUMBA_CACHE_DIR"], "lock"))
    lock.acquire()
  try:
    # librosa's packages load their modules when they are asked for, which must be within the lock.
    import librosa
    import librosa.core.pitch
    import librosa.display
    import librosa.feature
    import librosa.filters
    import librosa.util.utils
  finally:
    lock.release()
  return librosa
