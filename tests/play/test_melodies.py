"""A recording in the page: traced, bent, played; and what is refused."""

import contextlib
import io
import shutil

from conftest import sing
from fastapi import testclient
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from starlette import websockets

from cvae_jax.audio import controls as controls_lib
from cvae_jax.play import api
from cvae_jax.play import player as player_lib
from cvae_jax.synthesis import synthesizer

SR = 16_000
TRACKING = controls_lib.Tracking(100, 40.0, 2000.0, 1024)


@pytest.fixture(scope="module")
def player(ddsp_run, tmp_path_factory):
  workdir = tmp_path_factory.mktemp("melody") / "ddsp"
  shutil.copytree(ddsp_run, workdir)
  made = player_lib.Player(synthesizer.load(str(workdir)), str(workdir))
  yield made
  made.engine.close()


def wav(audio, rate=SR):
  out = io.BytesIO()
  soundfile.write(out, audio, rate, format="WAV")
  return out.getvalue()


def test_a_recording_becomes_curves_and_bent_curves_become_sound(client):
  assert client.get("/api/model").json()["can_perform"]
  answer = client.post("/api/melody", content=wav(sing(2.0, 300.0, 400.0, 44_100), 44_100))
  melody = answer.json()
  assert answer.status_code == 200, melody
  count = len(melody["pitch"])
  assert count * melody["frame_s"] == pytest.approx(2.0, abs=0.02)
  assert len(melody["loudness_db"]) == len(melody["clear"]) == count and melody["warning"] is None
  clear = np.asarray(melody["clear"])
  pitch = np.asarray(melody["pitch"])
  assert 61.5 < np.median(pitch[clear]) < 67
  bent = np.clip(pitch + 2.0, 0, 127).tolist()
  body = {"pitch": bent, "loudness_db": melody["loudness_db"], "gain_db": melody["gain_db"],
          "sound": {"code": [0.0] * client.get("/api/model").json()["code_size"]}}  # fmt: skip
  answer = client.post("/api/perform", json=body)
  assert answer.status_code == 200, answer.text
  audio, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
  assert rate == SR and len(audio) == count * 100
  found = controls_lib.measure(jnp.asarray(audio[None]), SR, TRACKING)
  heard = np.asarray(controls_lib.hz_to_pitch(found.f0_hz))[0]
  assert np.median(np.abs(heard - np.asarray(bent))[clear]) < 0.1


def test_what_is_no_melody_is_refused_in_one_line(client):
  for body, message in (
    (wav(np.zeros(SR)), "silent"), (b"no audio", "the recording"), (wav(np.ones(20)), "shorter"),
  ):  # fmt: skip
    answer = client.post("/api/melody", content=body)
    assert answer.status_code == 400 and message in answer.json()["detail"]
  answer = client.post("/api/perform", json={"pitch": [60.0, 61.0], "loudness_db": [0.0]})
  assert answer.status_code == 400 and "of one length" in answer.json()["detail"]
  for bad in ({"pitch": [200.0], "loudness_db": [0.0]}, {"pitch": [], "loudness_db": []}):
    assert client.post("/api/perform", json=bad).status_code == 422


def test_a_run_of_notes_says_that_it_is_not_played_so(played_run):
  made = player_lib.Player(synthesizer.load(played_run), played_run)
  with testclient.TestClient(api.make_app(made)) as client:
    assert not client.get("/api/model").json()["can_perform"]
    answer = client.post("/api/melody", content=wav(sing(1.0, 300.0, 400.0)))
    assert answer.status_code == 400 and "configs/ddsp.py" in answer.json()["detail"]
  made.engine.close()


def test_the_page_traces_bends_and_records(player):
  test_play_page = pytest.importorskip("test_play_page")
  if test_play_page.CHROMIUM is None:
    pytest.skip("needs Chromium: apt-get install chromium")
  with test_play_page.playwright.sync_playwright() as p, test_play_page.serve(player) as url:
    browser = p.chromium.launch(executable_path=test_play_page.CHROMIUM, args=test_play_page.ARGS)
    page = test_play_page.open_page(browser, url)
    upload = {"name": "a.wav", "mimeType": "audio/wav", "buffer": wav(sing(1.0, 300.0, 400.0))}
    page.set_input_files("#melody-file", files=[upload])
    is_played = "document.querySelector('#status').textContent.startsWith('the melody')"
    test_play_page.until(page, is_played)
    before = page.evaluate("window.started.length")
    box = page.locator("#melody-pitch").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 30, steps=3)
    page.mouse.up()
    test_play_page.until(page, f"window.started.length > {before}")
    samples = [page.evaluate(f"window.started[{i}].samples") for i in (before - 1, before)]
    assert len(samples[0]) == len(samples[1]) and samples[0] != samples[1]
    page.click("#record")
    page.wait_for_timeout(1500)
    page.click("#record")
    test_play_page.until(page, f"window.started.length > {before + 1}")
    assert page.problems == []
    browser.close()


