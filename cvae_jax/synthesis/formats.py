"""Writers of instruments for samplers: SFZ with WAVs, SoundFont 2, or WAVs only."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import io
import math
import struct
import zipfile

import numpy as np

from cvae_jax import play
from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.synthesis import instrument

_RELEASE_S = 0.25


def file_name(key: instrument.Key) -> str:
  """File name of a key's sample, such as 060-v100.wav."""
  return f"{key.pitch:03d}-v{key.velocity:03d}.wav"


def key_ranges(keys: Sequence[instrument.Key]) -> Iterable[tuple[instrument.Key, range, range]]:
  """Yields keys with their ranges of pitches and velocities, without gaps or overlaps.

  A key extends halfway to its neighbours, a velocity layer down to the next softer one.
  """
  velocities = sorted({key.velocity for key in keys})
  for layer, velocity in enumerate(velocities):
    low = velocities[layer - 1] + 1 if layer else 1
    high = velocity if layer < len(velocities) - 1 else 127
    row = sorted((key for key in keys if key.velocity == velocity), key=lambda key: key.pitch)
    for i, key in enumerate(row):
      first = (row[i - 1].pitch + key.pitch) // 2 + 1 if i else 0
      last = (key.pitch + row[i + 1].pitch) // 2 if i < len(row) - 1 else 127
      yield key, range(first, last + 1), range(low, high + 1)


def to_zip(packed: Mapping[str, bytes], folder: str) -> bytes:
  """Encodes files, by name, as a zip file of one folder."""
  out = io.BytesIO()
  with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, body in packed.items():
      archive.writestr(f"{folder}/{name}", body)
  return out.getvalue()


