"""Request and response models of the API, from which FastAPI makes the OpenAPI schema."""

from typing import Annotated
from typing import Any
from typing import Literal

import pydantic

from cvae_jax.play import sounds

MAX_KEYS = 128
MAX_S = 60.0  # of a recording
_Real = Annotated[float, pydantic.Field(allow_inf_nan=False)]
Pitch = Annotated[_Real, pydantic.Field(ge=0, le=127)]
_Place = Annotated[_Real, pydantic.Field(ge=-6, le=6)]
_Weight = Annotated[_Real, pydantic.Field(gt=0, le=1000)]
_Name = Annotated[str, pydantic.Field(max_length=100)]
_Mix = Annotated[dict[_Name, _Weight], pydantic.Field(min_length=1, max_length=32)]
_Number = Annotated[_Real, pydantic.Field(ge=0, le=1e6)]
_Names = Annotated[list[_Name], pydantic.Field(max_length=32)]
Labels = dict[_Name, _Number | _Name | _Mix | _Names]
_Code = Annotated[_Real, pydantic.Field(ge=-1000, le=1000)]
_Curve = Annotated[list[_Code], pydantic.Field(min_length=1, max_length=100_000)]


class Strict(pydantic.BaseModel):
  """A model that rejects unknown fields."""

  model_config = pydantic.ConfigDict(extra="forbid")


class Sound(Strict):
  """A sound, independent of pitch."""

  labels: Labels = pydantic.Field(
    {},
    max_length=32,
    description="by label, except the pitch: a name, weights by name, a number, or names of flags",
  )
  seed: int = pydantic.Field(0, ge=0, lt=2**32, description="the same seed gives the same sound")
  temperature: _Real = pydantic.Field(
    1.0, ge=0, le=3, description="of the prior; 0 gives the most typical sound"
  )
  code: list[Annotated[_Real, pydantic.Field(ge=-100, le=100)]] | None = pydantic.Field(
    None, max_length=65_536, description="latent code; drawn from the prior if not given"
  )
  places: list[_Place | None] = pydantic.Field(
    [],
    max_length=16,
    description="coordinates on the main directions of the latent space, in standard deviations",
  )

  def to_sound(self) -> sounds.Sound:
    """The sound as `sounds.to_point` takes it."""
    return sounds.Sound(self.labels, self.seed, self.temperature, self.code, self.places)


class Note(Sound):
  """A sound at a pitch."""

  pitch: Pitch = 60
  draft: bool = pydantic.Field(False, description="faster, with fewer Griffin-Lim iterations")


class Keys(Strict):
  """A sound at several pitches."""

  sound: Sound = Sound()
  pitches: list[Pitch] = pydantic.Field(min_length=1, max_length=MAX_KEYS)
  draft: bool = True


class Loop(Strict):
  """A loop: its first sample, and the sample after its last."""

  start: int
  end: int


class Key(Strict):
  """The note of a key."""

  pitch: float
  loop: Loop | None
  audio: str = pydantic.Field(description="base64 of 16-bit little-endian samples at full level")


class KeysMade(Strict):
  """Notes of several keys."""

  sample_rate: int
  gain: float = pydantic.Field(description="of the sound's velocity; the samples are at full level")
  keys: list[Key]


class Interpolation(Strict):
  """An interpolation from sound a to sound b."""

  a: Sound
  b: Sound
  steps: int = pydantic.Field(8, ge=2, le=64)
  path: Literal["linear", "spherical"] = "spherical"
  part: Literal["code", "labels", "both"] = "both"


class Placed(Strict):
  """A sound, and its coordinates on the map."""

  sound: Sound
  places: list[float] = pydantic.Field(
    description="coordinates on the main directions, in standard deviations"
  )


class Interpolated(Strict):
  """Interpolated sounds, both ends included."""

  sounds: list[Placed]


class Encoded(Placed):
  """A recording as a sound."""

  pitch: float | None = pydantic.Field(description="None if the run has no pitch")
  changes: list[str] = pydantic.Field(
    description="changes made to the recording, such as 'resampled'"
  )


class Melody(Strict):
  """A recording's f0 and loudness, moved into the range of the instrument."""

  frame_s: float
  pitch: list[float] = pydantic.Field(description="MIDI number of every frame")
  loudness_db: list[float]
  clear: list[bool] = pydantic.Field(description="frames with a clear pitch")
  semitones: float = pydantic.Field(description="by which it was transposed")
  gain_db: float = pydantic.Field(description="by which its loudness was changed")
  warning: str | None = pydantic.Field(description="what to expect of it")


class Performance(Strict):
  """A melody to be played by a sound."""

  sound: Sound = Sound()
  pitch: list[Pitch] = pydantic.Field(min_length=1, max_length=100_000)
  loudness_db: Annotated[list[Annotated[_Real, pydantic.Field(ge=-200, le=40)]],
                         pydantic.Field(min_length=1, max_length=100_000)]  # fmt: skip
  gain_db: _Real = pydantic.Field(0.0, ge=-100, le=100, description="taken from the result")
  in_room: bool = pydantic.Field(True, description="whether the room that was learnt is heard")


