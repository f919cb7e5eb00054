"""The API: what it makes, and what it refuses in one line, leaving nothing behind."""

import base64
import http.client
import io
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile

from conftest import ROOT
from fastapi import testclient
import numpy as np
import pytest
import soundfile

from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.play import api
from cvae_jax.play import middleware
from cvae_jax.play import player as player_lib
from cvae_jax.synthesis import synthesizer


@pytest.fixture(scope="module")
def player(played_run):
  """Of a copy of the tiny run."""
  made = player_lib.Player(synthesizer.load(played_run), played_run)
  yield made
  made.engine.close()


def read_wav(response):
  assert response.status_code == 200, response.text
  assert response.headers["content-type"] == "audio/wav"
  audio, rate = soundfile.read(io.BytesIO(response.content), dtype="float32")
  assert rate == 16_000 and audio.size == 64_000
  return audio


def to_bytes(audio, rate=16_000, form="WAV"):
  out = io.BytesIO()
  soundfile.write(out, audio, rate, format=form)
  return out.getvalue()


def test_the_card_says_what_a_run_can_be_asked_for(client):
  card = client.get("/api/model").json()
  assert card["conditions"] == ["pitch", "family", "source", "velocity"]
  known = {label["name"]: label for label in card["labels"]}
  assert list(known) == card["conditions"] and card["main"] == "family"
  assert 21 <= known["pitch"]["low"] < known["pitch"]["high"] <= 108
  assert "organ" in known["family"]["names"] and card["can_sample"] and card["can_encode"]
  assert known["family"]["mixed"] and card["form"] == "sound" and card["seconds"] == 4.0
  assert card["code_size"] == 4 and 2 <= card["directions"] <= 4
  assert client.get("/api/health").json()["status"] == "ok"


def test_a_note_is_the_same_for_the_same_seed_and_another_for_another(client):
  asked = {"pitch": 60, "labels": {"family": "organ", "velocity": 100}, "seed": 3}
  note = read_wav(client.post("/api/generate", json=asked))
  assert np.abs(note).max() > 0.01
  again = read_wav(client.post("/api/generate", json=asked))
  np.testing.assert_array_equal(note, again)
  other = read_wav(client.post("/api/generate", json={**asked, "seed": 4}))
  assert np.abs(note - other).max() > 1e-3


def test_a_sound_on_keys_has_full_level_and_the_gain_of_its_velocity(client):
  asked = {"sound": {"labels": {"family": "organ", "velocity": 64}}, "pitches": [48, 60, 60.5]}
  made = client.post("/api/instrument", json=asked).json()
  assert [k["pitch"] for k in made["keys"]] == [48, 60, 60.5]
  assert made["gain"] == pytest.approx((64 / 127) ** 2, rel=1e-3)
  for key in made["keys"]:
    samples = np.frombuffer(base64.b64decode(key["audio"]), "<i2") / 32767.0
    assert samples.size == 64_000 and 0.5 < np.abs(samples).max() <= 1.0


def test_an_instrument_is_downloaded_whole(client):
  asked = {"sound": {"labels": {"family": "organ"}, "seed": 2}, "first": 48, "last": 54, "step": 3}
  response = client.post("/api/instrument/download", json=asked)
  assert 'filename="organ-2-sfz.zip"' in response.headers["content-disposition"]
  names = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
  assert sorted(names)[0] == "organ-2/048-v127.wav" and "organ-2/organ-2.sfz" in names
  assert len(names) == 4
  soundfont = client.post("/api/instrument/download", json={**asked, "format": "sf2"})
  assert soundfont.content[:4] == b"RIFF" and soundfont.content[8:12] == b"sfbk"


def test_a_recording_is_encoded_and_plays_as_a_sound(client, real_note):
  for body in (to_bytes(real_note), to_bytes(np.stack([real_note] * 2, 1)[::2], 8_000, "FLAC")):
    made = client.post("/api/encode", params={"pitch": 60}, content=body).json()
    assert made["pitch"] == 60 and len(made["sound"]["code"]) == 4
  assert made["changes"] == ["stereo", "resampled"]
  again = client.post("/api/generate", json={**made["sound"], "pitch": 64})
  assert np.abs(read_wav(again)).max() > 0.01
  # As another family, by the same code.
  sound = {**made["sound"], "labels": {**made["sound"]["labels"], "family": "flute"}}
  assert client.post("/api/place", json=sound).json()["sound"]["code"] == pytest.approx(
    made["sound"]["code"], abs=1e-4
  )


