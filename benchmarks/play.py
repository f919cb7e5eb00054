"""How soon a note sounds in the browser, and how many can play at once: a real server, asked.

python benchmarks/play.py --workdir=runs/cvae

A single note, the 88 keys of a new sound, then a number of clients for a time, each of whom asks
for the next note as soon as it has the last. Prints Markdown.
"""

import argparse
from concurrent import futures
import json
import os
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent


def ask(url: str, body: dict | None = None, timeout: float = 60.0) -> tuple[int, bytes]:
  """Status and body of an answer."""
  data = None if body is None else json.dumps(body).encode()
  request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
  try:
    with urllib.request.urlopen(request, timeout=timeout) as response:
      return response.status, response.read()
  except urllib.error.HTTPError as e:
    return e.code, e.read()
  except OSError:
    return 0, b""


def start_server(workdir: str) -> tuple[subprocess.Popen, str]:
  """A server of a run, that answers."""
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
  command = [sys.executable, "-m", "cvae_jax.play", f"--workdir={workdir}", f"--port={port}"]
  server = subprocess.Popen([*command, "--no-browser"], cwd=ROOT, stdout=subprocess.DEVNULL)
  url = f"http://127.0.0.1:{port}"
  while ask(f"{url}/api/health")[0] != 200:
    if server.poll() is not None:
      raise SystemExit("the server has ended")
    time.sleep(0.2)
  return server, url


def measure(action, rounds: int) -> list[float]:
  """Seconds of each round, the first ones left out."""
  times = []
  for i in range(rounds + 3):
    start = time.perf_counter()
    action(i)
    times.append(time.perf_counter() - start)
  return times[3:]


def client(url: str, card: dict, number: int, seconds: float) -> list[tuple[float, int]]:
  """Seconds and status of every request of one client."""
  rng, done = random.Random(number), []
  end = time.perf_counter() + seconds
  pitch = next((x for x in card["labels"] if x["name"] == "pitch"), {"low": 60, "high": 60})
  low, high = pitch["low"], pitch["high"]
  while time.perf_counter() < end:
    body = {"pitch": rng.randint(low, high), "seed": rng.randrange(2**32), "draft": True}
    for label in card["labels"]:
      if label["kind"] == "names":
        body.setdefault("labels", {})[label["name"]] = rng.choice(label["names"])
    start = time.perf_counter()
    status, _ = ask(f"{url}/api/generate", body)
    done.append((time.perf_counter() - start, status))
  return done


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", required=True, help="of the run")
  parser.add_argument("--clients", type=int, default=50)
  parser.add_argument("--seconds", type=float, default=60.0)
  args = parser.parse_args()
  server, url = start_server(os.path.abspath(args.workdir))
  try:
    card = json.loads(ask(f"{url}/api/model")[1])
    time.sleep(15)  # It compiles what will be asked for.
    pitch = next((x for x in card["labels"] if x["name"] == "pitch"), {"low": 60, "high": 60})
    low, high = pitch["low"], pitch["high"]
    keys = list(range(low, high + 1))

    def note(draft):
      def make(i):
        assert ask(f"{url}/api/generate", {"pitch": 60, "seed": i, "draft": draft})[0] == 200

      return make

    def keyboard(i):
      assert ask(f"{url}/api/instrument", {"sound": {"seed": i}, "pitches": keys})[0] == 200

    print("| request | median | slowest of 20 |\n|---|---|---|")
    rows = [
      ("a note for a key (draft)", note(True)),
      ("a note to download", note(False)),
      (f"{len(keys)} keys of a new sound", keyboard),
    ]
    for what, action in rows:
      times = measure(action, 20)
      print(
        f"| {what} | {1e3 * statistics.median(times):.0f} ms | {1e3 * max(times):.0f} ms |",
        flush=True,
      )
    with futures.ThreadPoolExecutor(args.clients) as pool:
      work = [pool.submit(client, url, card, i, args.seconds) for i in range(args.clients)]
      done = [request for each in work for request in each.result()]
    times = sorted(seconds for seconds, _ in done)
    failed = sum(status != 200 for _, status in done)
    print(
      f"\n{args.clients} clients at once for {args.seconds:g} s: {len(done)} notes,"
      f" {failed} errors,"
      f" median {1e3 * statistics.median(times):.0f} ms,"
      f" 95 % within {1e3 * times[int(0.95 * len(times))]:.0f} ms"
    )
  finally:
    server.terminate()
    server.wait()


if __name__ == "__main__":
  main()
