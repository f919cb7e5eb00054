"""The page of scores in a real browser: drawn, played, mixed, recorded, linked and saved."""

import numpy as np
import pytest
import soundfile
import test_play_scores

from cvae_jax import scores as scores_lib
from cvae_jax.play import player as player_lib
from cvae_jax.scores import midi_reader
from cvae_jax.synthesis import score_audio
from cvae_jax.synthesis import synthesizer

test_play_page = pytest.importorskip("test_play_page")
pytestmark = pytest.mark.skipif(test_play_page.CHROMIUM is None, reason="needs Chromium")
until, wait_ready = test_play_page.until, test_play_page.wait_ready

# What is asked of the server with its answers, and the times of all sounds that are handed over.
_CALLS = """
window.calls = [];
const ask = window.fetch;
window.fetch = async (path, options) => {
  const response = await ask(path, options);
  const isJson = /json/.test(response.headers.get('content-type'));
  if (typeof options?.body === 'string' && response.ok && isJson) {
    const call = {path, body: JSON.parse(options.body)};
    const keep = (answer) => window.calls.push({...call, answer});
    response.clone().json().then(keep, () => {}); // An answer that is not waited for is cut off.
  }
  return response;
};
window.times = [];
const begin = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...args) {
  window.times.push([args[0], this.context.currentTime, this.playbackRate.value]);
  return begin.apply(this, args);
};
"""
NOTES = {"melody": [[0, 4, 60], [8, 12, 64]]}


def serve_scores(make_player):
  player = make_player()
  with test_play_page.serve(player) as address:
    yield address
  player.engine.close()


@pytest.fixture(scope="module")
def band(played_run, drums_run):
  return score_audio.Band(played_run, drums_run)


@pytest.fixture(scope="module")
def url(melody_copy, band):
  def make_player():
    player = player_lib.Player(synthesizer.load(melody_copy), melody_copy, band)
    size = player.synth.method.code_size  # Its codes are too much alike to find any.
    player.desk._vectors = {"density": np.ones(size, np.float32)}
    return player

  yield from serve_scores(make_player)


@pytest.fixture(scope="module")
def browser():
  with test_play_page.playwright.sync_playwright() as p:
    made = p.chromium.launch(executable_path=test_play_page.CHROMIUM, args=test_play_page.ARGS)
    yield made
    made.close()


def open_page(browser, url, **settings):
  settings.setdefault("viewport", {"width": 1280, "height": 1000})
  return test_play_page.open_page(browser, url, _CALLS, **settings)


def link_of(*slots, tempo=120, steps=5):
  return f"#scores={tempo}_{steps}_50_50~~~{'~'.join(slots)}"


@pytest.fixture
def page(browser, url):
  """Of A with two notes, and three that are drawn."""
  made = open_page(browser, url + link_of("n00041o080c1s", "s1_1", "s2_1", "s3_1"))
  yield made
  assert made.problems == []
  made.context.close()


def last_call(page, path, count=1):
  """The last of so many requests at least."""
  found = f"window.calls.filter((call) => call.path === '/api/scores/{path}')"
  until(page, f"{found}.length >= {count}")
  return page.evaluate(f"{found}.at(-1)")


def num_calls(page, path):
  return page.evaluate(f"window.calls.filter((c) => c.path === '/api/scores/{path}').length")


def after(page, action, path="make"):
  """The request that an action leads to."""
  count = num_calls(page, path)
  action()
  return last_call(page, path, count + 1)


def at_cell(page, step, pitch_from_top, rows, num_steps=32):
  """The middle of a cell of the roll on the screen."""
  page.locator("#roll").scroll_into_view_if_needed()
  page.evaluate("window.scrollTo(0, 300)")
  box = page.locator("#roll").bounding_box()
  x = box["x"] + (step + 0.5) / num_steps * box["width"]
  return x, box["y"] + (pitch_from_top + 0.5) / rows * box["height"]


def drag(page, start, end):
  page.mouse.move(*start)
  page.mouse.down()
  page.mouse.move(*end, steps=6)
  page.mouse.up()


