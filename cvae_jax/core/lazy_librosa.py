"""librosa, imported late and by one process at a time.

librosa takes a second to import, which only what needs it should cost. Its vectorised functions are
compiled by numba as they are imported, into a cache on disk. Two processes that fill one cache at
once can each leave half of a function there, and every process that reads the halves jumps to
address 0 (numba issue 10128). Two runs that start together on a fresh machine would do just that:
so the cache is our own, and its first reader fills it alone.
"""

import functools
import os
import pathlib
import tempfile
import types


def _lock_cache():
  """The held lock of a cache for numba, which is the shared one where that can be written to."""
  import filelock

  shared = os.environ.get("NUMBA_CACHE_DIR") or pathlib.Path.home() / ".cache/cvae_jax/numba"
  try:
    os.makedirs(shared, exist_ok=True)
    lock = filelock.FileLock(os.path.join(shared, "lock"))
    lock.acquire()
  except OSError:
    shared = tempfile.mkdtemp(prefix="cvae_jax_numba_")
    lock = filelock.FileLock(os.path.join(shared, "lock"))
    lock.acquire()
  os.environ["NUMBA_CACHE_DIR"] = str(shared)
  return lock


@functools.cache
def load() -> types.ModuleType:
  """librosa, with all that is compiled on import: `core`, `feature`, `filters` and `util`.

  The first call takes a lock and imports; later ones cost nothing. numba's cache is in
  ~/.cache/cvae_jax/numba, or where NUMBA_CACHE_DIR says; where it can't be written to, in a folder
  of this process.
  """
  lock = _lock_cache()
  try:
    # librosa's packages load their modules when they are asked for, which must be within the lock.
    import librosa
    import librosa.core.pitch
    import librosa.feature
    import librosa.filters
    import librosa.util.utils
  finally:
    lock.release()
  return librosa
