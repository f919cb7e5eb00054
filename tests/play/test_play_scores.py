"""The API of a run of scores: drawn, encoded, mixed, moved and saved; and what is refused."""

import io

import conftest
from fastapi import testclient
import jax
import numpy as np
import pytest
import soundfile
import test_play_api

from cvae_jax import methods
from cvae_jax import scores as scores_lib
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import label_table
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.play import api
from cvae_jax.play import player as player_lib
from cvae_jax.play import score_notes
from cvae_jax.play import score_schema
from cvae_jax.play import scores as scores_desk
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import midi
from cvae_jax.scores import midi_reader
from cvae_jax.scores import trio
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import score_audio
from cvae_jax.synthesis import synthesizer

LINE = [[0, 4, 60], [4, 6, 64], [8, 16, 67], [20, 32, 72]]
NOTES = {"melody": LINE}


def make_untrained(variant="", **fields):
  """A run of configs/musicvae.py that has learnt nothing."""
  config = conftest.get_config(
    "musicvae", f"{variant},tiny", **{"method.prior": "standard", **fields}
  )
  data = pipeline.open_data(config.data)
  method = methods.make_method(config, data.train.form, data.train.vocabulary)
  batch = next(pipeline.eval_batches(data.train, 2, np.arange(2)))
  inputs = {name: batch[name] for name in sources.batch_keys(data.train)}
  params = jax.jit(method.init)(jax.random.key(0), inputs).params
  vocabulary = data.train.vocabulary
  columns = vocabulary_lib.select(data.train.labels, vocabulary)
  table = label_table.LabelTable(columns, vocabulary, len(data.train))
  return synthesizer.Synthesizer(config, 0, params, method, table, data.train.form)


@pytest.fixture(scope="module")
def player(melody_copy, played_run, drums_run):
  band = score_audio.Band(played_run, drums_run)
  made = player_lib.Player(synthesizer.load(melody_copy), melody_copy, band)
  yield made
  made.engine.close()


def post(client, route, **body):
  response = client.post(f"/api/scores/{route}", json=body)
  assert response.status_code == 200, response.text
  return response.json()


def make(client, *sources, **fields):
  return post(client, "make", scores=list(sources), **fields)["scores"]


def to_midi(notes, qpm=120.0):
  return scores_lib.to_midi([scores_lib.Note(*note) for note in notes], qpm)


def test_the_form_names_voices_steps_and_attributes(client, player):
  form = client.get("/api/scores").json()
  assert (form["num_steps"], form["bar_steps"], form["quarter_steps"]) == (32, 16, 4)
  (voice,) = form["voices"]
  assert (voice["name"], voice["low"], voice["high"]) == ("melody", 21, 108)
  assert form["attributes"] == list(player.desk.vectors)


def test_drawn_scores_are_those_that_are_generated(client, player):
  drawn = make(client, {"seed": 3}, {"seed": 4, "temperature": 0.5}, {"seed": 3})
  assert drawn[0] == drawn[2] and drawn[0]["code"] != drawn[1]["code"]
  synth = player.synth
  code = latent_space.draw_code(synth, synth.draw_labels(1, 3), 3)
  np.testing.assert_allclose(drawn[0]["code"], code[0], atol=1e-4)
  again = make(client, {"code": drawn[0]["code"]})
  assert again[0]["notes"] == drawn[0]["notes"]
  tokens = latent_space.decode(synth, latent_space.Point(code, synth.draw_labels(1, 3)))[0]
  expected = [[round(n.start_s * 8), round(n.end_s * 8), n.pitch]
              for n in synth.form.tokenizer.decode(tokens)]  # fmt: skip
  assert drawn[0]["notes"] == {"melody": expected}


def test_notes_are_encoded_and_stay_as_they_are(client, player):
  made = make(client, {"notes": NOTES}, {"seed": 1}, {"notes": {"melody": []}})
  assert made[0]["notes"] == NOTES and made[2]["notes"] == {"melody": []}
  tokens = player.synth.form.tokenizer.encode_steps(*np.asarray(LINE).T, 32)
  expected = latent_space.encode(player.synth, tokens).code[0]
  np.testing.assert_allclose(made[0]["code"], expected, atol=1e-4)
  assert made[1] == make(client, {"seed": 1})[0]
  assert not np.allclose(made[0]["code"], made[2]["code"], atol=1e-4)


