"""The API of the page, and of whoever else asks for notes: FastAPI over the engine.

Every answer that is a mistake of the request's is one line under 'detail'. Nothing is written.
"""

import asyncio
import os
from typing import Annotated
from typing import Any

import fastapi
from fastapi import exceptions
from fastapi import responses
from fastapi import staticfiles
from starlette.middleware import trustedhost

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.play import engine as engine_lib
from cvae_jax.play import middleware
from cvae_jax.play import player as player_lib
from cvae_jax.play import schema
from cvae_jax.synthesis import instrument as instrument_lib
from cvae_jax.synthesis import latent_space
from cvae_jax.version import __version__

_STATIC = os.path.join(os.path.dirname(__file__), "static")
_WAV: dict[int | str, dict[str, Any]] = {
  200: {"content": {"audio/wav": {}}, "description": "a WAV of 16 bits"}
}
_BAD: dict[int | str, dict[str, Any]] = {
  status: {"model": schema.Problem, "description": what}
  for status, what in (
    (400, "what this run cannot be asked for"),
    (408, "a request that did not come"),
    (413, "a request that is too large"),
    (422, "a request that does not fit the schema"),
    (503, "too much at once"),
  )
}
# The page asks nobody but this server, and nobody may put it into a frame.
_HEADERS = {
  "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
}


def make_app(player: player_lib.Player, hosts: list[str] | None = None) -> fastapi.FastAPI:
  """The app.

  Args:
    player: whose notes they are.
    hosts: names that it answers to; any without. A page elsewhere could otherwise reach a server
      of this machine by a name of its own that leads here.
  """
  app = fastapi.FastAPI(
    title="cvae_jax",
    version=__version__,
    description="Notes of a trained run: generated, encoded, interpolated, as instruments.",
    docs_url=None,  # FastAPI's page of documentation asks others for its scripts.
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
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return responses.JSONResponse({"detail": f"{where}: {first['msg']}".lstrip(": ")}, 422)

  async def decode(point, draft=False):
    future = player.engine.submit(point, draft)
    try:
      return await asyncio.wait_for(asyncio.wrap_future(future), player_lib.WORK_TIMEOUT_S)
    except TimeoutError:
      raise engine_lib.Busy(f"not made within {player_lib.WORK_TIMEOUT_S:g} s") from None

  def wav(example):
    audio, sample_rate = player.synth.form.hear(example)
    return responses.Response(files.to_wav(audio, sample_rate), media_type="audio/wav")

  thread = asyncio.to_thread
  card = player.card

  @app.get("/api/health")
  async def health() -> schema.Health:
    """That the server is there."""
    return schema.Health(status="ok", version=__version__)

  @app.get("/api/model")
  async def model() -> schema.Card:
    """What the run is and can be asked for."""
    return card

  @app.get("/api/notes")
  async def notes() -> list[schema.Dot]:
    """Training notes on the map of the latent space."""
    return await thread(player.dots)

  @app.get("/api/notes/{number}", responses=_BAD)
  async def note(number: int) -> schema.Encoded:
    """The code of a training note of the map, as a sound."""
    return player.dot_sound(number)

  @app.get(
    "/api/notes/{number}/audio",
    responses={**_BAD, **_WAV},
    response_class=responses.Response,
  )
  async def note_audio(number: int):
    """A training example of the map, as it is in the data."""
    example = await thread(player.training_note, number)
    return await thread(wav, example)

  @app.post("/api/generate", responses={**_BAD, **_WAV}, response_class=responses.Response)
  async def generate(note: schema.Note):
    """A new sound, as a WAV."""
    point = await thread(player.to_point, note, (note.pitch,))
    examples = await decode(point, note.draft)
    return await thread(wav, examples[0])

  @app.post("/api/instrument", responses=_BAD)
  async def instrument(keys: schema.Keys) -> schema.KeysMade:
    """A sound on keys, with the loops by which they can be held."""
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
  async def download(asked: schema.Instrument):
    """A sound as an instrument for a sampler."""
    if asked.last < asked.first:
      raise errors.UserError(f"last must be {asked.first} or more, got {asked.last}")
    instrument_lib.check(player.synth)
    pitches = list(range(asked.first, asked.last + 1, asked.step))
    point = await thread(player.to_point, asked.sound, pitches)
    examples = await decode(point)
    name, body, kind = await thread(player.pack, point, examples, asked)
    disposition = f'attachment; filename="{name}"'
    return responses.Response(body, 200, {"Content-Disposition": disposition}, kind)

  @app.post("/api/place", responses=_BAD)
  async def place(sound: schema.Sound) -> schema.Placed:
    """A sound with its code written out, and where it lies on the map."""
    point = await thread(player.to_point, sound)
    return player.place(point, sound)

  @app.post("/api/interpolate", responses=_BAD)
  async def interpolate(asked: schema.Interpolation) -> schema.Interpolated:
    """Sounds from one to another, to be played as any other."""
    a, b = [await thread(player.to_point, sound) for sound in (asked.a, asked.b)]
    between = latent_space.interpolate(player.synth, a, b, asked.steps, asked.path, asked.part)
    made = []
    for i in range(asked.steps):
      row = {name: value[i : i + 1] for name, value in between.labels.items()}
      made.append(player.place(latent_space.Point(between.code[i : i + 1], row), asked.a))
    return schema.Interpolated(sounds=made)

  @app.post(
    "/api/encode",
    responses=_BAD,
    openapi_extra={
      "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
      }
    },
  )
  async def encode(
    request: fastapi.Request,
    pitch: Annotated[float | None, fastapi.Query(ge=0, le=127, allow_inf_nan=False)] = None,
  ) -> schema.Encoded:
    """A recording (WAV, FLAC, OGG, MP3) as a sound; its labels are inferred by the run."""
    body = await request.body()
    return await thread(player.encode, body, pitch)

  if os.path.isdir(_STATIC):

    @app.get("/", include_in_schema=False)
    async def index():
      return responses.FileResponse(os.path.join(_STATIC, "index.html"))

    app.mount("/static", staticfiles.StaticFiles(directory=_STATIC), name="static")
  return app