def test_places_move_a_sound_on_the_map(client):
  placed = client.post("/api/place", json={"seed": 1, "places": [1.25, None]}).json()
  assert placed["places"][0] == pytest.approx(1.25, abs=1e-3)
  before = client.post("/api/place", json={"seed": 1}).json()
  assert placed["places"][1] == pytest.approx(before["places"][1], abs=1e-3)
  # What was placed is the same sound by its code.
  asked = [
    {
      "seed": 1,
      "places": [1.25, None],
      "labels": {"velocity": 100, "family": "organ", "source": "electronic"},
    }
  ]
  asked.append({**client.post("/api/place", json=asked[0]).json()["sound"]})
  a, b = [read_wav(client.post("/api/generate", json={**s, "pitch": 60})) for s in asked]
  assert np.abs(np.fft.rfft(a)).argmax() == np.abs(np.fft.rfft(b)).argmax()


def test_interpolation_begins_and_ends_with_what_it_is_between(client):
  a, b = ({"labels": {"family": f}, "seed": s} for f, s in (("organ", 1), ("flute", 2)))
  made = client.post("/api/interpolate", json={"a": a, "b": b, "steps": 3}).json()["sounds"]
  ends = [client.post("/api/place", json=s).json()["sound"]["code"] for s in (a, b)]
  assert made[0]["sound"]["code"] == pytest.approx(ends[0], abs=1e-4)
  assert made[-1]["sound"]["code"] == pytest.approx(ends[1], abs=1e-4)
  assert made[1]["sound"]["labels"]["family"] == {"flute": 0.5, "organ": 0.5}
  assert client.post("/api/place", json=made[1]["sound"]).status_code == 200


def test_dots_are_training_notes_that_sound(client, player):
  dots = client.get("/api/notes").json()
  assert len(dots) == len(player.palette.ids) and {"organ"} & {d["labels"]["family"] for d in dots}
  audio = read_wav(client.get("/api/notes/0/audio"))
  found = pitch_metric.median_pitch(audio, 16_000)
  assert abs(found - dots[0]["labels"]["pitch"]) < 1.0 or np.isnan(found)
  sound = client.get("/api/notes/0").json()["sound"]
  assert sound["labels"]["family"] == dots[0]["labels"]["family"] and len(sound["code"]) == 4


BAD = [
  ({"pitch": 128}, 422, "pitch: Input should be less than or equal to 127"),
  ({"pitch": "c4"}, 422, "pitch"),
  ({"seed": -1}, 422, "seed"),
  ({"seed": 2**32}, 422, "seed"),
  ({"temperature": 99}, 422, "temperature"),
  ({"colour": "blue"}, 422, "colour: Extra inputs are not permitted"),
  ({"labels": {"family": "kazoo"}}, 400, "family must be one of"),
  ({"labels": {"family": {"organ": -1}}}, 422, "labels.family"),
  ({"labels": {"family": {}}}, 422, "labels.family"),
  ({"code": [0.0]}, 400, "code must be 4 numbers, got 1"),
  ({"code": [1e9] * 4}, 422, "code"),
  ({"places": [0.0] * 17}, 422, "places"),
  ({"labels": {"instrument": "organ_1"}}, 400, "it takes no label 'instrument'"),
  ({"labels": {"velocity": 1.5}}, 400, "velocity must be a whole number from 0 to 127, got 1.5"),
  ({"labels": {"colour": "blue"}}, 400, "it takes no label 'colour'"),
]


@pytest.mark.parametrize("asked,status,says", BAD, ids=[str(b[0])[:30] for b in BAD])
def test_what_cannot_be_asked_for_is_one_line(client, asked, status, says):
  response = client.post("/api/generate", json=asked)
  assert response.status_code == status
  detail = response.json()["detail"]
  assert says in detail and "\n" not in detail


@pytest.mark.parametrize(
  "body,says",
  [
    (b"", "empty"),
    (b"RIFF....WAVE", "recording"),
    (b"<html>" * 100, "cannot be read as audio"),
    (to_bytes(np.zeros(16_000)), "silent"),
    (to_bytes(np.full(16_000, 0.5))[:2000], "truncated"),
  ],
)
def test_what_is_no_recording_is_one_line_and_leaves_nothing(
  client, body, says, tmp_path, monkeypatch
):
  monkeypatch.setenv("TMPDIR", str(tmp_path))
  import tempfile

  monkeypatch.setattr(tempfile, "tempdir", None)
  response = client.post("/api/encode", content=body)
  assert response.status_code == 400 and says in response.json()["detail"]
  assert str(tmp_path) not in response.json()["detail"] and not os.listdir(tmp_path)


