"""The API of a run of drums: kits in one batch, downloads, and what is refused in one line."""

import base64
import io
import shutil
import tarfile
import zipfile

from fastapi import testclient
import numpy as np
import pytest
import soundfile
import test_play_api

from cvae_jax.play import api
from cvae_jax.play import player as player_lib
from cvae_jax.scores import midi
from cvae_jax.synthesis import synthesizer

STEPS = {"kick": [2, 0, 0, 0] * 4, "hat": [0, 0, 1, 0] * 4}
PATTERN = {
  "tracks": [{"key": 36, "steps": STEPS["kick"]}, {"key": 46, "steps": STEPS["hat"], "level": 0.5}],
  "tempo_bpm": 110, "swing": 0.6,
}  # fmt: skip
SOUNDS = [
  {"labels": {"kind": "kick"}, "seed": 3}, {"labels": {"kind": {"kick": 0.5, "tom": 0.5}}},
  {"labels": {"kind": "hihat_open"}, "seed": 4, "temperature": 0.5},
]  # fmt: skip


@pytest.fixture(scope="module")
def player(drums_run, tmp_path_factory):
  workdir = tmp_path_factory.mktemp("played") / "drums"
  shutil.copytree(drums_run, workdir)  # Its map is kept there.
  made = player_lib.Player(synthesizer.load(str(workdir)), str(workdir))
  yield made
  made.engine.close()


def to_audio(text):
  return np.frombuffer(base64.b64decode(text), "<i2") / 32767.0


def read_wav(response):
  assert response.status_code == 200, response.text
  return soundfile.read(io.BytesIO(response.content), dtype="float32")


def test_the_card_has_the_keys_of_its_drums(client):
  card = client.get("/api/model").json()
  first = {key["kind"]: key["key"] for key in reversed(card["percussion"])}
  assert first["kick"] == 36 and first["hihat_closed"] == 42 and len(first) == 10
  hats = {key["choke"] for key in card["percussion"] if key["kind"].startswith("hihat")}
  assert hats == {1}


def test_the_sounds_of_a_kit_are_those_that_are_generated(client):
  made = client.post("/api/kit", json={"sounds": SOUNDS, "draft": False}).json()
  assert len(made["sounds"]) == 3 and made["sample_rate"] == 16_000
  for sound, text in zip(SOUNDS, made["sounds"], strict=True):
    theirs, _ = read_wav(client.post("/api/generate", json=sound))
    np.testing.assert_allclose(to_audio(text), theirs, atol=2e-3)
  # By their codes and places, one that has none beside them.
  placed = [client.post("/api/place", json={**s, "places": [1.5]}).json() for s in SOUNDS[:2]]
  asked = [placed[0]["sound"], {**SOUNDS[1], "places": [1.5]}, SOUNDS[2]]
  again = client.post("/api/kit", json={"sounds": asked, "draft": False}).json()
  for a, b in zip(again["sounds"][1:], made["sounds"][1:], strict=True):
    moved = np.abs(to_audio(a) - to_audio(b)).max()
    assert (moved < 2e-3) == (b == made["sounds"][2])
  theirs, _ = read_wav(client.post("/api/generate", json=placed[0]["sound"]))
  np.testing.assert_allclose(to_audio(again["sounds"][0]), theirs, atol=2e-3)


def test_kits_are_downloaded(client):
  drums = [
    {"sound": s, "key": key, "level": 0.5} for s, key in zip(SOUNDS, (36, 41, 46), strict=True)
  ]
  response = client.post("/api/kit/download", json={"drums": drums, "title": "my kit"})
  assert 'filename="my kit.h2drumkit"' in response.headers["content-disposition"]
  with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
    assert archive.getnames()[:2] == ["my kit/drumkit.xml", "my kit/36-kick.wav"]
  for form, count in (("sfz", 4), ("wav", 3)):
    response = client.post("/api/kit/download", json={"drums": drums, "format": form})
    assert len(zipfile.ZipFile(io.BytesIO(response.content)).namelist()) == count


def test_patterns_are_downloaded(client, tmp_path):
  response = client.post("/api/pattern/midi", json={"pattern": PATTERN, "bars": 2})
  assert response.headers["content-type"] == "audio/midi"
  (tmp_path / "a.mid").write_bytes(response.content)
  assert len(midi.read_percussion(str(tmp_path / "a.mid"))) == 16
  asked = {"pattern": PATTERN, "sounds": [SOUNDS[0], SOUNDS[2]]}
  audio, rate = read_wav(client.post("/api/pattern/loop", json=asked))
  assert audio.size == round(4 * 60 / 110 * rate) and np.abs(audio).max() > 0.1


@pytest.mark.parametrize(
  "path,body,status,message",
  [
    ("kit", {"sounds": [{}] * 17}, 422, "sounds: List should have at most 16 items"),
    ("kit", {"sounds": []}, 422, "sounds"),
    ("kit", {"sounds": [{"labels": {"kind": "gong"}}]}, 400, "kind must be one of kick"),
    ("kit", {"sounds": [{"code": [0.0]}]}, 400, "code must be"),
    ("kit/download", {"drums": [{"key": 36}] * 2}, 400, "two have key 36"),
    ("kit/download", {"drums": [{"key": 34}]}, 422, "drums.0.key"),
    ("kit/download", {"drums": [{"key": 36}], "title": "../x"}, 422, "title"),
    ("pattern/midi", {"pattern": {**PATTERN, "tempo_bpm": 0}}, 422, "pattern.tempo_bpm"),
    ("pattern/midi", {"pattern": {**PATTERN, "swing": 0.9}}, 422, "pattern.swing"),
    ("pattern/midi", {"pattern": {"tracks": PATTERN["tracks"] * 9}}, 422, "pattern.tracks"),
    ("pattern/midi", {"pattern": {"tracks": [{"key": 36, "steps": [1]}]}}, 422, "steps"),
    ("pattern/midi", {"pattern": PATTERN, "bars": 65}, 422, "bars"),
    ("pattern/loop", {"pattern": PATTERN, "sounds": [{}]}, 400, "as many sounds, got 1"),
    ("pattern/loop", {"pattern": PATTERN, "sounds": [{}] * 3}, 400, "got 3"),
  ],
)  # fmt: skip
def test_bad_requests_are_refused_in_one_line(client, path, body, status, message):
  response = client.post(f"/api/{path}", json=body)
  assert response.status_code == status
  detail = response.json()["detail"]
  assert message in detail and "\n" not in detail


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_whatever_is_asked_of_drums_is_no_server_error(player, mode):
  test_play_api.test_whatever_is_asked_is_no_server_error_and_answered_by_the_schema(player, mode)


def test_a_run_of_notes_has_no_kit(played_run):
  made = player_lib.Player(synthesizer.load(played_run), played_run)
  with testclient.TestClient(api.make_app(made), raise_server_exceptions=False) as client:
    assert client.get("/api/model").json()["percussion"] == []
    response = client.post("/api/kit", json={"sounds": [{}]})
    assert response.status_code == 400 and "needs a run of drums" in response.json()["detail"]
  made.engine.close()
