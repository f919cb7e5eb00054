"""The root note (MIDI unity note) in a WAV file's sampler chunk."""

import struct

from cvae_jax.data import labels

_MAX_CHUNKS = 1000
_NOTE_OFFSET = 12  # in the chunk: after manufacturer, product and sample period


def read(path: str) -> int | None:
  """The MIDI number in a WAV's sampler chunk; None if there is none.

  Source: "Multimedia Data Standards Update", Microsoft 1994, the `smpl` chunk.
  """
  try:
    with open(path, "rb") as f:
      head = f.read(12)
      if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
      for _ in range(_MAX_CHUNKS):
        chunk = f.read(8)
        if len(chunk) < 8:
          return None
        name, length = struct.unpack("<4sI", chunk)
        if name == b"smpl":
          body = f.read(_NOTE_OFFSET + 4)
          pitch = (
            struct.unpack_from("<I", body, _NOTE_OFFSET)[0] if len(body) == _NOTE_OFFSET + 4 else -1
          )
          return pitch if 0 <= pitch < labels.NUM_PITCHES else None
        f.seek(length + length % 2, 1)
  except OSError:
    pass
  return None
