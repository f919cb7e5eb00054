"""The HTTP API, used by the page and by other clients: FastAPI over the engine.

An invalid request is answered with one line under 'detail'. The server writes no files.
"""

import asyncio
from collections.abc import Mapping
import os
from typing import Annotated
from typing import Any
from urllib import parse

import fastapi
from fastapi import exceptions
from fastapi import responses
from fastapi import staticfiles
import pydantic
from starlette.middleware import trustedhost

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.play import attachments
from cvae_jax.play import drum_routes
from cvae_jax.play import engine as engine_lib
from cvae_jax.play import middleware
from cvae_jax.play import player as player_lib
from cvae_jax.play import schema
from cvae_jax.play import score_routes
from cvae_jax.synthesis import instrument as instrument_lib
from cvae_jax.synthesis import latent_space
from cvae_jax.version import __version__

_STATIC = os.path.join(os.path.dirname(__file__), "static")
_WAV: dict[int | str, dict[str, Any]] = {
  200: {"content": {"audio/wav": {}}, "description": "a 16-bit WAV"}
}
_UPLOAD: dict[str, Any] = {
  "requestBody": {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
  }
}
_BAD: dict[int | str, dict[str, Any]] = {
  status: {"model": schema.Problem, "description": description}
  for status, description in (
    (400, "this run does not support the request"),
    (408, "the request body timed out"),
    (413, "the request is too large"),
    (422, "the request does not match the schema"),
    (503, "the server is busy"),
  )
}
# The page may load resources from this server only, and no other page may embed it in a frame.
_HEADERS = {
  "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
}


def _is_foreign(socket: fastapi.WebSocket) -> bool:
  """Whether a page of another site opens a connection, which browsers allow for WebSockets."""
  origin = socket.headers.get("origin")
  return origin is not None and parse.urlsplit(origin).netloc != socket.headers.get("host")


async def _play_live(player: player_lib.Player, socket: fastapi.WebSocket) -> None:
  """Serves a client of `/api/live`; see `live`."""
  if _is_foreign(socket):
    await socket.close(1008, "a page of another site")
    return
  await socket.accept()
  try:
    with player.live_place():
      start = schema.LiveStart.model_validate_json(await socket.receive_text())
      session = await asyncio.to_thread(player.begin_live, start)
      await socket.send_text(session.ready.model_dump_json())
      while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
          return
        if message.get("bytes") is not None:
          answer = await asyncio.to_thread(session.follow, message["bytes"])
        else:
          block = schema.LiveBlock.model_validate_json(message["text"])
          answer = await asyncio.to_thread(session.play, block)
        if answer:
          await socket.send_bytes(answer)
  except fastapi.WebSocketDisconnect:
    return
  except pydantic.ValidationError as e:
    detail = _describe_invalid(e.errors()[0])
  except KeyError:
    detail = "the first message must be JSON"
  except (errors.UserError, engine_lib.Busy) as e:
    detail = str(e)
  await socket.send_json({"detail": detail})
  await socket.close(1008)


def _describe_invalid(error: Mapping[str, Any]) -> str:
  field = ".".join(str(part) for part in error["loc"] if part != "body")
  return f"{field}: {error['msg']}".lstrip(": ")


