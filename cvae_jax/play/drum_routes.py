"""The routes of the HTTP API for runs of drums: kits and patterns."""

import asyncio
from collections.abc import Mapping
from typing import Any

import fastapi
from fastapi import responses

from cvae_jax.audio import files
from cvae_jax.play import attachments
from cvae_jax.play import drum_schema
from cvae_jax.play import drums
from cvae_jax.play import player as player_lib

_FILE: dict[int | str, dict[str, Any]] = {
  200: {
    "content": {"application/gzip": {}, "application/zip": {}},
    "description": "a drumkit of Hydrogen; or a ZIP of WAVs, with an SFZ file",
  }
}


def add_routes(
  app: fastapi.FastAPI,
  player: player_lib.Player,
  decode: Any,
  problems: Mapping[int | str, dict[str, Any]],
) -> None:
  """Adds the routes.

  Args:
    app: of the API.
    player: the run to serve.
    decode: coroutine function of a point, and whether it is a draft, to examples.
    problems: responses to bad requests.
  """
  synth, thread = player.synth, asyncio.to_thread

  async def to_examples(sounds, draft=False):
    point = await thread(drums.to_point, synth, player.palette, sounds)
    return point, await decode(point, draft)

  @app.post("/api/kit", responses={**problems})
  async def make_kit(kit: drum_schema.Kit) -> drum_schema.KitMade:
    """The sounds of up to sixteen drums, made in one batch."""
    _, examples = await to_examples(kit.sounds, kit.draft)
    return await thread(drums.make_kit, synth, examples)

  @app.post("/api/kit/download", responses={**problems, **_FILE}, response_class=responses.Response)
  async def download_kit(request: drum_schema.KitDownload):
    """A kit as a drumkit of Hydrogen, as SFZ or as WAVs, to download."""
    point, examples = await to_examples([drum.sound for drum in request.drums])
    return attachments.attach(*await thread(drums.pack_kit, synth, point, examples, request))

  @app.post(
    "/api/pattern/midi",
    responses={**problems, **attachments.MIDI},
    response_class=responses.Response,
  )
  async def download_midi(request: drum_schema.PatternMidi):
    """A pattern as a MIDI file on channel 10, to download."""
    return attachments.attach("pattern.mid", await thread(drums.make_midi, request), "audio/midi")

  @app.post(
    "/api/pattern/loop",
    responses={**problems, **attachments.WAV},
    response_class=responses.Response,
  )
  async def download_loop(request: drum_schema.PatternLoop):
    """A pattern as a WAV that loops, as long as its bar."""
    drums.check_loop(request)
    point, examples = await to_examples(request.sounds)
    audio = await thread(drums.make_loop, synth, point, examples, request)
    return attachments.attach("loop.wav", files.to_wav(audio, synth.sample_rate), "audio/wav")
