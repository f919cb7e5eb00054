"""How soon a command is ready, and the memory that it takes: whole processes, from their start.

python benchmarks/startup.py

Trains the default CVAE for some steps, then makes a note from the run; each first with an empty
compilation cache, then with what that left in it. The notes are prepared beforehand. Memory is the
largest resident set of the process. Prints Markdown.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
_EVAL_OFF = ("eval.baselines=False", "eval.pitch_notes=0", "eval.sample_notes=0")


def run(arguments: list[str], cache: str, until: str = "") -> tuple[float, float, float]:
  """Runs `python -m arguments`.

  Returns:
    Seconds to the first line with `until` in it, seconds to the end, and the peak memory in GB.
  """
  environment = {
    **os.environ,
    "JAX_COMPILATION_CACHE_DIR": cache,
    "PYTHONUNBUFFERED": "1",
  }
  start = time.perf_counter()
  process = subprocess.Popen(
    [sys.executable, "-m", *arguments],
    cwd=ROOT,
    env=environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )
  assert process.stdout is not None
  lines, seen = [], float("nan")
  for line in process.stdout:
    lines.append(line)
    if until and until in line and seen != seen:
      seen = time.perf_counter() - start
  _, status, usage = os.wait4(process.pid, 0)
  process.returncode = os.waitstatus_to_exitcode(status)
  if process.returncode:
    raise SystemExit("".join(lines[-20:]))
  unit = 1 if sys.platform == "darwin" else 1024
  return seen, time.perf_counter() - start, usage.ru_maxrss * unit / 1e9


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="configs/cvae.py")
  parser.add_argument("--steps", type=int, default=20)
  parser.add_argument(
    "--rounds", type=int, default=3, help="of the making of a note; the best counts"
  )
  args = parser.parse_args()
  overrides = [f"--config.{o}" for o in (*_EVAL_OFF, f"train.steps={args.steps}")]
  with tempfile.TemporaryDirectory() as scratch:
    # Prepares the notes, where that has not been done.
    common = [f"--config={args.config}", *overrides]
    warm = ["cvae_jax.main", *common, "--config.train.steps=1", f"--workdir={scratch}/warm"]
    run(warm, f"{scratch}/other")
    cache = f"{scratch}/compiled"
    print("| command | compilation cache | seconds | peak memory |\n|---|---|---|---|")
    for number, state in enumerate(("empty", "filled")):
      command = ["cvae_jax.main", *common, f"--workdir={scratch}/run{number}"]
      first, _, memory = run(command, cache, "first step done")
      print(
        f"| main, to the end of its first step | {state} | {first:.1f} | {memory:.2f} GB |",
        flush=True,
      )
    make = ["cvae_jax.generate", f"--workdir={scratch}/run0", "--pitch=60", "--num=1"]
    measured = []
    for number in range(args.rounds):
      cache = f"{scratch}/generate{number}"
      measured.append([run([*make, f"--out={scratch}/out"], cache)[1:] for _ in range(2)])
    for state, values in zip(("empty", "filled"), zip(*measured, strict=True), strict=True):
      seconds, memory = min(values)
      print(f"| generate, to its end | {state} | {seconds:.1f} | {memory:.2f} GB |", flush=True)


if __name__ == "__main__":
  main()
