#!/usr/bin/env python3
"""Trains with several processes on one machine, as on several hosts.

    launch/local.py 2 --config=configs/cvae.py:tiny --workdir=runs/two

Arguments after the number of processes go to `python -m cvae_jax.main`. --dry-run before the
number prints the commands without running them. SIGINT and SIGTERM are forwarded to all processes,
which save a checkpoint. The exit status is the largest of theirs.
"""

import shlex
import signal
import socket
import subprocess
import sys


def main() -> int:
  """Starts the processes and waits for them; returns the exit status."""
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