def test_a_score_is_drawn_moved_held_and_undone_and_the_strip_follows(page):
  made = last_call(page, "make")
  assert made["body"]["scores"][0]["notes"] == NOTES
  assert page.locator("#strip .tile").count() == 5
  rows = 25  # Pitches 60 to 64, widened to two octaves: 50 to 74.
  cell = lambda step, pitch: at_cell(page, step, 74 - pitch, rows)
  call = after(page, lambda: drag(page, cell(16, 67), cell(19, 67)))
  drawn = [*NOTES["melody"], [16, 20, 67]]
  assert call["body"]["scores"][0]["notes"]["melody"] == drawn
  codes = [score["code"] for score in call["answer"]["scores"]]
  strip = last_call(page, "strip", 2)["body"]
  assert (strip["a"], strip["b"], strip["steps"]) == (codes[0], codes[1], 5)
  # A note is moved by its middle, held by its end, and removed by a click.
  call = after(page, lambda: drag(page, cell(17, 67), cell(21, 69)))
  assert call["body"]["scores"][0]["notes"]["melody"][2] == [20, 24, 69]
  x, y = cell(23, 69)
  width = page.locator("#roll").bounding_box()["width"] / 32
  call = after(page, lambda: drag(page, (x + 0.35 * width, y), cell(27, 69)))
  assert call["body"]["scores"][0]["notes"]["melody"][2] == [20, 28, 69]
  call = after(page, lambda: page.mouse.click(*cell(9, 64)))
  assert call["body"]["scores"][0]["notes"]["melody"] == [[0, 4, 60], [20, 28, 69]]
  for _ in range(4):
    call = after(page, lambda: page.click("#undo"))
  assert call["body"]["scores"][0]["notes"] == NOTES


def test_a_score_is_edited_by_keys_alone(page):
  wait_ready(page)
  page.focus("#roll")
  page.keyboard.press("ArrowRight")  # The first cell, in the middle of what is seen: D4.
  assert page.inner_text("#roll-hint") == "step 1, D4"
  for key in ["ArrowRight"] * 5 + ["ArrowUp"]:
    page.keyboard.press(key)
  call = after(page, lambda: page.keyboard.press("Enter"))
  assert call["body"]["scores"][0]["notes"]["melody"][1] == [5, 6, 63]
  call = after(page, lambda: page.keyboard.press("Shift+ArrowRight"))
  assert call["body"]["scores"][0]["notes"]["melody"][1] == [5, 7, 63]
  call = after(page, lambda: page.keyboard.press("Enter"))
  assert call["body"]["scores"][0]["notes"] == NOTES


def test_new_and_similar_scores_and_attributes(page):
  wait_ready(page)
  page.click("#tabs button:nth-child(2)")
  assert page.inner_text("#editor-title") == "Score B"
  page.fill("#temperature", "0.5")
  call = after(page, lambda: page.click("#new"))
  slot = call["body"]["scores"][1]
  assert slot["temperature"] == 0.5 and slot["seed"] != 1 and "notes" not in slot
  wait_ready(page)
  similar = after(page, lambda: page.click("#similar"), "similar")
  assert similar["body"]["code"] == call["answer"]["scores"][1]["code"]
  expected = similar["answer"]["scores"][0]["notes"]
  until(page, "window.calls.some(({body}) => body.scores?.[1].notes)")
  assert last_call(page, "make")["body"]["scores"][1]["notes"] == expected
  wait_ready(page)
  page.fill("#attribute-density", "1.5")
  until(page, "window.calls.some(({body}) => body.scores?.[1].attributes.density === 1.5)")
  assert "density:1.5" in page.evaluate("location.hash")
  call = after(page, lambda: page.click("#attributes-reset"))
  assert call["body"]["scores"][1]["attributes"] == {}