def test_a_score_is_moved_along_an_attribute(client, player):
  name = "density"
  vector = np.linspace(-1, 1, player.synth.method.code_size).astype(np.float32)
  before, player.desk._vectors = player.desk.vectors, {name: vector}
  try:
    plain, moved = make(client, {"notes": NOTES}, {"notes": NOTES, "attributes": {name: 1.5}})
    np.testing.assert_allclose(np.subtract(moved["code"], plain["code"]), 1.5 * vector, atol=1e-4)
    assert moved["notes"] == make(client, {"code": moved["code"]})[0]["notes"]
    response = client.post("/api/scores/make", json={"scores": [{"attributes": {"swing": 1}}]})
    assert response.status_code == 400
    assert response.json()["detail"] == "this run has no attribute 'swing': it has density"
  finally:
    player.desk._vectors = before


def test_strips_and_mixes_follow_the_arc(client):
  corners = make(client, *({"seed": seed} for seed in range(4)))
  codes = [score["code"] for score in corners]
  strip = post(client, "strip", a=codes[0], b=codes[1], steps=5)["scores"]
  assert [strip[0], strip[-1]] == corners[:2]
  points = [[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0], [0.25, 0.75]]
  mixed = post(client, "mix", corners=codes, points=points)["scores"]
  assert mixed[:4] == corners
  np.testing.assert_allclose(mixed[4]["code"], strip[2]["code"], atol=2e-5)
  half = lambda a, b, share: latent_space.mix(
    np.asarray([a]), np.asarray([b]), np.asarray([share]), "spherical"
  )
  expected = half(half(*codes[:2], 0.25)[0], half(*codes[2:], 0.25)[0], 0.75)[0]
  np.testing.assert_allclose(mixed[5]["code"], expected, atol=2e-5)
  straight = post(client, "strip", a=codes[0], b=codes[1], steps=3, path="linear")["scores"]
  np.testing.assert_allclose(straight[1]["code"], np.mean(codes[:2], axis=0), atol=2e-5)


def test_similar_scores_lie_on_the_way_to_draws(client):
  start, end = make(client, {"seed": 0}, {"seed": 6})
  similar = lambda amount: post(
    client, "similar", code=start["code"], seed=5, amount=amount, count=2
  )["scores"]
  assert similar(0.0) == [start, start]
  np.testing.assert_allclose(similar(1.0)[1]["code"], end["code"], atol=2e-5)
  quarter = post(client, "strip", a=start["code"], b=end["code"], steps=5)["scores"][1]
  np.testing.assert_allclose(similar(0.25)[1]["code"], quarter["code"], atol=2e-5)


@pytest.mark.parametrize(
  "notes,expected,changes",
  [
    ([(0.0, 0.5, 60), (0.5, 1.0, 62)], [[0, 4, 60], [4, 8, 62]], []),
    # Two bars and a half of rest; the nearest steps; the highest of a chord.
    (
      [(5.06, 5.5, 60), (5.5, 6.0, 50), (5.5, 6.0, 70)],
      [[8, 12, 60], [12, 16, 70]], ["from bar 3"],
    ),
    ([(0.0, 4.0, 60), (4.0, 8.0, 62)], [[0, 32, 60]], ["cut"]),
    ([(0.0, 4.5, 60)], [[0, 32, 60]], ["cut"]),
    ([(3.0, 4.0, 60)], [[8, 16, 60]], ["from bar 2"]),
  ],
)  # fmt: skip
def test_a_midi_file_is_read_from_its_first_bar_with_notes(client, notes, expected, changes):
  for qpm in (120.0, 90.0):  # By beats, whatever the tempo.
    scaled = [(a * 120 / qpm, b * 120 / qpm, p) for a, b, p in notes]
    response = client.post("/api/scores/read", content=to_midi(scaled, qpm))
    assert response.json() == {"notes": {"melody": expected}, "changes": changes}