class Latents(Strict):
  """A recording, or a draw of the prior, as curves of the latents that are heard."""

  frame_s: float
  num_samples: int
  codes: list[list[float]] = pydantic.Field(
    description="a curve for each latent, that of the largest variance first"
  )


class LatentsPlayed(Strict):
  """Curves of latents to be played."""

  codes: Annotated[list[_Curve], pydantic.Field(min_length=1, max_length=4096)]
  num_samples: int | None = pydantic.Field(
    None, ge=1, description="of the sound; all of the frames if null"
  )
  seed: int = pydantic.Field(0, ge=0, lt=2**32, description="of the noise")


class LatentsDrawn(Strict):
  """Curves to be drawn of the prior."""

  seconds: _Real = pydantic.Field(8.0, gt=0, le=MAX_S)
  seed: int = pydantic.Field(0, ge=0, lt=2**32)
  temperature: _Real = pydantic.Field(1.0, ge=0, le=3, description="of the prior")


class LatentChange(Strict):
  """What is done to latents: scale * code + bias. Those that are not in a list stay as they are."""

  scale: list[_Code] = pydantic.Field([], max_length=4096)
  bias: list[_Code] = pydantic.Field([], max_length=4096)


class LiveStart(Strict):
  """The first message of a client that plays live."""

  sound: Sound = Sound()
  block_frames: int | None = pydantic.Field(
    None, ge=1, le=64, description="frames of a block; as suits the run if null"
  )
  follow: bool = pydantic.Field(
    False, description="whether blocks are sound, whose f0 and loudness or latents are followed"
  )
  change: LatentChange = LatentChange()
  semitones: _Real | None = pydantic.Field(
    None,
    ge=-60,
    le=60,
    description="that followed sound is transposed by; octaves that fit if null",
  )
  in_room: bool = True


class LiveReady(Strict):
  """The answer to it."""

  kind: Literal["pitch", "latents"] = pydantic.Field(description="what a block is followed by")
  sample_rate: int
  hop_length: int = pydantic.Field(description="samples of a frame")
  block_frames: int
  latency: int = pydantic.Field(description="samples by which the sound is late")
  pitch: list[float] = pydantic.Field(
    [], description="quantiles of the training examples' MIDI pitch"
  )
  loudness_db: list[float] = pydantic.Field([], description="quantiles of their loudness")
  latents: int = pydantic.Field(0, description="number of curves of an answer, if of latents")


class LiveBlock(Strict):
  """A later message of a client that plays live, in JSON."""

  sound: Sound | None = pydantic.Field(None, description="from here on, if given")
  pitch: list[Pitch] = pydantic.Field([], max_length=64, description="MIDI number of every frame")
  loudness_db: Annotated[list[Annotated[_Real, pydantic.Field(ge=-200, le=40)]],
                         pydantic.Field(max_length=64)] = []  # fmt: skip
  change: LatentChange | None = pydantic.Field(None, description="from here on, if given")


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
  """A label that the run is conditioned on."""

  name: str
  kind: Literal["names", "number", "flags"]
  names: list[str] = pydantic.Field(description="that occur in the training data")
  low: int | None = pydantic.Field(None, description="lowest number in the training data")
  high: int | None = pydantic.Field(None, description="highest number in the training data")
  mixed: bool = pydantic.Field(False, description="whether names can be mixed")


class PercussionKey(Strict):
  """A key of General MIDI's percussion."""

  key: int
  name: str
  kind: str = pydantic.Field(description="of the label kind")
  choke: int = pydantic.Field(description="group of keys of which one sounds at a time; 0 for none")


class Card(Strict):
  """Describes a run: its form, labels and capabilities."""

  name: str
  step: int
  version: str
  form: Literal["sound", "score"]
  sample_rate: int
  seconds: float | None = pydantic.Field(description="duration of a sound")
  conditions: list[str]
  labels: list[Label] = pydantic.Field(description="of the conditions, in their order")
  main: str | None = pydantic.Field(description="the label that colours the map")
  code_size: int = pydantic.Field(description="number of values in a code")
  can_sample: bool
  can_encode: bool
  can_perform: bool = pydantic.Field(False, description="whether f0 and loudness play it")
  has_room: bool = pydantic.Field(False, description="whether it has learnt a room")
  performed: list[float] = pydantic.Field(
    [], description="MIDI pitches that 80 % of the training examples lie between, if f0 plays it"
  )
  latents: int = pydantic.Field(
    0, description="number of latents that are heard and can be played as curves; 0 without"
  )
  can_extend: bool = pydantic.Field(
    False, description="whether such curves of any length can be drawn of the prior"
  )
  percussion: list[PercussionKey] = pydantic.Field(
    [], description="of a run of drums, the keys that it has drums for, the most usual ones first"
  )
  directions: int = pydantic.Field(description="of the map; 0 without a map")
  meanings: list[str] = pydantic.Field(
    [], description="of each direction: names of dimensions with a meaning, '' of other directions"
  )
  training_examples: int
  results: dict[str, Any] = pydantic.Field(description="of `evaluate`")


class Health(Strict):
  """Status of the server."""

  status: str
  version: str


class Problem(Strict):
  """An error, in one line."""

  detail: str