def test_the_strip_is_played_on_the_clock_and_tiles_alone(page):
  wait_ready(page)
  page.click("#play-strip")
  until(page, "document.querySelector('#strip .tile.now')")
  assert page.inner_text("#play-strip") == "Stop"
  until(page, "window.times.length > 0")
  page.click("#silence")
  assert page.inner_text("#play-strip") == "Play"
  assert page.locator("#strip .tile.now").count() == 0
  # A alone, as it was drawn: two notes in four seconds, again and again.
  page.evaluate("window.times.length = 0")
  page.click("#play-slot")
  until(page, "window.times.length >= 4")
  page.click("#play-slot")
  times = np.asarray(page.evaluate("window.times"))
  np.testing.assert_allclose(np.diff(times[:4, 0]), [1.0, 3.0, 1.0], atol=1e-6)
  assert np.all(times[:, 0] >= times[:, 1])
  # Of samples at every third semitone.
  np.testing.assert_allclose(times[:2, 2], [1.0, 2 ** (1 / 12)], rtol=1e-6)
  page.locator("#strip .tile").nth(2).click()
  until(page, "document.querySelector('#strip .tile:nth-child(3).now') || window.times.length > 4")
  assert page.inner_text("#chosen-name") == "A to B, 2"
  page.keyboard.press("Escape")


def test_the_mix_follows_its_point(page):
  wait_ready(page)
  page.focus("#square")
  call = after(page, lambda: page.keyboard.press("Shift+ArrowRight"), "mix")
  assert call["body"]["points"] == [[0.75, 0.5]]
  codes = [score["code"] for score in last_call(page, "make")["answer"]["scores"]]
  assert call["body"]["corners"] == codes
  page.click("#play-mix")
  until(page, "document.querySelector('#play-mix').textContent === 'Stop'")
  box = page.locator("#square").bounding_box()
  corner = (box["x"] + 2, box["y"] + 2)
  drag(page, (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), corner)
  until(page, "window.calls.some(({body}) => body.points?.[0].every((x) => x < 0.05))")
  page.click("#silence")
  assert page.evaluate("location.hash").startswith("#scores=120_5_1_1~")
  page.select_option("#copy-to", "D")
  until(page, "location.hash.split('~')[6][0] === 'n'")


def test_a_midi_file_is_opened_and_what_is_saved_is_it(page, tmp_path):
  wait_ready(page)

  def save(button):
    with page.expect_download() as caught:
      page.click(button)
    path = tmp_path / caught.value.suggested_filename
    caught.value.save_as(path)
    return path

  body = test_play_scores.to_midi([(0.0, 1.0, 57), (1.0, 1.5, 59), (4.0, 4.5, 60)])
  file = {"name": "tune.mid", "mimeType": "audio/midi", "buffer": body}
  call = after(page, lambda: page.set_input_files("#file", [file]))
  assert call["body"]["scores"][0]["notes"]["melody"] == [[0, 8, 57], [8, 12, 59]]
  until(page, "document.querySelector('#status').textContent === 'tune.mid (cut): score A'")
  page.click("#tabs button:nth-child(1)")
  path = save("#save-chosen-midi")
  notes = midi_reader.read(str(path)).piece.notes
  assert path.name == "A.mid" and notes["pitch"].tolist() == [57, 59]
  page.fill("#tempo", "240")
  page.press("#tempo", "Enter")
  audio, rate = soundfile.read(save("#save-chosen-wav"))
  assert 0.75 < audio.size / rate < 2.0 and np.abs(audio).max() > 0.05
  bad = {**file, "buffer": b"RIFF"}
  page.set_input_files("#file", [bad])
  until(page, "document.querySelector('#status').classList.contains('bad')")
  assert "cannot be read as a MIDI file" in page.inner_text("#status")
  assert page.problems[0].startswith("Failed to load resource")
  page.problems.clear()


