"""What the API takes and gives: pydantic's models, of which FastAPI makes the OpenAPI schema."""

from typing import Annotated
from typing import Any
from typing import Literal

import pydantic

from cvae_jax.play import sounds

MAX_KEYS = 128
_Real = Annotated[float, pydantic.Field(allow_inf_nan=False)]
Pitch = Annotated[_Real, pydantic.Field(ge=0, le=127)]
_Place = Annotated[_Real, pydantic.Field(ge=-6, le=6)]
_Weight = Annotated[_Real, pydantic.Field(gt=0, le=1000)]
_Name = Annotated[str, pydantic.Field(max_length=100)]
_Mix = Annotated[dict[_Name, _Weight], pydantic.Field(min_length=1, max_length=32)]
_Number = Annotated[_Real, pydantic.Field(ge=0, le=1e6)]
_Names = Annotated[list[_Name], pydantic.Field(max_length=32)]


class Strict(pydantic.BaseModel):
  """A model that knows all of its fields."""

  model_config = pydantic.ConfigDict(extra="forbid")


class Sound(Strict):
  """A sound, whatever its pitch."""

  labels: dict[_Name, _Number | _Name | _Mix | _Names] = pydantic.Field(
    {},
    max_length=32,
    description="but for the pitch, by name: a name, weights by name, a number, names of flags",
  )
  seed: int = pydantic.Field(0, ge=0, lt=2**32, description="the same one gives the same sound")
  temperature: _Real = pydantic.Field(1.0, ge=0, le=3, description="0 is the most typical sound")
  code: list[Annotated[_Real, pydantic.Field(ge=-100, le=100)]] | None = pydantic.Field(
    None, max_length=65_536, description="in place of a draw from the prior"
  )
  places: list[_Place | None] = pydantic.Field(
    [], max_length=16, description="on the main directions of the latent space, in deviations"
  )

  def to_sound(self) -> sounds.Sound:
    """As a player sets it."""
    return sounds.Sound(self.labels, self.seed, self.temperature, self.code, self.places)


class Note(Sound):
  """A sound at a pitch."""

  pitch: Pitch = 60
  draft: bool = pydantic.Field(False, description="sooner, with fewer rounds of phase recovery")


class Keys(Strict):
  """A sound on keys."""

  sound: Sound = Sound()
  pitches: list[Pitch] = pydantic.Field(min_length=1, max_length=MAX_KEYS)
  draft: bool = True


class Loop(Strict):
  """A piece that may be repeated: its first sample, and the one after its last."""

  start: int
  end: int


class Key(Strict):
  """A key's note."""

  pitch: float
  loop: Loop | None
  audio: str = pydantic.Field(description="base64 of 16-bit little-endian samples at full level")


class KeysMade(Strict):
  """Notes by key."""

  sample_rate: int
  gain: float = pydantic.Field(description="of the sound's velocity, which is not in the samples")
  keys: list[Key]


class Interpolation(Strict):
  """From one sound to another."""

  a: Sound
  b: Sound
  steps: int = pydantic.Field(8, ge=2, le=64)
  path: Literal["linear", "spherical"] = "spherical"
  part: Literal["code", "labels", "both"] = "both"


class Placed(Strict):
  """A sound, and where it lies."""

  sound: Sound
  places: list[float] = pydantic.Field(description="on the main directions, in deviations")


class Interpolated(Strict):
  """The sounds on the way, both ends among them."""

  sounds: list[Placed]


class Encoded(Placed):
  """A recording as a sound."""

  pitch: float | None = pydantic.Field(description="None where there are no pitches")
  changes: list[str] = pydantic.Field(description="what was done to the recording")


class Instrument(Strict):
  """An instrument to download."""

  sound: Sound = Sound()
  first: int = pydantic.Field(36, ge=0, le=127)
  last: int = pydantic.Field(84, ge=0, le=127)
  step: int = pydantic.Field(3, ge=1, le=24)
  format: Literal["sfz", "sf2", "wav"] = "sfz"


class Dot(Strict):
  """A training note on the map."""

  id: str
  places: list[float]
  labels: dict[str, str | float]


class Label(Strict):
  """A label that a run can be asked for."""

  name: str
  kind: Literal["names", "number", "flags"]
  names: list[str] = pydantic.Field(description="that were in training")
  low: int | None = pydantic.Field(None, description="lowest number in training")
  high: int | None = pydantic.Field(None, description="highest number in training")
  mixed: bool = pydantic.Field(False, description="whether names can be mixed")


class Card(Strict):
  """What a run is and can be asked for."""

  name: str
  step: int
  version: str
  form: Literal["sound", "score"]
  sample_rate: int
  seconds: float | None = pydantic.Field(description="of a sound")
  conditions: list[str]
  labels: list[Label] = pydantic.Field(description="of the conditions, in their order")
  main: str | None = pydantic.Field(description="the label that colours the map")
  code_size: int = pydantic.Field(description="numbers of a code")
  can_sample: bool
  can_encode: bool
  directions: int = pydantic.Field(description="of its map; 0 where there is none")
  training_examples: int
  results: dict[str, Any] = pydantic.Field(description="what `evaluate` has found of it")


class Health(Strict):
  """Of the server."""

  status: str
  version: str


class Problem(Strict):
  """What was wrong, in one line."""

  detail: str