def make_app(player: player_lib.Player, hosts: list[str] | None = None) -> fastapi.FastAPI:
  """Makes the FastAPI application.

  Args:
    player: the run to serve.
    hosts: accepted Host headers; None accepts any. The check prevents DNS rebinding, by which a
      page of another site could reach a server on this machine.
  """
  app = fastapi.FastAPI(
    title="cvae_jax",
    version=__version__,
    description="Notes of a trained run: generated, encoded, interpolated, as instruments.",
    docs_url=None,  # FastAPI's documentation page loads scripts from a CDN.
    redoc_url=None,
    openapi_url="/api/openapi.json",
  )
  if hosts:
    app.add_middleware(trustedhost.TrustedHostMiddleware, allowed_hosts=hosts)
  app.add_middleware(middleware.Limits)
  app.add_middleware(middleware.Headers, headers=_HEADERS)

  @app.exception_handler(errors.UserError)
  async def _on_user_error(request, error):
    del request
    return responses.JSONResponse({"detail": str(error)}, 400)

  @app.exception_handler(engine_lib.Busy)
  async def _on_busy(request, error):
    del request
    return responses.JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})

  @app.exception_handler(exceptions.RequestValidationError)
  async def _on_invalid(request, error):
    del request
    return responses.JSONResponse({"detail": _describe_invalid(error.errors()[0])}, 422)

  async def decode(point, draft=False):
    future = player.engine.submit(point, draft)
    try:
      return await asyncio.wait_for(asyncio.wrap_future(future), player_lib.WORK_TIMEOUT_S)
    except TimeoutError:
      raise engine_lib.Busy(
        f"no result within {player_lib.WORK_TIMEOUT_S:g} s: try again later"
      ) from None

  def wav(example):
    audio, sample_rate = player.synth.form.hear(example)
    return responses.Response(files.to_wav(audio, sample_rate), media_type="audio/wav")

  thread = asyncio.to_thread
  card = player.card

  @app.get("/api/health")
  async def health() -> schema.Health:
    """Whether the server is running, and its version."""
    return schema.Health(status="ok", version=__version__)

  @app.get("/api/model")
  async def model() -> schema.Card:
    """Describes the run: its form, labels and capabilities."""
    return card

  @app.get("/api/notes")
  async def notes() -> list[schema.Dot]:
    """Training notes on the map of the latent space."""
    return await thread(player.dots)

  @app.get("/api/notes/{number}", responses=_BAD)
  async def note(number: int) -> schema.Encoded:
    """A training note of the map as a sound: its code and labels."""
    return player.dot_sound(number)

  @app.get(
    "/api/notes/{number}/audio",
    responses={**_BAD, **_WAV},
    response_class=responses.Response,
  )
  async def note_audio(number: int):
    """The audio of a training example of the map, as in the data set."""
    example = await thread(player.training_note, number)
    return await thread(wav, example)

  @app.post("/api/generate", responses={**_BAD, **_WAV}, response_class=responses.Response)
  async def generate(note: schema.Note):
    """Generates a note, as a WAV."""
    point = await thread(player.to_point, note, (note.pitch,))
    examples = await decode(point, note.draft)
    return await thread(wav, examples[0])

  @app.post("/api/instrument", responses=_BAD)
  async def instrument(keys: schema.Keys) -> schema.KeysMade:
    """A sound at several pitches, with loop points for sustained notes."""
    point = await thread(player.to_point, keys.sound, keys.pitches)
    examples = await decode(point, keys.draft)
    return await thread(player.make_keys, point, examples, keys.pitches)

  @app.post(
    "/api/instrument/download",
    responses={
      **_BAD,
      200: {
        "content": {"application/zip": {}, "application/octet-stream": {}},
        "description": "a ZIP of WAVs, with an SFZ file; or a soundfont",
      },
    },
    response_class=responses.Response,
  )
  async def download(request: schema.Instrument):
    """A sound as a sampler instrument, to download."""
    if request.last < request.first:
      raise errors.UserError(f"last must be {request.first} or more, got {request.last}")
    instrument_lib.check(player.synth)
    pitches = list(range(request.first, request.last + 1, request.step))
    point = await thread(player.to_point, request.sound, pitches)
    examples = await decode(point)
    name, body, media_type = await thread(player.pack, point, examples, request)
    return attachments.attach(name, body, media_type)

  @app.post("/api/place", responses=_BAD)
  async def place(sound: schema.Sound) -> schema.Placed:
    """A sound with its code, and its coordinates on the map."""
    point = await thread(player.to_point, sound)
    return player.place(point, sound)

  @app.post("/api/interpolate", responses=_BAD)
  async def interpolate(request: schema.Interpolation) -> schema.Interpolated:
    """Sounds interpolated between two sounds."""
    a, b = [await thread(player.to_point, sound) for sound in (request.a, request.b)]
    between = latent_space.interpolate(
      player.synth, a, b, request.steps, request.path, request.part
    )
    placed = []
    for i in range(request.steps):
      row = {name: value[i : i + 1] for name, value in between.labels.items()}
      placed.append(player.place(latent_space.Point(between.code[i : i + 1], row), request.a))
    return schema.Interpolated(sounds=placed)

  @app.post(
    "/api/encode",
    responses=_BAD,
    openapi_extra=_UPLOAD,
  )
  async def encode(
    request: fastapi.Request,
    pitch: Annotated[float | None, fastapi.Query(ge=0, le=127, allow_inf_nan=False)] = None,
  ) -> schema.Encoded:
    """Encodes a recording (WAV, FLAC, OGG, MP3) as a sound, with inferred labels."""
    body = await request.body()
    return await thread(player.encode, body, pitch)

  @app.post(
    "/api/melody",
    responses=_BAD,
    openapi_extra=_UPLOAD,
  )
  async def melody(request: fastapi.Request) -> schema.Melody:
    """Traces the f0 and loudness of a recording (WAV, FLAC, OGG, MP3)."""
    return await thread(player.trace, await request.body())

  @app.post("/api/perform", responses={**_BAD, **_WAV}, response_class=responses.Response)
  async def perform(performance: schema.Performance):
    """Plays a melody."""
    audio = await thread(player.perform, performance)
    return responses.Response(files.to_wav(audio, player.synth.sample_rate), media_type="audio/wav")

  @app.post("/api/latents", responses=_BAD, openapi_extra=_UPLOAD)
  async def encode_latents(request: fastapi.Request) -> schema.Latents:
    """The latents of a recording (WAV, FLAC, OGG, MP3) as curves."""
    return await thread(player.encode_latents, await request.body())

  @app.post("/api/latents/draw", responses=_BAD)
  async def draw_latents(request: schema.LatentsDrawn) -> schema.Latents:
    """Draws curves of latents of the prior."""
    return await thread(player.draw_latents, request)

  @app.post("/api/latents/play", responses={**_BAD, **_WAV}, response_class=responses.Response)
  async def play_latents(request: schema.LatentsPlayed):
    """Plays curves of latents."""
    audio = await thread(player.play_latents, request)
    return responses.Response(files.to_wav(audio, player.synth.sample_rate), media_type="audio/wav")

  drum_routes.add_routes(app, player, decode, _BAD)
  score_routes.add_routes(app, player, decode, _BAD, _UPLOAD)

  @app.websocket("/api/live")
  async def live(socket: fastapi.WebSocket):
    await _play_live(player, socket)

  if os.path.isdir(_STATIC):

    @app.get("/", include_in_schema=False)
    async def index():
      name = "scores.html" if player.has_score_page else "index.html"
      return responses.FileResponse(os.path.join(_STATIC, name))

    app.mount("/static", staticfiles.StaticFiles(directory=_STATIC), name="static")
  return app
