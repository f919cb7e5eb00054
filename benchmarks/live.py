"""Live playing over a WebSocket: how long the server takes for a block, and what is late in all.

python benchmarks/live.py [--workdir=pretrained:violin] [--minutes=1]

A real server; a client that sends a block of 4 frames every 32 ms, first of pitch and loudness,
then of sound. A gap is a block whose answer took longer than it lasts and 30 ms that are queued, as
the page does. Prints Markdown.
"""

import argparse
import json
import time

import numpy as np
import play
from websockets.sync import client

QUEUED_S = 0.03


def serve_blocks(url: str, start: dict, make_block, minutes: float) -> tuple[dict, list[float]]:
  """What the server says first, and the seconds to every answer."""
  times = []
  with client.connect(url.replace("http", "ws") + "/api/live", max_size=2**22) as socket:
    socket.send(json.dumps(start))
    ready = json.loads(socket.recv())
    block_s = ready["block_frames"] * ready["hop_length"] / ready["sample_rate"]
    due = time.perf_counter()
    for i in range(round(60 * minutes / block_s)):
      message = make_block(ready, i)
      begun = time.perf_counter()
      socket.send(message)
      socket.recv()
      times.append(time.perf_counter() - begun)
      due += block_s
      time.sleep(max(due - time.perf_counter(), 0.0))
  return {**ready, "block_s": block_s}, times


def curves(ready: dict, i: int) -> str:
  """A block of a note with a vibrato."""
  count = ready["block_frames"]
  frames = np.arange(i * count, (i + 1) * count)
  pitch = ready["pitch"][10] + 0.3 * np.sin(0.25 * frames)
  loudness = [ready["loudness_db"][15]] * count
  return json.dumps({"pitch": pitch.tolist(), "loudness_db": loudness})


def voice(ready: dict, i: int) -> bytes:
  """A block of a tone with harmonics that glides."""
  size = ready["block_frames"] * ready["hop_length"]
  t = (i * size + np.arange(size)) / ready["sample_rate"]
  phase = 2.0 * np.pi * (220.0 * t - 8.0 * np.cos(2.0 * t))
  return sum(0.2 / k * np.sin(k * phase) for k in range(1, 6)).astype("<f4").tobytes()


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("--workdir", default="pretrained:violin")
  parser.add_argument("--minutes", type=float, default=1.0)
  args = parser.parse_args()
  server, url = play.start_server(args.workdir)
  try:
    print("| played by | block | answer, median | 99 % | gaps | late in all |")
    print("|---|---|---|---|---|---|")
    for name, start, make_block in (
      ("pitch and loudness", {}, curves),
      ("sound that is followed", {"follow": True}, voice),
    ):
      ready, times = serve_blocks(url, start, make_block, args.minutes)
      gaps = sum(seconds > ready["block_s"] + QUEUED_S for seconds in times)
      # A block is waited for where it is sound; in the mean half of one where it is a hand's.
      waited_s = ready["block_s"] * (1.0 if "follow" in start else 0.5)
      middle, slow = (1e3 * np.quantile(times, share) for share in (0.5, 0.99))
      late_s = waited_s + QUEUED_S + ready["latency"] / ready["sample_rate"]
      print(
        f"| {name} | {1e3 * ready['block_s']:.0f} ms | {middle:.1f} ms | {slow:.1f} ms "
        f"| {gaps} of {len(times)} | {1e3 * late_s + middle:.0f} ms |",
        flush=True,
      )
  finally:
    server.terminate()
    server.wait()


if __name__ == "__main__":
  main()
