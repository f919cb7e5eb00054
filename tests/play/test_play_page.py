"""The page in a real browser: pressed, dragged and dropped upon, and listened to by measurement.

What sounds is what the page hands to Web Audio: the buffers of all sources that it starts.
"""

import contextlib
import json
import os
import shutil
import socket
import threading
import time
import urllib.parse

from conftest import FIXTURES
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import controls as controls_lib
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.play import api
from cvae_jax.play import player as player_lib
from cvae_jax.synthesis import synthesizer

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = (
  shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

ARGS = [
  "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
PATIENCE_S = 120  # of waiting for a page, on a machine that does other work as well
_RECORD = """
window.started = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...args) {
  window.started.push({
    rate: this.buffer.sampleRate, loop: this.loop,
    samples: Array.from(this.buffer.getChannelData(0).slice(0, 48000)),
  });
  return start.apply(this, args);
};
"""
# Keeps the blocks of sound that are played live.
LIVE = """
window.blocks = [];
const Node = window.AudioWorkletNode;
window.AudioWorkletNode = class extends Node {
  constructor(context, name, options) {
    super(context, name, options);
    if (name !== 'live-player') return;
    const send = this.port.postMessage.bind(this.port);
    this.port.postMessage = (message) => {
      if (message.samples) window.blocks.push(Array.from(message.samples));
      send(message);
    };
  }
};
"""


@contextlib.contextmanager
def serve(player):
  """Serves a run; its address."""
  import uvicorn

  bound = socket.socket()
  bound.bind(("127.0.0.1", 0))
  server = uvicorn.Server(uvicorn.Config(api.make_app(player), log_level="warning"))
  thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
  thread.start()
  yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
  server.should_exit = True
  thread.join(20)


@contextlib.contextmanager
def serve_run(workdir):
  """Loads a run and serves it; its address."""
  player = player_lib.Player(synthesizer.load(workdir), workdir)
  with serve(player) as address:
    yield address
  player.engine.close()


@pytest.fixture(scope="module")
def url(played_run):
  with serve_run(played_run) as address:
    yield address


@pytest.fixture(scope="module")
def browser():
  with playwright.sync_playwright() as p:
    made = p.chromium.launch(executable_path=CHROMIUM, args=ARGS)
    yield made
    made.close()


def until(page, expression, seconds=PATIENCE_S):
  """Waits for an expression; by asking, since the page's own policy forbids it to be watched."""
  end = time.monotonic() + seconds
  while not page.evaluate(expression):
    assert time.monotonic() < end, f"{expression}; the page says: {page.inner_text('#status')}"
    page.wait_for_timeout(50)


def open_page(browser, url, script="", **settings):
  context = browser.new_context(**settings)
  context.set_default_timeout(1000 * PATIENCE_S)
  page = context.new_page()
  page.problems = []
  root = url.split("#")[0]
  page.on("pageerror", lambda e: page.problems.append(str(e)))
  page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
  page.on(
    "request",
    lambda r: (
      page.problems.append(r.url) if not r.url.startswith((root, "blob:", "data:")) else None
    ),
  )
  page.add_init_script(_RECORD + script)
  page.goto(url)
  wait_ready(page)
  return page


def wait_ready(page):
  until(page, "document.querySelector('#status').textContent.startsWith('ready')")


@pytest.fixture
def page(browser, url):
  made = open_page(browser, url, viewport={"width": 1280, "height": 860})
  yield made
  assert made.problems == []
  made.context.close()


def press(page, pitch):
  """Presses a key when nothing else begins to sound; the samples that do, and their rate."""
  count = -1
  while count != (count := page.evaluate("window.started.length")):
    page.wait_for_timeout(400)
  page.evaluate("document.querySelector('#heard').textContent = ''")
  page.locator(f"#keyboard button[data-pitch='{pitch}']").click()
  name = f"{'C C# D D# E F F# G G# A A# B'.split()[pitch % 12]}{pitch // 12 - 1}"
  until(page, f"document.querySelector('#heard').textContent.startsWith('{name}')")
  made = page.evaluate("window.started.at(-1)")
  return np.asarray(made["samples"], np.float32), made["rate"]


def last_note(page, count):
  until(page, f"window.started.length >= {count}")
  made = page.evaluate("window.started.at(-1)")
  return np.asarray(made["samples"], np.float32), made["rate"]


def test_a_pressed_key_sounds_at_its_pitch(page, tiny_run):
  synth = synthesizer.load(tiny_run)
  sound = {
    "family": page.input_value("#label-family"),
    "source": page.input_value("#label-source"),
    "velocity": int(page.input_value("#label-velocity")),
  }
  for pitch in (60, 67):
    samples, rate = press(page, pitch)
    assert rate == 16_000 and np.abs(samples).max() > 0.1
    # What the model makes of that key, and not of another: a tiny run is not always in tune.
    theirs = synth.generate(pitch=pitch, seed=0, **sound)[:48_000]
    spectra = [np.abs(np.fft.rfft(a * np.hanning(a.size))) for a in (samples, theirs)]
    alike = np.sum(spectra[0] * spectra[1]) / np.prod([np.linalg.norm(s) for s in spectra])
    assert alike > 0.7
  # By the computer's keys, several at once.
  page.locator("h1").click()
  for code in ("a", "d"):
    page.keyboard.down(code)
  last_note(page, 4)
  for code in ("a", "d"):
    page.keyboard.up(code)


def test_a_training_note_on_the_map_sounds_at_its_own_pitch(page):
  dots = page.evaluate("fetch('/api/notes').then((r) => r.json())")
  box = page.locator("#pad").bounding_box()
  # A dot that no other one lies upon.
  places = np.asarray([d["places"][:2] for d in dots])
  inside = np.all(np.abs(places) < 3, axis=1)
  distance = np.linalg.norm(places[:, None] - places[None], axis=-1) + 99 * np.eye(len(dots))
  alone = int(np.argmax(np.where(inside, distance.min(axis=1), -1)))
  x, y = places[alone]
  page.mouse.click(
    box["x"] + (0.5 + x / 6.4) * box["width"], box["y"] + (0.5 - y / 6.4) * box["height"]
  )
  samples, rate = last_note(page, 1)
  assert dots[alone]["id"] in page.inner_text("#heard")
  found = pitch_metric.median_pitch(samples, rate)
  assert (
    np.isnan(found)
    or abs(found - dots[alone]["labels"]["pitch"]) < 0.5
    or dots[alone]["labels"]["pitch"] < 33
  )
  page.get_by_role("button", name="Play it on the keys").click()
  until(page, "location.hash.includes('code=')")
  wait_ready(page)
  assert page.input_value("#label-family") == dots[alone]["labels"]["family"]


def test_the_pad_moves_the_sound_and_undo_takes_it_back(page):
  before, _ = press(page, 60)
  start = page.url
  box = page.locator("#pad").bounding_box()
  page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.97 * box["height"])
  page.mouse.down()
  page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.98 * box["height"], steps=5)
  page.mouse.up()
  until(page, "location.hash.includes('places')")
  wait_ready(page)
  after, _ = press(page, 60)
  assert np.abs(before - after).max() > 1e-3
  assert page.url != start
  moved = page.url
  page.keyboard.press("Control+z")
  until(page, f"location.href === {json.dumps(start)}")
  page.click("#redo")
  until(page, f"location.href === {json.dumps(moved)}")


