"""The note that a WAV says it is of: what samplers call its root, or its unity note."""

import struct

from cvae_jax.data import labels

_MAX_CHUNKS = 1000
_AT = 12  # of the note within the chunk: behind the maker, the product and the sample's period


def read(path: str) -> int | None:
  """MIDI number in a WAV's sampler chunk; None for a file without one.

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
          body = f.read(_AT + 4)
          pitch = struct.unpack_from("<I", body, _AT)[0] if len(body) == _AT + 4 else -1
          return pitch if 0 <= pitch < labels.NUM_PITCHES else None
        f.seek(length + length % 2, 1)
  except OSError:
    pass
  return None
