"""The routes of the HTTP API for runs of scores: drawn, encoded, mixed, and saved."""

import asyncio
from collections.abc import Mapping
from typing import Any

import fastapi
from fastapi import responses

from cvae_jax.audio import files
from cvae_jax.play import attachments
from cvae_jax.play import player as player_lib
from cvae_jax.play import schema
from cvae_jax.play import score_notes
from cvae_jax.play import score_schema


def add_routes(
  app: fastapi.FastAPI,
  player: player_lib.Player,
  decode: Any,
  problems: Mapping[int | str, dict[str, Any]],
  upload: Mapping[str, Any],
) -> None:
  """Adds the routes.

  Args:
    app: of the API.
    player: the run to serve.
    decode: coroutine function of a point to examples.
    problems: responses to bad requests.
    upload: description of a body that is a file.
  """
  desk, thread = player.desk, asyncio.to_thread

  async def answer(make_point, request):
    point = await thread(make_point, request)
    return await thread(desk.hand_out, point, await decode(point))

  @app.get("/api/scores", responses={**problems})
  async def describe() -> score_schema.ScoreForm:
    """What the scores of a run of scores on a grid are made of."""
    return await thread(desk.describe)

  @app.post("/api/scores/make", responses={**problems})
  async def make(request: score_schema.Sources) -> score_schema.Scores:
    """Scores of seeds, codes or notes, in one batch: their notes and codes."""
    point = await thread(desk.to_point, request)
    return await thread(desk.make, request, point, await decode(point))

  @app.post("/api/scores/strip", responses={**problems})
  async def strip(request: score_schema.Strip) -> score_schema.Scores:
    """Scores between two codes, both ends included."""
    return await answer(desk.strip, request)

  @app.post("/api/scores/mix", responses={**problems})
  async def mix(request: score_schema.Mix) -> score_schema.Scores:
    """Mixes of four codes at points of a square."""
    return await answer(desk.mix, request)

  @app.post("/api/scores/similar", responses={**problems})
  async def similar(request: score_schema.Similar) -> score_schema.Scores:
    """Scores near a code."""
    return await answer(desk.similar, request)

  @app.post("/api/scores/read", responses={**problems}, openapi_extra=dict(upload))
  async def read(request: fastapi.Request) -> score_schema.ReadScore:
    """The notes of a MIDI file as a score, from its first bar with notes."""
    return await thread(score_notes.read, player.synth, await request.body())

  @app.post(
    "/api/scores/midi",
    responses={**problems, **attachments.MIDI},
    response_class=responses.Response,
  )
  async def save_midi(request: score_schema.ScoreFile):
    """Scores as a MIDI file, one after the other, to download."""
    return attachments.attach("scores.mid", await thread(desk.make_midi, request), "audio/midi")

  @app.post(
    "/api/scores/wav", responses={**problems, **attachments.WAV}, response_class=responses.Response
  )
  async def save_wav(request: score_schema.ScoreFile):
    """Scores as a WAV, one after the other, to download."""
    audio, rate = await thread(desk.make_audio, request)
    return attachments.attach("scores.wav", files.to_wav(audio, rate), "audio/wav")

  @app.get("/api/scores/families", responses={**problems})
  async def families() -> score_schema.Families:
    """Families of the instruments that can play melodies."""
    return score_schema.Families(families=await thread(desk.families))

  @app.post("/api/scores/sound", responses={**problems})
  async def sound(request: score_schema.ScoreSound) -> schema.KeysMade:
    """Notes of the instrument that plays melodies."""
    return await thread(desk.make_sound, request)

  @app.get("/api/scores/kit", responses={**problems})
  async def kit() -> score_schema.ScoreKit:
    """The sounds that play drums, one for each class."""
    return await thread(desk.make_kit)
