"""Latents as curves: of a recording, drawn, played, live; and the section of the page."""

import contextlib
import io
import shutil

from conftest import sing
from fastapi import testclient
import numpy as np
import pytest
import soundfile
from starlette import websockets

from cvae_jax.play import api
from cvae_jax.play import player as player_lib
from cvae_jax.play import schema
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer

SR = 16_000
HOP = 32  # of configs/rave.py:tiny


@pytest.fixture(scope="module")
def workdir(rave_run, tmp_path_factory):
  copied = tmp_path_factory.mktemp("latents") / "rave"
  shutil.copytree(rave_run, copied)
  return str(copied)


@pytest.fixture(scope="module")
def player(workdir):
  synth = synthesizer.load(workdir).with_fields({"method.fidelity": 1.0})
  made = player_lib.Player(synth, workdir)
  yield made
  made.engine.close()


def wav(audio, rate=SR):
  out = io.BytesIO()
  soundfile.write(out, audio, rate, format="WAV", subtype="FLOAT")
  return out.getvalue()


def play(client, **body):
  answer = client.post("/api/latents/play", json=body)
  assert answer.status_code == 200, answer.text
  audio, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
  assert rate == SR
  return audio


def test_a_recording_becomes_curves_that_play_as_its_codes(client, player):
  card = client.get("/api/model").json()
  assert card["latents"] == 4 and card["can_extend"] and not card["can_perform"]
  recording = sing(1.0, 300.0, 500.0)[:-10]
  curves = client.post("/api/latents", content=wav(recording)).json()
  assert curves["frame_s"] == HOP / SR and curves["num_samples"] == len(recording)
  codes = latent_streams.encode(player.synth, [recording])
  np.testing.assert_allclose(np.asarray(curves["codes"]).T, codes, atol=1e-4)
  body = {"codes": curves["codes"], "num_samples": curves["num_samples"], "seed": 3}
  audio = play(client, **body)
  whole = np.concatenate(list(latent_streams.decode(player.synth, [codes], len(recording), 3)))
  assert audio.shape == whole.shape
  np.testing.assert_allclose(audio, np.clip(whole, -1, 1), atol=1e-3)
  shifted = [[x + 3.0 for x in curves["codes"][0]], *curves["codes"][1:]]
  assert np.abs(play(client, **{**body, "codes": shifted}) - audio).max() > 1e-2
  alone = play(client, codes=curves["codes"][:1], seed=3)  # The others are 0.
  assert len(alone) == len(curves["codes"][0]) * HOP
  zeros = [[0.0] * len(curves["codes"][0])] * 3
  filled = play(client, codes=[curves["codes"][0], *zeros], seed=3)
  np.testing.assert_array_equal(alone, filled)


def test_silence_and_other_rates_are_recordings_and_the_prior_draws_curves(client):
  curves = client.post("/api/latents", content=wav(np.zeros((22_050, 2)), 44_100)).json()
  assert curves["num_samples"] == 8000 and len(curves["codes"][0]) == 250
  drawn = [
    client.post("/api/latents/draw", json={"seconds": 0.3, **settings}).json()
    for settings in ({"seed": 1}, {"seed": 1}, {"seed": 2}, {"seed": 1, "temperature": 0.0})
  ]
  assert np.shape(drawn[0]["codes"]) == (4, 150) and drawn[0]["num_samples"] == 4800
  assert drawn[0] == drawn[1] and drawn[0] != drawn[2] and drawn[0] != drawn[3]
  assert len(play(client, codes=drawn[0]["codes"], num_samples=4800)) == 4800


def test_the_last_frame_of_the_longest_sound_is_cut(client, monkeypatch):
  monkeypatch.setattr(schema, "MAX_S", 802 / SR)
  assert len(play(client, codes=[[0.0] * 26])) == 802
  assert client.post("/api/latents/play", json={"codes": [[0.0] * 27]}).status_code == 400
  curves = client.post("/api/latents", content=wav(np.zeros(SR))).json()
  assert curves["num_samples"] == 802 and len(play(client, codes=curves["codes"])) == 802