def test_keys_are_recorded_on_the_grid(page):
  wait_ready(page)
  page.fill("#tempo", "240")
  page.press("#tempo", "Enter")
  page.evaluate("document.activeElement.blur()")
  page.click("#record")
  assert page.inner_text("#record") == "Stop"
  page.wait_for_timeout(1600)  # A bar of clicks is a second.
  page.evaluate("document.activeElement.blur()")
  page.keyboard.down("d")
  page.wait_for_timeout(200)
  page.keyboard.up("d")
  until(page, "document.querySelector('#record').textContent === 'Record'")
  until(page, "window.calls.some(({body}) => body.scores?.[0].notes?.melody.length === 1)")
  (note,) = last_call(page, "make")["body"]["scores"][0]["notes"]["melody"]
  start, end, pitch = note
  assert pitch == 52 and 4 <= start < end <= 32


def test_a_link_holds_it_all(browser, url, page):
  wait_ready(page)
  page.select_option("#family", "organ")
  page.select_option("#steps", "9")
  until(page, "document.querySelectorAll('#strip .tile').length === 9")
  other = open_page(browser, page.url)
  assert other.input_value("#steps") == "9"
  until(other, "document.querySelector('#family').value === 'organ'")
  mine, theirs = (last_call(p, "strip")["answer"] for p in (page, other))
  assert mine == theirs
  assert other.problems == []
  other.context.close()


def test_it_fits_a_phone_and_every_control_has_a_name(browser, url):
  settings = {"has_touch": True, "is_mobile": True, "color_scheme": "dark"}
  page = open_page(browser, url, viewport={"width": 390, "height": 844}, **settings)
  assert page.evaluate("document.documentElement.scrollWidth") <= 390
  unnamed = page.evaluate(
    """[...document.querySelectorAll('button, input, select, canvas[tabindex]')].filter((e) =>
      !e.textContent.trim() && !e.getAttribute('aria-label') && !e.labels?.length)
      .map((e) => e.id)"""
  )
  assert unnamed == [] and page.problems == []
  page.context.close()


@pytest.fixture(scope="module")
def kit_url(band, tmp_path_factory):
  workdir = str(tmp_path_factory.mktemp("kit"))
  yield from serve_scores(
    lambda: player_lib.Player(test_play_scores.make_untrained("drums"), workdir, band)
  )


def test_drums_have_nine_rows_pads_and_a_kit(browser, kit_url):
  page = open_page(browser, kit_url + link_of("n", "s1_1", "s2_1", "s3_1"))
  assert page.locator("#keyboard .pad").count() == 9
  assert page.locator("#keys span").all_inner_texts()[0] == "bass drum"
  call = after(page, lambda: drag(page, at_cell(page, 4, 8, 9), at_cell(page, 6, 8, 9)))
  assert call["body"]["scores"][0]["notes"] == {"drums": [[4, 0], [5, 0], [6, 0]]}
  call = after(page, lambda: page.mouse.click(*at_cell(page, 5, 8, 9)))
  strokes = [[4, 0], [6, 0]]
  assert call["body"]["scores"][0]["notes"] == {"drums": strokes}
  # What is drawn is heard at once, or when the kit is there; what is played is handed over ahead.
  # Those to come are taken back when the score changes, which it may late, and handed over anew.
  played = "[...new Set(window.times.filter(([at, now]) => at > now).map(([at]) => at.toFixed(9)))]"
  page.evaluate("window.times.length = 0")
  page.click("#play-slot")
  until(page, f"{played}.length >= 4")
  page.click("#silence")
  times = np.sort(np.asarray(page.evaluate(played), float))[:4]
  np.testing.assert_allclose(np.diff(times), [0.25, 3.75, 0.25], atol=1e-6)
  count = page.evaluate("window.times.length")
  page.keyboard.press("l")  # The ninth pad.
  until(page, f"window.times.length > {count}")
  body = scores_lib.to_midi([scores_lib.Note(0.5, 0.6, 42, is_drum=True)])
  file = {"name": "beat.mid", "mimeType": "audio/midi", "buffer": body}
  call = after(page, lambda: page.set_input_files("#file", [file]))
  assert call["body"]["scores"][0]["notes"] == {"drums": [[4, 2]]}
  assert page.problems == []
  page.context.close()