def to_pcm(audio: np.ndarray) -> bytes:
  """Encodes a waveform as little-endian 16-bit samples, clipped to full scale."""
  return np.rint(np.clip(audio, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def to_sfz(keys: Sequence[instrument.Key], sample_rate: int, title: str) -> str:
  """Formats an instrument as the text of an SFZ file.

  Samples are at full level. SFZ's default velocity curve, 40 log10(velocity / 127) dB, equals
  `level.velocity_to_gain`.

  Args:
    keys: of `instrument.make_instrument`.
    sample_rate: of the samples, in Hz.
    title: in the first line.
  """
  lines = [
    f"// {title}: made by cvae_jax, {len(keys)} samples at {sample_rate} Hz",
    "<global>",
    "amp_veltrack=100",
    f"ampeg_release={_RELEASE_S}",
  ]
  layer = None
  for key, pitches, velocities in key_ranges(keys):
    if velocities != layer:
      layer = velocities
      lines += ["", "<group>", f"lovel={layer[0]} hivel={layer[-1]}"]
    region = (
      f"<region> sample={file_name(key)} lokey={pitches[0]} hikey={pitches[-1]}"
      f" pitch_keycenter={key.pitch}"
    )
    if key.loop is None:
      region += " loop_mode=no_loop"
    else:  # SFZ's loop_end is inclusive.
      region += (
        f" loop_mode=loop_continuous loop_start={key.loop.start} loop_end={key.loop.end - 1}"
      )
    lines.append(region)
  return "\n".join(lines) + "\n"


# SoundFont 2's generators, by number.
_INSTRUMENT, _KEY_RANGE, _VELOCITY_RANGE, _SAMPLE_ID = 41, 43, 44, 53
_SAMPLE_MODES, _ROOT_KEY, _RELEASE_ENVELOPE = 54, 58, 38
_LOOP = 1  # sample mode: loops also during the release
_GAP = 46  # zeros required after every sample


def _chunk(name: bytes, body: bytes) -> bytes:
  return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _list(kind: bytes, *chunks: bytes) -> bytes:
  return _chunk(b"LIST", kind + b"".join(chunks))


def _name(text: str) -> bytes:
  """Encodes a name in 20 bytes, terminated by 0."""
  return text.encode("ascii", "replace")[:19].ljust(20, b"\0")


def to_sf2(keys: Sequence[instrument.Key], sample_rate: int, title: str) -> bytes:
  """Encodes an instrument as a soundfont with a single preset, bank 0 program 0.

  The velocity curve is SoundFont's default, 40 log10(velocity / 127) dB, as in SFZ. SoundFont's
  default low-pass filter for soft notes is disabled, since a run generates its own timbre for each
  velocity.

  Args:
    keys: of `instrument.make_instrument`.
    sample_rate: of the samples, in Hz.
    title: of the preset; at most 19 characters are stored.

  Source: SoundFont Technical Specification 2.04 (Creative Technology, 2006), sections 5 to 9.
  """
  samples, headers, zones, generators = [], [], [], []
  position = 0

  def generator(number, amount):
    generators.append(struct.pack("<HH", number, amount & 0xFFFF))

  def zone(modulators):
    zones.append(struct.pack("<HH", len(generators), modulators))

  zone(0)  # The global zone, which applies to all others.
  generator(_RELEASE_ENVELOPE, round(1200.0 * math.log2(_RELEASE_S)))
  # Sets the modulator of velocity to filter cutoff to 0, in the form of 2.01 and in that of 2.04.
  modulators = [struct.pack("<HHhHH", 0x0102, 8, 0, source, 0) for source in (0x0D02, 0)]
  for number, (key, pitches, velocities) in enumerate(key_ranges(keys)):
    length = len(key.audio)
    samples += [to_pcm(key.audio), b"\0" * (2 * _GAP)]
    start, end = (0, length) if key.loop is None else (key.loop.start, key.loop.end)
    headers.append(
      _name(file_name(key)[:-4])
      + struct.pack(
        "<IIIIIBbHH",
        *(position, position + length, position + start, position + end),
        *(sample_rate, key.pitch, 0, 0, 1),
      )
    )
    position += length + _GAP
    zone(len(modulators))
    generator(_KEY_RANGE, pitches[0] | pitches[-1] << 8)
    generator(_VELOCITY_RANGE, velocities[0] | velocities[-1] << 8)
    generator(_SAMPLE_MODES, 0 if key.loop is None else _LOOP)
    generator(_ROOT_KEY, key.pitch)
    generator(_SAMPLE_ID, number)
  num_zones, num_generators = len(zones), len(generators)
  end_modulator, end_generator = b"\0" * 10, b"\0" * 4
  preset = "<20sHHHIII"
  body = b"sfbk" + b"".join(
    (
      _list(
        b"INFO",
        _chunk(b"ifil", struct.pack("<HH", 2, 4)),
        _chunk(b"isng", b"EMU8000\0"),
        _chunk(b"INAM", _name(title)),
        _chunk(b"ISFT", b"cvae_jax\0\0"),
      ),
      _list(b"sdta", _chunk(b"smpl", b"".join(samples))),
      _list(
        b"pdta",
        _chunk(
          b"phdr",
          struct.pack(preset, _name(title), 0, 0, 0, 0, 0, 0)
          + struct.pack(preset, _name("EOP"), 0, 0, 1, 0, 0, 0),
        ),
        _chunk(b"pbag", struct.pack("<HHHH", 0, 0, 1, 0)),
        _chunk(b"pmod", end_modulator),
        _chunk(b"pgen", struct.pack("<HH", _INSTRUMENT, 0) + end_generator),
        _chunk(
          b"inst",
          struct.pack("<20sH", _name(title), 0) + struct.pack("<20sH", _name("EOI"), num_zones),
        ),
        _chunk(b"ibag", b"".join(zones) + struct.pack("<HH", num_generators, len(modulators))),
        _chunk(b"imod", b"".join(modulators) + end_modulator),
        _chunk(b"igen", b"".join(generators) + end_generator),
        _chunk(b"shdr", b"".join(headers) + _name("EOS") + b"\0" * 26),
      ),
    )
  )
  return b"RIFF" + struct.pack("<I", len(body)) + body


def pack(
  keys: Sequence[instrument.Key], form: str, sample_rate: int, title: str
) -> dict[str, bytes]:
  """Encodes an instrument as files, by name.

  Args:
    keys: of `instrument.make_instrument`.
    form: one of `play.FORMATS`.
    sample_rate: of the samples, in Hz.
    title: of the instrument.

  Raises:
    UserError: if the format is unknown.
  """
  if form not in play.FORMATS:
    raise errors.UserError(f"the format must be one of {', '.join(play.FORMATS)}, got '{form}'")
  if form == "sf2":
    return {f"{title}.sf2": to_sf2(keys, sample_rate, title)}
  packed = {file_name(key): files.to_wav(key.audio, sample_rate) for key in keys}
  if form == "sfz":
    packed[f"{title}.sfz"] = to_sfz(keys, sample_rate, title).encode()
  return packed
