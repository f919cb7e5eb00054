"""The drum machine: how long new pads take, and whether the page drops steps of a beat.

python benchmarks/sequencer.py --workdir=RUN [--minutes=5] [--tempo=174]

A real server of a run of drums. First kits of 16, 8 and 1 new pads, each asked for in one request,
beside 16 sounds that are asked for one after the other. Then Chromium plays a beat of which every
step of every pad is set, and is asked for another kit and another sound by turns. A step is
late if it is handed to Web Audio after its time, and dropped if it is not handed over at all; both
by the clock of the audio. Prints Markdown.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import time
from urllib import parse

import numpy as np
import play
from playwright import sync_api

# Every stroke: its time and the clock's when it is handed over.
_RECORD = """
window.strokes = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when = 0, ...more) {
  window.strokes.push([when, this.context.currentTime]);
  return start.call(this, when, ...more);
};
"""


def make_sounds(card: dict, count: int, seed: int) -> list[dict]:
  """Sounds of as many pads, of all kinds in turn."""
  kinds = list(dict.fromkeys(key["kind"] for key in card["percussion"]))
  return [
    {"labels": {"kind": kinds[i % len(kinds)]}, "seed": (seed * 1009 + i) % 2**32}
    for i in range(count)
  ]


def processor_s(pid: int) -> float:
  """Seconds of all cores that a process has used, which others on the machine change little."""
  fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
  return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_kits(url: str, card: dict, rounds: int, pid: int) -> None:
  """Prints how long kits take."""

  def make_kit(count, draft):
    def ask(i):
      body = {"sounds": make_sounds(card, count, i), "draft": draft}
      assert play.ask(f"{url}/api/kit", body)[0] == 200

    return ask

  def make_singles(i):
    for sound in make_sounds(card, 16, i):
      assert play.ask(f"{url}/api/kit", {"sounds": [sound]})[0] == 200

  rows = [
    ("16 new pads, one after the other", make_singles),
    ("16 new pads", make_kit(16, True)),
    ("8 new pads", make_kit(8, True)),
    ("a new pad", make_kit(1, True)),
    ("16 new pads in full quality, to download", make_kit(16, False)),
  ]
  print("| request | median | slowest | of a core | times the first row's speed |")
  print("|---|---|---|---|---|")
  first = None
  for what, action in rows:
    before = processor_s(pid)
    times = play.measure(action, rounds)
    used = 1e3 * (processor_s(pid) - before) / (rounds + 3)  # play.measure leaves three out.
    first = first or statistics.median(times)
    median, slowest = statistics.median(times), max(times)
    speed = first / median
    shown = [f"{1e3 * median:.0f} ms", f"{1e3 * slowest:.0f} ms", f"{used:.0f} ms", f"{speed:.1f}"]
    print(f"| {what} | {' | '.join(shown)} |", flush=True)


def _ready(page) -> None:
  while not page.inner_text("#status").startswith("ready"):
    page.wait_for_timeout(50)


def measure_steps(url: str, card: dict, minutes: float, tempo: int, period_s: float) -> None:
  """Prints how many steps are late or dropped."""
  chromium = shutil.which("chromium") or shutil.which("google-chrome")
  with sync_api.sync_playwright() as p:
    browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(_RECORD)
    full = ".".join([str(tempo), "50", *8 * ["ctbj4"]])  # 16 digits of 1 of base 3, in base 36.
    words = [parse.urlencode({"labels": json.dumps(s["labels"])}) for s in make_sounds(card, 8, 0)]
    page.goto(f"{url}/#beat={full}~0~" + "~".join(words))
    _ready(page)
    page.evaluate("window.strokes.length = 0")
    page.click("#beat-play")
    renewed, end = 0, time.monotonic() + 60 * minutes
    while time.monotonic() < end:
      page.wait_for_timeout(1e3 * min(period_s, max(end - time.monotonic(), 0.01)))
      page.click("#new-kit" if renewed % 2 else "#vary")
      renewed += 1
    page.click("#beat-play")
    strokes = np.asarray(page.evaluate("window.strokes"))
    browser.close()
  times = np.unique(strokes[:, 0])  # Those that were taken back are handed over twice.
  places = (times - times[0]) * tempo / 15.0  # in steps
  is_on_grid = np.abs(places - np.rint(places)) < 1e-4
  expected = round(places[-1]) + 1
  late = np.unique(strokes[strokes[:, 0] < strokes[:, 1], 0]).size + np.sum(~is_on_grid)
  dropped = expected - np.unique(np.rint(places[is_on_grid])).size
  lead = (strokes[:, 0] - strokes[:, 1]).min()
  print(
    f"\n{times[-1] - times[0]:.0f} s at {tempo} bpm, a sound or a kit renewed {renewed} times:"
    f" {expected} steps, {len(strokes)} strokes, {dropped} dropped, {late} late;"
    f" handed over at least {1e3 * lead:.0f} ms ahead"
  )


def main() -> None:
  """Measures what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", required=True, help="of the run of drums")
  parser.add_argument("--minutes", type=float, default=5.0, help="that the beat is played")
  parser.add_argument("--tempo", type=int, default=174, help="in quarter notes per minute")
  parser.add_argument("--period", type=float, default=2.0, help="seconds between new sounds")
  parser.add_argument("--rounds", type=int, default=20, help="of each kit")
  args = parser.parse_args()
  server, url = play.start_server(os.path.abspath(args.workdir))
  try:
    card = json.loads(play.ask(f"{url}/api/model")[1])
    if not card["percussion"]:
      raise SystemExit("this run makes no drums")
    time.sleep(15)  # It compiles what will be asked for.
    measure_kits(url, card, args.rounds, server.pid)
    if args.minutes:
      measure_steps(url, card, args.minutes, args.tempo, args.period)
  finally:
    server.terminate()
    server.wait()


if __name__ == "__main__":
  main()