def test_two_families_are_mixed_and_the_controls_say_so(page):
  page.select_option("#label-family", "organ")
  page.select_option("#label-family-b", "flute")
  until(page, "location.hash.includes('0.5')")
  link = urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).fragment)
  assert json.loads(link["labels"][0])["family"] == {"organ": 0.5, "flute": 0.5}
  mix = page.locator("#label-family-mix")
  assert page.inner_text("output[for=label-family-mix]") == "50 %"
  mix.evaluate("mix => { mix.value = 1; mix.dispatchEvent(new Event('change')); }")
  until(page, 'decodeURIComponent(location.hash).includes(\'"family":"flute"\')')
  # An end of the slider is one family, and what is at its other end is not forgotten.
  assert page.input_value("#label-family") == "organ" and mix.input_value() == "1"
  page.click("#undo")
  until(page, "location.hash.includes('0.5')")
  assert mix.input_value() == "0.5"


def test_a_link_brings_back_the_very_sound(browser, url, page):
  page.select_option("#label-family", "organ")
  page.fill("#seed", "1234")
  page.press("#seed", "Enter")
  page.locator("#surprise").focus()
  until(page, "location.hash.includes('1234')")
  wait_ready(page)
  first, _ = press(page, 64)
  other = open_page(browser, url, viewport={"width": 900, "height": 700})
  other.goto(page.url)
  other.reload()
  wait_ready(other)
  assert other.input_value("#seed") == "1234" and other.input_value("#label-family") == "organ"
  second, _ = press(other, 64)
  np.testing.assert_allclose(first, second, atol=2e-3)
  other.context.close()


def test_a_dropped_recording_plays_across_the_keyboard(page):
  path = sorted((FIXTURES / "nsynth-train" / "audio").glob("guitar*.flac"))[0]
  page.set_input_files("#file", str(path))
  until(page, "location.hash.includes('code=')")
  until(page, "!document.querySelector('#keyboard .waiting')")
  samples, _ = press(page, 60)
  assert np.abs(samples).max() > 0.05
  page.set_input_files(
    "#file", {"name": "no.wav", "mimeType": "audio/wav", "buffer": b"nothing at all"}
  )
  until(page, "document.querySelector('#status.bad')")
  assert "cannot be read as audio" in page.inner_text("#status")
  page.problems.clear()  # The browser reports the 400 on its console.