def begin(socket, **start):
  socket.send_json({"block_frames": 8, **start})
  return socket.receive_json()


def unpack(body):
  values = np.frombuffer(body, "<f4")
  return values[:8], values[8:16], values[24:]


def test_keys_are_played_live_and_a_sound_changes_under_them(client):
  with client.websocket_connect("/api/live") as socket:
    ready = begin(socket)
    assert ready["sample_rate"] == SR and ready["hop_length"] == 100
    assert np.all(np.diff(ready["loudness_db"]) >= 0) and len(ready["pitch"]) == 21
    blocks = []
    for i in range(40):
      if i == 20:
        socket.send_json({"sound": {"seed": 3}})
      socket.send_json({"pitch": [64.0] * 8, "loudness_db": [ready["loudness_db"][10]] * 8})
      pitch, _, samples = unpack(socket.receive_bytes())
      assert np.all(pitch == 64.0) and len(samples) == 800
      blocks.append(samples)
  audio = np.concatenate(blocks)[8000:]
  found = controls_lib.measure(jnp.asarray(audio[None]), SR, TRACKING)
  heard = np.asarray(controls_lib.hz_to_pitch(found.f0_hz))[0]
  assert np.median(np.abs(heard[10:-10] - 64.0)) < 0.1
  assert np.max(np.abs(np.diff(audio))) < 0.5  # No click from block to block.


def test_a_voice_is_followed_live(client):
  audio = sing(2.0, 300.0, 400.0)
  with client.websocket_connect("/api/live") as socket:
    ready = begin(socket, follow=True, semitones=12)
    assert ready["latency"] > 512  # It looks ahead.
    pitches = []
    for i in range(0, len(audio) - 799, 800):
      socket.send_bytes(audio[i : i + 800].astype("<f4").tobytes())
      pitches.append(unpack(socket.receive_bytes())[0])
  assert np.median(np.abs(np.concatenate(pitches)[40:-40] - (63.0 + 12.0))) < 3.0


@pytest.mark.parametrize(
  "messages,detail",
  [
    (['{"block_frames": 0}'], "block_frames"),
    (["no JSON"], "JSON"),
    ([b"1234"], "JSON"),
    (['{"sound": {"code": [1.0]}, "block_frames": 8}'], None),
    (["{}", '{"pitch": [60.0], "loudness_db": [0.0]}'], "of the 4 frames"),
    (["{}", '{"pitch": [300.0]}'], "pitch"),
    (["{}", b"1234"], "follow"),
    (['{"follow": true}', b"1234"], "400 float32 samples, got 4 bytes"),
    (['{"follow": true}', np.full(400, np.nan, "<f4").tobytes()], "no numbers"),
  ],
)
def test_what_cannot_be_played_live_is_one_line(client, messages, detail):
  with client.websocket_connect("/api/live") as socket:
    for i, message in enumerate(messages):
      if i:
        assert "sample_rate" in socket.receive_json()
      (socket.send_bytes if isinstance(message, bytes) else socket.send_text)(message)
    answer = socket.receive_json()
    if detail is None:  # A run of one timbre takes no code.
      assert "sample_rate" in answer
      return
    assert detail in answer["detail"] and "\n" not in answer["detail"]
    with pytest.raises(websockets.WebSocketDisconnect):
      socket.receive_json()


def test_a_page_of_another_site_is_not_served_and_places_are_few(client):
  with pytest.raises(websockets.WebSocketDisconnect):
    with client.websocket_connect("/api/live", headers={"origin": "http://evil.example"}):
      pass
  with contextlib.ExitStack() as stack:
    for _ in range(player_lib.MAX_LIVE):
      begin(stack.enter_context(client.websocket_connect("/api/live")))
    with client.websocket_connect("/api/live") as socket:
      assert "already play live" in begin(socket)["detail"]
  with client.websocket_connect("/api/live") as socket:
    assert "sample_rate" in begin(socket)
