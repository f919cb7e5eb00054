"""Responses of the HTTP API that are files to be saved."""

from typing import Any

from fastapi import responses

MIDI: dict[int | str, dict[str, Any]] = {
  200: {"content": {"audio/midi": {}}, "description": "a MIDI file"}
}
WAV: dict[int | str, dict[str, Any]] = {
  200: {"content": {"audio/wav": {}}, "description": "a 16-bit WAV"}
}


def attach(name: str, body: bytes, media_type: str) -> responses.Response:
  """The response with a file of this name."""
  disposition = f'attachment; filename="{name}"'
  return responses.Response(body, 200, {"Content-Disposition": disposition}, media_type)