@pytest.mark.parametrize(
  ("path", "body", "status", "line"),
  [
    ("", b"", 400, "empty"),
    ("", b"no audio", 400, "the recording"),
    ("/play", {"codes": []}, 422, "codes"),
    ("/play", {"codes": [[]]}, 422, "codes.0"),
    ("/play", {"codes": [[0.0], [0.0, 1.0]]}, 400, "one length, got 1 to 2"),
    ("/play", {"codes": [[0.0]] * 5}, 400, "has 4 latents that are heard, got 5"),
    ("/play", {"codes": [[1e9]]}, 422, "codes.0.0"),
    ("/play", b'{"codes": [[NaN]]}', 422, "finite"),
    ("/play", {"codes": [[0.0]], "num_samples": 0}, 422, "num_samples"),
    ("/play", {"codes": [[0.0]], "num_samples": 10**9}, 400, "at most 60 s, got 62500.0 s"),
    ("/play", {"codes": [[0.0] * 30_001]}, 400, "at most 60 s"),
    ("/play", {"codes": [[0.0] * 100_001]}, 422, "codes.0"),
    ("/draw", {"seconds": 61}, 422, "seconds"),
    ("/draw", {"temperature": -1}, 422, "temperature"),
  ],
)
def test_what_are_no_curves_is_one_line(client, path, body, status, line):
  headers = {"Content-Type": "application/json"} if path else {}
  content = {"content": body} if isinstance(body, bytes) else {"json": body}
  answer = client.post(f"/api/latents{path}", headers=headers, **content)
  assert answer.status_code == status, answer.text
  assert line in answer.json()["detail"] and "\n" not in answer.json()["detail"]


def test_a_run_that_does_not_stream_says_so(played_run):
  made = player_lib.Player(synthesizer.load(played_run), played_run)
  with testclient.TestClient(api.make_app(made)) as client:
    card = client.get("/api/model").json()
    assert card["latents"] == 0 and not card["can_extend"]
    for path, content in (
      ("", {"content": wav(np.zeros(SR))}), ("/play", {"json": {"codes": [[0.0]]}}),
      ("/draw", {"json": {}}),
    ):  # fmt: skip
      answer = client.post(f"/api/latents{path}", **content)
      assert answer.status_code == 400 and "configs/rave.py" in answer.json()["detail"]
  made.engine.close()


def begin(socket, **start):
  socket.send_json({"follow": True, **start})
  return socket.receive_json()


def test_sound_is_played_live_through_latents_that_change_meanwhile(client, player):
  audio = sing(1.0, 300.0, 500.0)
  with client.websocket_connect("/api/live") as socket:
    ready = begin(socket, sound={"seed": 5})
    count, size = ready["block_frames"], ready["block_frames"] * HOP
    assert ready["kind"] == "latents" and ready["latents"] == 4 and ready["hop_length"] == HOP
    assert size == 800  # 50 ms.
    theirs = latent_conversion.Stream(player.synth, count, seed=5)
    assert ready["latency"] == theirs.latency > 0
    theirs.play(np.zeros(size))  # What the server compiles with.
    for i in range(0, len(audio) - size + 1, size):
      if i == 4 * size:
        socket.send_json({"change": {"scale": [0.5], "bias": [0.0, 2.0]}})
        theirs.change = latent_conversion.make_change(4, [(0, 0.5)], [(1, 2.0)])
      socket.send_bytes(audio[i : i + size].astype("<f4").tobytes())
      answer = np.frombuffer(socket.receive_bytes(), "<f4")
      codes, made = theirs.follow(audio[i : i + size])
      np.testing.assert_allclose(answer[: 4 * count].reshape(4, count), codes.T, atol=1e-5)
      np.testing.assert_allclose(answer[4 * count :], made, atol=1e-5)


