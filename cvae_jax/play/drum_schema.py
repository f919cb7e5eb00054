"""Request and response models of the API's routes for runs of drums."""

from typing import Annotated
from typing import Literal

import pydantic

from cvae_jax.data import percussion
from cvae_jax.play import schema
from cvae_jax.scores import drum_pattern
from cvae_jax.synthesis import drum_kit

MAX_BARS = 64
_Real = Annotated[float, pydantic.Field(allow_inf_nan=False)]
_Key = Annotated[int, pydantic.Field(ge=percussion.FIRST, le=percussion.LAST)]
_Level = Annotated[_Real, pydantic.Field(ge=0, le=1)]
_Step = Annotated[int, pydantic.Field(ge=0, le=2)]


class Kit(schema.Strict):
  """Sounds of a kit, made in one batch."""

  sounds: list[schema.Sound] = pydantic.Field(min_length=1, max_length=drum_kit.MAX_HITS)
  draft: bool = pydantic.Field(True, description="faster, with fewer Griffin-Lim iterations")


class KitMade(schema.Strict):
  """The sounds of a kit."""

  sample_rate: int
  sounds: list[str] = pydantic.Field(
    description="base64 of 16-bit little-endian samples of each, in their order"
  )


class Drum(schema.Strict):
  """A drum of a kit."""

  sound: schema.Sound = schema.Sound()
  key: _Key = pydantic.Field(description="of General MIDI's percussion, of its own in a kit")
  level: _Level = 1.0


class KitDownload(schema.Strict):
  """A kit to download."""

  drums: list[Drum] = pydantic.Field(min_length=1, max_length=drum_kit.MAX_HITS)
  format: Literal["hydrogen", "sfz", "wav"] = "hydrogen"
  title: str = pydantic.Field("kit", min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_ -]+$")


class Track(schema.Strict):
  """The steps of a drum."""

  key: _Key
  steps: list[_Step] = pydantic.Field(
    min_length=drum_pattern.STEPS,
    max_length=drum_pattern.STEPS,
    description="0: silent, 1: a hit, 2: an accent",
  )
  level: _Level = 1.0


class Pattern(schema.Strict):
  """A bar of sixteen steps."""

  tracks: list[Track] = pydantic.Field(min_length=1, max_length=drum_pattern.MAX_TRACKS)
  tempo_bpm: _Real = pydantic.Field(120, ge=drum_pattern.MIN_BPM, le=drum_pattern.MAX_BPM)
  swing: _Real = pydantic.Field(
    drum_pattern.STRAIGHT,
    ge=drum_pattern.STRAIGHT,
    le=drum_pattern.MAX_SWING,
    description="share of two steps that the first one takes",
  )

  def to_pattern(self) -> drum_pattern.Pattern:
    """The pattern of the library."""
    tracks = tuple(drum_pattern.Track(t.key, tuple(t.steps), t.level) for t in self.tracks)
    return drum_pattern.Pattern(tracks, self.tempo_bpm, self.swing)


class PatternMidi(schema.Strict):
  """A pattern to download as a MIDI file."""

  pattern: Pattern
  bars: int = pydantic.Field(1, ge=1, le=MAX_BARS)


class PatternLoop(schema.Strict):
  """A pattern to download as a WAV that loops."""

  pattern: Pattern
  sounds: list[schema.Sound] = pydantic.Field(
    min_length=1, max_length=drum_pattern.MAX_TRACKS, description="of each track"
  )