def test_malformed_and_huge_requests_are_refused(client):
  json_type = {"Content-Type": "application/json"}
  for content in (b"{", b"[1, 2", b"\xff\xfe", b'{"pitch": NaN}', b'{"seed": 1e400}'):
    response = client.post("/api/generate", content=content, headers=json_type)
    assert response.status_code == 422, content
  huge = client.post("/api/encode", content=b"\0" * (middleware.MAX_BYTES + 1))
  assert huge.status_code == 413 and str(middleware.MAX_BYTES) in huge.json()["detail"]
  keys = client.post("/api/instrument", json={"pitches": [60] * 129})
  assert keys.status_code == 422
  assert client.get("/api/notes/999999/audio").status_code == 400
  assert client.get("/api/nothing").status_code == 404
  assert client.get("/static/../api.py").status_code == 404


def test_only_this_machine_may_ask_by_name(player):
  app = api.make_app(player, ["127.0.0.1", "localhost"])
  with testclient.TestClient(app, base_url="http://evil.example") as client:
    assert client.get("/api/health").status_code == 400
  with testclient.TestClient(app, base_url="http://localhost:8765") as client:
    assert client.get("/api/health").status_code == 200


def test_the_page_and_its_parts_are_there_and_ask_nobody_else(client):
  page = client.get("/")
  assert page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
  static = ROOT / "cvae_jax" / "play" / "static"
  for path in static.iterdir():
    assert client.get(f"/static/{path.name}").status_code == 200
    text = path.read_text()
    assert (
      "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    )


@pytest.fixture(scope="module")
def server(played_run):
  """A real server in a process of its own: its URL."""
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
  process = subprocess.Popen(
    [
      sys.executable, "-m", "cvae_jax.play", f"--workdir={played_run}", f"--port={port}",
      "--no-browser",
    ],
    cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
  )  # fmt: skip
  url = f"http://127.0.0.1:{port}"
  for _ in range(600):
    try:
      urllib.request.urlopen(f"{url}/api/health", timeout=1)
      break
    except OSError:
      assert process.poll() is None, process.stdout.read()
      time.sleep(0.1)
  yield url
  process.terminate()
  assert process.wait(20) in (0, -15, 143)


def test_a_request_that_does_not_come_is_let_go(server, monkeypatch):
  host, port = server.removeprefix("http://").split(":")
  with socket.create_connection((host, int(port))) as slow:
    slow.sendall(
      b"POST /api/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
      b'Content-Length: 100\r\n\r\n{"pitch"'
    )
    # Meanwhile others are served.
    with urllib.request.urlopen(f"{server}/api/model", timeout=10) as response:
      assert response.status == 200
    slow.settimeout(middleware.BODY_TIMEOUT_S + 5)
    assert b"408" in slow.recv(200).split(b"\r\n")[0]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_that_is_too_large_hears_so(server, chunked):
  # It is sent whole: a connection that is closed meanwhile would end this by ECONNRESET.
  host, port = server.removeprefix("http://").split(":")
  block = bytes(1_000_000)
  for _ in range(3):
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    body = (block for _ in range(40)) if chunked else block * 40
    connection.request("POST", "/api/encode", body, encode_chunked=chunked)
    response = connection.getresponse()
    assert response.status == 413 and str(middleware.MAX_BYTES) in response.read().decode()
    connection.close()


def test_who_announces_too_much_is_answered_at_once(server):
  host, port = server.removeprefix("http://").split(":")
  for headers in (
    f"Content-Length: {middleware.DROP_BYTES + 1}",
    "Content-Length: 20000000\r\nExpect: 100-continue",
  ):
    with socket.create_connection((host, int(port))) as client:
      client.sendall(f"POST /api/encode HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n\r\n".encode())
      client.settimeout(middleware.BODY_TIMEOUT_S / 2)
      assert b"413" in client.recv(200).split(b"\r\n")[0]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_whatever_is_asked_is_no_server_error_and_answered_by_the_schema(player, mode):
  """schemathesis: hundreds of requests that fit the schema, or that do not."""
  import hypothesis
  import schemathesis
  from schemathesis import checks
  from schemathesis.generation import GenerationMode

  schema = schemathesis.openapi.from_asgi("/api/openapi.json", api.make_app(player))
  asked = 0
  for found in schema.get_all_operations():
    operation = found.ok()
    raw = operation.definition.raw
    has_json = "application/json" in raw.get("requestBody", {}).get("content", {})
    if mode == "negative" and not has_json and not raw.get("parameters"):
      continue  # There is nothing to get wrong.

    @hypothesis.given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
    @hypothesis.settings(
      max_examples=40,
      deadline=None,
      suppress_health_check=list(hypothesis.HealthCheck),
      database=None,
      derandomize=True,
    )
    def check(case):
      nonlocal asked
      asked += 1
      case.call_and_validate(checks=[checks.not_a_server_error, checks.response_schema_conformance])

    check()
  assert asked > 200