@pytest.mark.parametrize(
  "messages,detail",
  [
    (["{}"], "'follow'"),
    (['{"follow": true, "block_frames": 65}'], "block_frames"),
    (['{"follow": true, "change": {"bias": [0, 0, 0, 0, 1]}}'], "has 4 latents"),
    (['{"follow": true, "change": {"scale": [NaN]}}'], "finite"),
    (['{"follow": true, "block_frames": 1}', b"1234"], "32 float32 samples, got 4 bytes"),
    (['{"follow": true}', '{"pitch": [60.0], "loudness_db": [0.0]}'], "no pitch"),
    (['{"follow": true}', np.full(800, np.inf, "<f4").tobytes()], "no numbers"),
  ],
)
def test_what_cannot_be_played_live_is_one_line(client, messages, detail):
  with client.websocket_connect("/api/live") as socket:
    for i, message in enumerate(messages):
      if i:
        assert "sample_rate" in socket.receive_json()
      (socket.send_bytes if isinstance(message, bytes) else socket.send_text)(message)
    answer = socket.receive_json()
    assert detail in answer["detail"] and "\n" not in answer["detail"]
    with contextlib.suppress(websockets.WebSocketDisconnect):
      socket.receive_json()
      pytest.fail("the connection is open")


def test_the_page_draws_plays_undoes_and_plays_live(player):
  test_play_page = pytest.importorskip("test_play_page")
  if test_play_page.CHROMIUM is None:
    pytest.skip("needs Chromium: apt-get install chromium")
  until, recording = test_play_page.until, sing(1.0, 300.0, 500.0)
  with test_play_page.playwright.sync_playwright() as p, test_play_page.serve(player) as url:
    browser = p.chromium.launch(executable_path=test_play_page.CHROMIUM, args=test_play_page.ARGS)
    size = {"width": 390, "height": 844}
    page = test_play_page.open_page(browser, url, viewport=size, script=test_play_page.LIVE)
    for hidden in ("#melody", "#drop"):
      assert page.locator(hidden).is_hidden()

    def act(action):
      """The samples that are played after an action."""
      before = page.evaluate("window.started.length")
      action()
      until(page, f"window.started.length > {before}")
      return np.asarray(page.evaluate("window.started.at(-1).samples"), np.float32)

    upload = {"name": "a.wav", "mimeType": "audio/wav", "buffer": wav(recording)}
    plain = act(lambda: page.set_input_files("#latents-file", files=[upload]))
    codes = latent_streams.encode(player.synth, [recording])
    whole = np.concatenate(list(latent_streams.decode(player.synth, [codes], len(recording))))
    assert plain.shape == whole.shape
    np.testing.assert_allclose(plain, np.clip(whole, -1, 1), atol=1e-3)
    rows = page.locator("#latents-rows .latent")
    assert rows.count() == 4 and page.locator("#latents-all").is_hidden()
    canvas = rows.first.locator("canvas")
    box = canvas.bounding_box()
    x, y = box["x"] + 0.6 * box["width"], box["y"] + 2

    def stroke():
      page.mouse.move(x, y)
      page.mouse.down()
      page.mouse.move(x + 0.3 * box["width"], y, steps=3)
      page.mouse.up()

    act(stroke)  # From shortly before it on.
    page.click("#latents-play")  # Stops.
    drawn = act(lambda: page.click("#latents-play"))
    begin, end = (round(share * len(plain)) for share in (0.55, 0.6))
    assert drawn.shape == plain.shape
    np.testing.assert_allclose(drawn[:begin], plain[:begin], atol=1e-3)
    assert np.abs(drawn - plain)[end:].max() > 1e-2
    np.testing.assert_array_equal(act(lambda: page.click("#undo")), plain)
    canvas.press("ArrowRight")
    assert "latent 1 at 0.01 s" in page.inner_text("#status")
    assert not np.array_equal(act(lambda: canvas.press("ArrowUp")), plain)
    np.testing.assert_array_equal(act(lambda: page.click("#latents-reset")), plain)
    drawn = act(lambda: page.click("#latents-draw"))
    assert len(drawn) == 48_000  # As much as is remembered of 8 s.

    page.click("#latents-live")  # The browser's own microphone: beeps.
    until(page, "document.querySelector('#latents-hint').textContent.startsWith('Latency')")
    rows.first.get_by_label("Shift of latent 1").fill("3")
    until(page, "window.blocks.length > 20")
    assert {len(x) for x in page.evaluate("window.blocks")} == {800}
    page.click("#latents-live")
    assert page.inner_text("#latents-live") == "Play the microphone live"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390 and page.problems == []
    browser.close()
