"""Writes MIDI files byte by byte, so that tests have files that no library would write."""

import struct


def number(value):
  """A number of variable length."""
  out = [value & 0x7F]
  while value := value >> 7:
    out.insert(0, value & 0x7F | 0x80)
  return bytes(out)


def event(delta, *data):
  return number(delta) + bytes(data)


def on(delta, pitch, velocity=100, channel=0):
  return event(delta, 0x90 | channel, pitch, velocity)


def off(delta, pitch, channel=0):
  return event(delta, 0x80 | channel, pitch, 64)


def control(delta, controller, value, channel=0):
  return event(delta, 0xB0 | channel, controller, value)


def meta(delta, kind, *data):
  return event(delta, 0xFF, kind, len(data), *data)


def tempo(delta, microseconds):
  return meta(delta, 0x51, *microseconds.to_bytes(3, "big"))


END = meta(0, 0x2F)


def chunk(name, body, length=None):
  return name + struct.pack(">I", len(body) if length is None else length) + body


def track(*events, length=None, end=END):
  return chunk(b"MTrk", b"".join(events) + end, length)


def song(*chunks, kind=1, division=480, tracks=None, extra=b""):
  """A file of chunks; `division` as it is stored, `extra` bytes in the header."""
  count = len(chunks) if tracks is None else tracks
  return chunk(b"MThd", struct.pack(">HHH", kind, count, division) + extra) + b"".join(chunks)


def riff(body, kind=b"RMID", name=b"data", length=None):
  inner = name + struct.pack("<I", len(body) if length is None else length) + body
  return b"RIFF" + struct.pack("<I", 4 + len(inner)) + kind + inner
