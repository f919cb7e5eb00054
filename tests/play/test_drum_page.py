"""The drum machine in a real browser: struck, programmed, changed, undone, linked and saved."""

import shutil
import tarfile

import numpy as np
import pytest
import soundfile

from cvae_jax.scores import midi

test_play_page = pytest.importorskip("test_play_page")
pytestmark = pytest.mark.skipif(test_play_page.CHROMIUM is None, reason="needs Chromium")
until, wait_ready = test_play_page.until, test_play_page.wait_ready

# Times of all strokes that are handed over, and the clock when they were; and a MIDI keyboard.
_TIMES = """
window.midi = {inputs: new Map([['a', {id: 'a', name: 'pads', state: 'connected'}]])};
navigator.requestMIDIAccess = async () => window.midi;
window.times = [];
const begin = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...args) {
  window.times.push([args[0] ?? this.context.currentTime, this.context.currentTime]);
  return begin.apply(this, args);
};
"""


@pytest.fixture(scope="module")
def url(drums_run, tmp_path_factory):
  workdir = tmp_path_factory.mktemp("played") / "drums"
  shutil.copytree(drums_run, workdir)
  with test_play_page.serve_run(str(workdir)) as address:
    yield address


@pytest.fixture(scope="module")
def browser():
  with test_play_page.playwright.sync_playwright() as p:
    made = p.chromium.launch(executable_path=test_play_page.CHROMIUM, args=test_play_page.ARGS)
    yield made
    made.close()


def open_page(browser, url, **settings):
  settings.setdefault("viewport", {"width": 1280, "height": 900})
  return test_play_page.open_page(browser, url, _TIMES, **settings)


@pytest.fixture
def page(browser, url):
  made = open_page(browser, url)
  yield made
  assert made.problems == []
  made.context.close()


def step(page, track, number):
  return page.locator(f".step[data-track='{track}'][data-step='{number}']")


def strike(page, action):
  """The samples that an action has the page play."""
  count = page.evaluate("window.started.length")
  action()
  until(page, f"window.started.length > {count}")
  return np.asarray(page.evaluate("window.started.at(-1).samples"), np.float32)


def test_pads_are_struck_by_mouse_keys_and_midi_and_sound_alike(page, url):
  first = strike(page, page.locator("#keyboard .pad").nth(1).click)
  assert np.abs(first).max() > 0.1
  assert page.inner_text("#sound-title") == "Sound of Snare"
  assert page.input_value("#label-kind") == "snare"
  page.locator("h1").click()
  np.testing.assert_array_equal(strike(page, lambda: page.keyboard.press("s")), first)
  other = strike(page, lambda: page.keyboard.press("d"))
  assert np.abs(other[: first.size] - first[: other.size]).max() > 1e-3
  assert page.inner_text("#sound-title") == "Sound of Snare"  # Keys choose no pad.
  for key in (38, 40):  # Both snares of General MIDI, on channel 10.
    send = f"window.midi.inputs.get('a').onmidimessage({{data: [0x99, {key}, 100]}})"
    np.testing.assert_array_equal(strike(page, lambda send=send: page.evaluate(send)), first)


def test_a_sound_of_one_pad_is_changed_and_undone(page):
  page.locator(".track-name").nth(5).click()
  assert page.inner_text("#sound-title") == "Sound of Tom"
  before = strike(page, lambda: page.keyboard.press("h"))
  page.select_option("#label-kind-b", "kick")
  until(page, "document.querySelector('#sound-title').textContent === 'Sound of Tom + Kick'")
  wait_ready(page)
  mixed = strike(page, lambda: page.locator("#keyboard .pad").nth(5).click())
  assert np.abs(mixed - before).max() > 1e-3
  page.click("#vary")
  until(page, "location.hash.includes('code=')")
  wait_ready(page)
  page.click("#undo")
  page.click("#undo")
  until(page, "document.querySelector('#sound-title').textContent === 'Sound of Tom'")
  wait_ready(page)
  page.locator("h1").click()
  page.wait_for_timeout(300)
  np.testing.assert_array_equal(strike(page, lambda: page.keyboard.press("h")), before)


