"""JAX_PLATFORMS: whether there is what it asks for; and what XLA of some versions needs."""

import importlib.metadata
import os

from cvae_jax.core import errors

_VARIABLES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
_DEADLOCKED = ("0.11.1", "0.11.2")  # jaxlib
_ONE_THREAD = "xla_cpu_multi_thread_eigen"


def avoid_deadlock() -> None:
  """Has XLA run an operation on one CPU thread where its FFTs would wait for each other for ever.

  In these versions an FFT on a thread of XLA's pool shares its work out to the same pool and waits:
  as many at a time as there are threads never end. It is called before JAX's devices are started.
  """
  set_already = os.environ.get("XLA_FLAGS", "")
  if _ONE_THREAD not in set_already and importlib.metadata.version("jaxlib") in _DEADLOCKED:
    os.environ["XLA_FLAGS"] = f"{set_already} --{_ONE_THREAD}=false".strip()


def problem() -> str | None:
  """What is wrong with the platform that JAX_PLATFORMS asks for, in one line; None for nothing.

  It starts JAX's devices where they are not started yet, and is asked where that does no harm: of
  many processes after they have joined.
  """
  asked = {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}
  if not asked or set(asked.values()) == {"cpu"}:
    return None
  import jax  # It is imported when it is needed.

  try:
    jax.devices()
    return None
  except Exception as e:
    why = errors.one_line(e).partition(" (set JAX_PLATFORMS")[0] if str(e) else "there is none"
  name, value = next(iter(asked.items()))
  return (
    f"{name}={value}, but this JAX has {_what_there_is()} ({why}): "
    "pip install -e .[cuda] for NVIDIA GPUs, .[tpu] for TPUs, or unset it"
  )


def _what_there_is() -> str:
  """The platform that JAX takes by itself; what was asked for stays asked for."""
  import jax
  from jax.extend import backend

  before = jax.config.jax_platforms  # type: ignore[attr-defined]
  try:
    jax.config.update("jax_platforms", None)
    return jax.devices()[0].platform
  except Exception:
    return "none"
  finally:
    jax.config.update("jax_platforms", before)
    backend.clear_backends()


def check() -> None:
  """Raises UserError where JAX_PLATFORMS asks for what is not there; see `problem`."""
  found = problem()
  if found is not None:
    raise errors.UserError(found)