def test_morphing_goes_from_one_kept_sound_to_another(page):
  page.click("#keep-a")
  until(page, "document.querySelector('#keep-a').textContent.includes('stored')")
  page.click("#surprise")
  until(page, "location.hash.includes('seed')")
  wait_ready(page)
  page.click("#keep-b")
  until(page, "!document.querySelector('#morph').disabled")
  page.locator("#morph").focus()
  page.keyboard.press("ArrowLeft")
  until(page, "location.hash.includes('code')")
  wait_ready(page)


def test_downloads_are_a_note_and_an_instrument(page):
  with page.expect_download() as note:
    page.click("#save-note")
  assert note.value.suggested_filename.endswith(".wav")
  with page.expect_download() as made:
    page.click("#save-sf2")
  assert made.value.suggested_filename.endswith(".sf2")
  assert os.path.getsize(made.value.path()) > 1_000_000


def test_it_fits_a_phone_and_every_control_has_a_name(browser, url):
  page = open_page(
    browser, url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True,
    color_scheme="dark",
  )  # fmt: skip
  assert page.evaluate("document.documentElement.scrollWidth") <= 390
  page.locator("#keyboard button[data-pitch='52']").tap()
  last_note(page, 1)
  unnamed = page.evaluate(
    """[...document.querySelectorAll('button, input, select')].filter((e) =>
      !e.textContent.trim() && !e.getAttribute('aria-label') && !e.labels?.length)
      .map((e) => e.id)"""
  )
  assert unnamed == [] and page.problems == []
  if os.environ.get("SCREENSHOTS"):
    page.screenshot(path=os.path.join(os.environ["SCREENSHOTS"], "phone.png"), full_page=True)
  page.context.close()


def test_screenshots(page):
  """Not a test of its own: writes the desktop's screenshot where SCREENSHOTS names a folder."""
  if not os.environ.get("SCREENSHOTS"):
    pytest.skip("SCREENSHOTS is not set")
  page.locator("#keyboard button[data-pitch='60']").click()
  time.sleep(1.0)
  page.screenshot(path=os.path.join(os.environ["SCREENSHOTS"], "desktop.png"))


def test_a_label_of_a_data_set_has_a_control_without_a_line_of_code(browser, url):
  """The worked example of a control: a number of the vocabulary is a slider that requests carry."""
  page = browser.new_context().new_page()
  sent = []

  def answer_card(route):
    card = route.fetch().json()
    label = {**card["labels"][0], "name": "hardness", "kind": "number", "low": 0, "high": 9}
    card["labels"].append({**label, "names": [], "mixed": False})
    card["conditions"].append("hardness")
    route.fulfill(json=card)

  def answer_keys(route):
    sent.append(route.request.post_data_json["sound"]["labels"])
    route.continue_()

  page.route("**/api/model", answer_card)
  page.route("**/api/instrument", answer_keys)
  page.goto(url)
  slider = page.get_by_label("Hardness")
  slider.wait_for()
  assert [slider.get_attribute(x) for x in ("type", "min", "max")] == ["range", "0", "9"]
  slider.fill("3")
  slider.dispatch_event("change")
  for _ in range(200):
    if any(labels.get("hardness") == 3 for labels in sent):
      break
    page.wait_for_timeout(50)
  assert any(labels.get("hardness") == 3 for labels in sent), sent
  page.context.close()


def test_keys_and_a_microphone_are_played_live(browser, ddsp_run, tmp_path):
  workdir = tmp_path / "ddsp"
  shutil.copytree(ddsp_run, workdir)
  with serve_run(str(workdir)) as address:
    size = {"width": 1280, "height": 860}
    page = open_page(browser, address, LIVE, viewport=size)
    key = page.locator("#keyboard button[data-pitch='72']")
    key.hover()
    page.mouse.down()  # A run without notes of its own is played live by its first key.
    until(page, "window.blocks.length > 40")
    page.mouse.up()
    audio = np.concatenate(page.evaluate("window.blocks"))
    tracking = controls_lib.Tracking(100, 40.0, 2000.0, 1024)
    found = controls_lib.measure(jnp.asarray(audio[None], jnp.float32), 16_000, tracking)
    pitch = np.asarray(controls_lib.hz_to_pitch(found.f0_hz))[0]
    loudness_db = np.asarray(found.loudness_db)[0]
    loud = loudness_db > loudness_db.max() - 20.0
    assert loud.sum() > 50 and abs(np.median(pitch[loud]) - 72.0) < 0.3
    page.locator("#bend").fill("1")
    page.locator("#bend").dispatch_event("pointerup")
    assert page.input_value("#bend") == "0"  # It springs back.
    page.click("#live-keys")
    assert page.inner_text("#live-keys") == "Play the keys live"
    page.click("#live-microphone")  # The browser's own: beeps.
    page.evaluate("window.blocks = []")
    until(page, "document.querySelector('#live-hint').textContent.startsWith('Latency')")
    until(page, "window.blocks.length > 60")
    page.click("#live-microphone")
    assert page.problems == []
    page.context.close()
