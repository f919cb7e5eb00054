"""Many processes as one run: how they find each other, and what they agree on.

Every process runs the same loop on the same global batches, of which it reads its own part; the
first one alone logs, writes and evaluates at the end.
"""

import logging

from cvae_jax.core import errors

# A process that says nothing for so long is taken for dead, and the others end.
HEARTBEAT_S = 20
_log = logging.getLogger("cvae_jax")


def check_flags(coordinator: str | None, num_processes: int | None, process: int | None) -> None:
  """Raises UserError for flags that do not go together."""
  given = (coordinator, num_processes, process)
  if any(x is None for x in given) and any(x is not None for x in given):
    raise errors.UserError("--coordinator, --num_processes and --process go together")
  if coordinator is not None and num_processes is not None and process is not None:
    if ":" not in coordinator:
      raise errors.UserError(f"--coordinator must be HOST:PORT, got {coordinator}")
    if not 0 <= process < num_processes:
      raise errors.UserError(f"--process must be 0-{num_processes - 1}, got {process}")


def join(
  coordinator: str | None = None, num_processes: int | None = None, process: int | None = None
) -> None:
  """Joins the other processes of a run; before anything else asks JAX for its devices.

  Args:
    coordinator: HOST:PORT of the first process; without it they find each other by what SLURM,
      Open MPI, GKE or Cloud TPU says.
    num_processes: of the run.
    process: which of them this is, from 0.

  Raises:
    UserError: where there is no cluster, or the others do not come.
  """
  import jax

  try:
    jax.distributed.initialize(
      coordinator, num_processes, process, heartbeat_timeout_seconds=HEARTBEAT_S
    )
  except (ValueError, RuntimeError) as e:
    raise errors.UserError(
      f"the processes of this run cannot be joined ({errors.one_line(e)}): "
      "--multihost is for SLURM, Open MPI, GKE and Cloud TPU; elsewhere give --coordinator, "
      "--num_processes and --process"
    ) from None
  if jax.process_index():
    _log.setLevel(logging.WARNING)
  _log.info(
    "%d processes with %d devices: %s",
    jax.process_count(),
    jax.device_count(),
    jax.devices()[0].device_kind,
  )


def any_of(value: bool) -> bool:
  """Whether it is so in any process; asks all of them, which must all ask."""
  import jax

  if jax.process_count() == 1:
    return value
  from jax.experimental import multihost_utils
  import numpy as np

  return bool(np.any(multihost_utils.process_allgather(np.asarray(value))))


def wait(name: str) -> None:
  """Until all processes are here."""
  import jax

  if jax.process_count() > 1:
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)