def test_steps_are_clicked_dragged_typed_and_linked(browser, url, page):
  page.click("#beat-clear")
  until(page, '!document.querySelector(\'.step[data-state="1"], .step[data-state="2"]\')')
  step(page, 0, 0).click()
  step(page, 0, 0).click()
  assert step(page, 0, 0).get_attribute("aria-label") == "Kick, step 1: accent"
  boxes = [step(page, 2, number).bounding_box() for number in (4, 7)]
  x, y = [[box[a] + box[b] / 2 for box in boxes] for a, b in (("x", "width"), ("y", "height"))]
  page.mouse.move(x[0], y[0])
  page.mouse.down()
  page.mouse.move(x[1], y[1], steps=8)
  page.mouse.up()
  step(page, 2, 7).focus()
  page.keyboard.press("ArrowRight")
  page.keyboard.press("ArrowUp")
  page.keyboard.press("Enter")
  states = page.evaluate(
    "[...document.querySelectorAll('.step')].map((s) => Number(s.dataset.state))"
  )
  expected = np.zeros((8, 16), int)
  expected[0, 0], expected[2, 4:8], expected[1, 8] = 2, 1, 1
  np.testing.assert_array_equal(np.reshape(states, (8, 16)), expected)
  page.fill("#tempo", "93")
  page.press("#tempo", "Enter")
  page.locator(".mute").nth(1).click()
  until(page, "location.hash.includes('beat=93.')")
  other = open_page(browser, page.url)
  assert other.input_value("#tempo") == "93"
  read = "[...document.querySelectorAll('.step')].map((s) => Number(s.dataset.state))"
  assert other.evaluate(read) == states
  assert other.locator(".mute").nth(1).get_attribute("aria-pressed") == "true"
  other.context.close()
  page.fill("#tempo", "900")
  page.press("#tempo", "Enter")
  until(page, "document.querySelector('#tempo').value === '300'")
  for _ in range(3):
    page.click("#undo")
  assert page.input_value("#tempo") == "124"


def test_a_beat_is_played_on_the_clock_while_its_pads_are_renewed(page):
  page.fill("#tempo", "120")
  page.press("#tempo", "Enter")
  page.click("#beat-clear")
  page.evaluate("window.times.length = 0")
  for number in range(0, 16, 2):
    step(page, 0, number).click()
  page.locator("h1").click()
  page.evaluate("document.activeElement.blur()")
  page.keyboard.press(" ")
  assert page.inner_text("#beat-play") == "Stop"
  page.wait_for_timeout(1500)
  page.click("#new-kit")
  page.wait_for_timeout(2500)
  until(page, "document.querySelector('#status').textContent.startsWith('ready')")
  page.click("#silence")
  times = np.asarray(page.evaluate("window.times"))
  # Those that were to come when the kit was there were taken back, and handed over anew.
  steps = np.unique(np.round(times[:, 0], 9))
  assert 15 <= len(steps) < len(times)
  np.testing.assert_allclose(np.diff(steps), 0.25, atol=1e-8)  # No step is left out,
  assert np.all(times[:, 0] >= times[:, 1])  # and none is late.
  assert page.inner_text("#beat-play") == "Play"


def test_downloads_are_a_loop_a_midi_file_and_kits(page, tmp_path):
  def save(button):
    with page.expect_download() as caught:
      page.click(button)
    path = tmp_path / caught.value.suggested_filename
    caught.value.save_as(path)
    return path

  audio, rate = soundfile.read(save("#save-beat-loop"))
  assert audio.size == round(240 / 124 * rate) and np.abs(audio).max() > 0.1
  assert len(midi.read_percussion(str(save("#save-beat-midi")))) == 4 + 2 + 8 + 4
  with tarfile.open(save("#save-kit-hydrogen")) as archive:
    names = archive.getnames()
  assert len(names) == 9 and names[0] == "kit/drumkit.xml" and "kit/36-kick.wav" in names
  assert save("#save-kit-sfz").name == "kit-sfz.zip"


def test_it_fits_a_phone_and_every_control_has_a_name(browser, url):
  settings = {"has_touch": True, "is_mobile": True, "color_scheme": "dark"}
  page = open_page(browser, url, viewport={"width": 390, "height": 844}, **settings)
  assert page.evaluate("document.documentElement.scrollWidth") <= 390
  strike(page, page.locator("#keyboard .pad").nth(0).tap)
  step(page, 1, 3).tap()
  assert step(page, 1, 3).get_attribute("data-state") == "1"
  unnamed = page.evaluate(
    """[...document.querySelectorAll('button, input, select')].filter((e) =>
      !e.textContent.trim() && !e.getAttribute('aria-label') && !e.labels?.length)
      .map((e) => e.id)"""
  )
  assert unnamed == [] and page.problems == []
  page.context.close()
