#!/usr/bin/env python3
"""A run by several processes of this machine, as many hosts would make it.

    launch/local.py 2 --config=configs/cvae.py:tiny --workdir=runs/two

Everything after the number goes to `python -m cvae_jax.main`. What --dry-run, before it, prints are
the very commands. SIGINT and SIGTERM go to all processes, which save; the exit status is the worst.
"""

import shlex
import signal
import socket
import subprocess
import sys


def main() -> int:
  """Starts the processes that the arguments ask for, and waits for them."""
  arguments = sys.argv[1:]
  dry = "--dry-run" in arguments[:1]
  arguments = arguments[dry:]
  if not arguments or not arguments[0].isdigit() or int(arguments[0]) < 1:
    print(__doc__, file=sys.stderr)
    return 2
  count = int(arguments[0])
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
  commands = [
    [
      *(sys.executable, "-m", "cvae_jax.main", *arguments[1:]),
      *(f"--coordinator=127.0.0.1:{port}", f"--num_processes={count}", f"--process={i}"),
    ]
    for i in range(count)
  ]
  if dry:
    print("\n".join(map(shlex.join, commands)))
    return 0
  processes = [subprocess.Popen(command) for command in commands]
  for signum in (signal.SIGINT, signal.SIGTERM):
    signal.signal(signum, lambda s, _: [p.send_signal(s) for p in processes if p.poll() is None])
  return max(abs(process.wait()) for process in processes)


if __name__ == "__main__":
  sys.exit(main())