@pytest.mark.parametrize(
  "body,message",
  [
    (b"", "is empty"), (b"RIFF....", "the MIDI file cannot be read as a MIDI file"),
    (to_midi([]), "the MIDI file has no notes"),
    (to_midi([(0.0, 1.0, 36, 100, 0, True)]), "no melody but percussion: 1 strokes"),
    (to_midi([(0.0, 1.0, 110)]), "none of the 1 notes in the MIDI file has a pitch of 21-108"),
  ],
)  # fmt: skip
def test_a_file_without_a_melody_is_refused_in_one_line(client, body, message):
  response = client.post("/api/scores/read", content=body)
  assert response.status_code == 400
  assert message in response.json()["detail"] and "\n" not in response.json()["detail"]


def test_scores_are_saved_one_after_the_other(client, tmp_path):
  body = {"scores": [NOTES, {"melody": [[0, 8, 50]]}], "tempo_bpm": 90}
  response = client.post("/api/scores/midi", json=body)
  assert response.headers["content-type"] == "audio/midi"
  piece = midi_reader.parse("it", response.content).piece
  assert piece.tempos[1].tolist() == pytest.approx([90], rel=1e-4)
  per_step = piece.ticks_per_quarter // 4
  assert (piece.notes["start"] // per_step).tolist() == [0, 4, 8, 20, 32]
  assert piece.notes["pitch"].tolist() == [60, 64, 67, 72, 50]
  (tmp_path / "a.mid").write_bytes(response.content)
  assert len(midi.read_notes(str(tmp_path / "a.mid"))) == 5
  response = client.post("/api/scores/wav", json={**body, "family": "organ"})
  audio, rate = soundfile.read(io.BytesIO(response.content))
  assert rate == 16_000 and audio.size / rate > 40 / 4 * 60 / 90 and np.abs(audio).max() > 0.1


def test_sounds_to_play_with(client):
  families = client.get("/api/scores/families").json()["families"]
  assert "organ" in families
  sound = post(client, "sound", pitches=[60, 63], family="organ")
  assert [key["pitch"] for key in sound["keys"]] == [60, 63]
  later = post(client, "sound", pitches=[63], family="organ")
  assert later["keys"][0] == sound["keys"][1]
  other = post(client, "sound", pitches=[63], family=next(f for f in families if f != "organ"))
  assert other["keys"][0]["audio"] != later["keys"][0]["audio"]
  kit = client.get("/api/scores/kit").json()
  assert len(kit["sounds"]) == 9 and kit["chokes"][2] == kit["chokes"][3] != 0


@pytest.mark.parametrize(
  "path,body,status,message",
  [
    ("make", {"scores": []}, 422, "scores: List should have at least 1"),
    ("make", {"scores": [{}] * 17}, 422, "at most 16"),
    ("make", {"scores": [{"notes": {"melody": [[0.5, 2, 60]]}}]}, 422, "valid integer"),
    ("make", {"scores": [{"notes": {"melody": [[0, 33, 60]]}}]}, 400, "end by step 32"),
    ("make", {"scores": [{"notes": {"melody": [[4, 4, 60]]}}]}, 400, "start before it ends"),
    ("make", {"scores": [{"notes": {"melody": [[0, 4, 20]]}}]}, 400, "pitch must be 21-108"),
    ("make", {"scores": [{"notes": {"melody": [[0, 4, 60], [3, 5, 62]]}}]}, 400, "one note sounds"),
    ("make", {"scores": [{"notes": {"melody": [[0, 4]]}}]}, 400, "[start, end, pitch]"),
    ("make", {"scores": [{"notes": {"drums": [[0, 4]]}}]}, 400, "no voice 'drums'"),
    ("make", {"scores": [{"code": [0.0]}]}, 400, "code must be"),
    ("make", {"scores": [{}], "labels": {"mode": "major"}}, 400, "takes no label 'mode'"),
    ("strip", {"a": [0.0], "b": [0.0]}, 400, "code must be"),
    ("strip", {"a": [], "b": [], "steps": 1}, 422, "steps"),
    ("mix", {"corners": [[0.0]] * 3, "points": [[0, 0]]}, 422, "corners"),
    ("mix", {"corners": [[0.0]] * 4, "points": [[0, 2]]}, 422, "points.0.1"),
    ("similar", {"code": [0.0], "amount": 2}, 422, "amount"),
    ("midi", {"scores": []}, 422, "scores"),
    ("midi", {"scores": [NOTES], "tempo_bpm": 0}, 422, "tempo_bpm"),
    ("sound", {"pitches": [60], "family": "kazoo"}, 400, "family must be one of"),
  ],
)  # fmt: skip
def test_bad_requests_are_refused_in_one_line(client, path, body, status, message):
  response = client.post(f"/api/scores/{path}", json=body)
  assert response.status_code == status
  detail = response.json()["detail"]
  assert message in detail and "\n" not in detail


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_whatever_is_asked_of_scores_is_no_server_error(player, mode):
  test_play_api.test_whatever_is_asked_is_no_server_error_and_answered_by_the_schema(player, mode)


def test_a_run_of_notes_has_no_scores_and_keeps_its_page(played_run, client):
  assert "scores.js" in client.get("/").text
  made = player_lib.Player(synthesizer.load(played_run), played_run)
  with testclient.TestClient(api.make_app(made), raise_server_exceptions=False) as other:
    assert "app.js" in other.get("/").text
    for response in (
      other.get("/api/scores"),
      other.post("/api/scores/make", json={"scores": [{}]}),
    ):
      assert response.status_code == 400
      assert "needs a run that encodes scores" in response.json()["detail"]
  made.engine.close()


DRUMS = [[0, 0], [0, 8], [4, 1], [31, 2]]
BASS = [[0, 8, 36], [8, 32, 43]]


@pytest.mark.parametrize(
  "tokenizer,notes,voices",
  [
    (melody.Melody(), NOTES, 1),
    (drum_tokens.Drums(), {"drums": DRUMS}, 1),
    (trio.Trio(), {"melody": LINE, "bass": BASS, "drums": DRUMS}, 3),
    (trio.Trio(), {"melody": [], "bass": [], "drums": []}, 3),
  ],
)
def test_notes_are_tokens_and_back(tokenizer, notes, voices):
  form = forms.Score(32 * voices, tokenizer)
  tokens = score_notes.to_tokens(form, notes)
  assert tokens.shape == (32 * voices,) and score_notes.to_notes(form, tokens) == notes
  # As the library decodes them, one after the other at a tempo.
  joined = score_notes.join(form, [notes, notes], 60.0)
  expected = [2 * n.start_s for n in tokenizer.decode(tokens)]
  assert [n.start_s for n in joined] == expected + [8.0 + start_s for start_s in expected]


@pytest.mark.parametrize("row", [[32, 0], [0, 9], [0, 1, 2]])
def test_strokes_off_the_grid_are_refused(row):
  with pytest.raises(
    errors.UserError, match=r"the stroke \[.*\] must be at|a stroke of the drums is"
  ):
    score_notes.to_tokens(forms.Score(32, drum_tokens.Drums()), {"drums": [row]})


def test_scores_of_a_run_with_labels_are_drawn_and_encoded_under_them():
  synth = make_untrained(**{"condition.labels": ("mode", "density")})
  desk, labels = scores_desk.Desk(synth, None), {"mode": "minor", "density": 4}
  source = score_schema.Source(notes=NOTES)
  point = desk.to_point(score_schema.Sources(scores=[source, source], labels=labels))
  tokens = score_notes.to_tokens(synth.form, NOTES)
  columns = synth.vocabulary.soften(synth.draw_labels(1, 0, **labels))
  np.testing.assert_allclose(
    point.code[0], latent_space.encode(synth, tokens, columns).code[0], atol=1e-5
  )
  for name in synth.conditions:
    np.testing.assert_array_equal(point.labels[name][1], columns[name][0])
  # What is not given is inferred.
  point = desk.to_point(score_schema.Sources(scores=[source], labels={"mode": "minor"}))
  inferred = synth.vocabulary.soften(synth.infer_labels(tokens, mode="minor"))
  for name in synth.conditions:
    np.testing.assert_array_equal(point.labels[name], inferred[name])
  strip = desk.strip(score_schema.Strip(a=point.code[0], b=-point.code[0], steps=3, labels=labels))
  assert strip.code.shape == (3, 4) and np.all(strip.labels["density"] == 4)
