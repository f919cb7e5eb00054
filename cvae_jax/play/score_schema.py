"""Request and response models of the API's routes for runs of scores on a grid of steps."""

from typing import Annotated
from typing import Literal

import pydantic

from cvae_jax.play import schema

MAX_SCORES = 16  # of a request
MAX_JOINED = 64  # scores of a file
MIN_BPM, MAX_BPM = 30.0, 300.0
_Real = Annotated[float, pydantic.Field(allow_inf_nan=False)]
_Name = Annotated[str, pydantic.Field(max_length=100)]
_Whole = Annotated[int, pydantic.Field(ge=0, le=100_000)]
_Row = Annotated[list[_Whole], pydantic.Field(min_length=2, max_length=3)]
_Rows = Annotated[list[_Row], pydantic.Field(max_length=10_000)]
Notes = Annotated[dict[_Name, _Rows], pydantic.Field(max_length=3)]
_Code = Annotated[
  list[Annotated[_Real, pydantic.Field(ge=-100, le=100)]], pydantic.Field(max_length=65_536)
]
_Share = Annotated[_Real, pydantic.Field(ge=0, le=1)]
_Seed = Annotated[int, pydantic.Field(ge=0, lt=2**32)]
_NOTES = (
  "by voice: of a melody [start, end, pitch] of each note, in steps and as a MIDI number; of drums "
  "[step, class] of each stroke"
)


class ScoreVoice(schema.Strict):
  """A voice of a run's scores."""

  name: Literal["melody", "bass", "drums"]
  low: int = pydantic.Field(description="lowest MIDI number; of drums 0")
  high: int = pydantic.Field(description="highest MIDI number; of drums the last class")
  program: int = pydantic.Field(description="of General MIDI, from 0")
  classes: list[str] = pydantic.Field(description="names of the drums' classes")
  keys: list[list[int]] = pydantic.Field(description="percussion keys of the drums' classes")


class ScoreForm(schema.Strict):
  """What a run's scores are made of."""

  voices: list[ScoreVoice]
  num_steps: int
  bar_steps: int
  quarter_steps: int = pydantic.Field(description="steps of a quarter note")
  attributes: list[str] = pydantic.Field(description="that scores can be moved along")


class Score(schema.Strict):
  """A score and its code."""

  notes: Notes = pydantic.Field(description=_NOTES)
  code: list[float] = pydantic.Field(description="of the latent space, flattened")


class Scores(schema.Strict):
  """Scores, in the order in which they were asked for."""

  scores: list[Score]


class ReadScore(schema.Strict):
  """A score of a MIDI file."""

  notes: Notes = pydantic.Field(description=_NOTES)
  changes: list[str] = pydantic.Field(description="made to the file, such as 'cut'")


class Source(schema.Strict):
  """What a score is made of: a seed, a code, or notes; and what it is moved by."""

  seed: _Seed = 0
  temperature: _Real = pydantic.Field(1.0, ge=0, le=3, description="of the prior")
  code: _Code | None = pydantic.Field(None, description="in place of the seed")
  notes: Notes | None = pydantic.Field(None, description=f"in place of both, encoded; {_NOTES}")
  attributes: dict[_Name, Annotated[_Real, pydantic.Field(ge=-5, le=5)]] = pydantic.Field(
    {}, max_length=32, description="how far it is moved along the vector of each attribute"
  )


class Conditioned(schema.Strict):
  """A request under labels."""

  labels: schema.Labels = pydantic.Field({}, max_length=32, description="of all scores, by name")


class Sources(Conditioned):
  """Scores to make. Those of notes without attributes come back as they are, with their code."""

  scores: list[Source] = pydantic.Field(min_length=1, max_length=MAX_SCORES)


class Strip(Conditioned):
  """A way from one code to another."""

  a: _Code
  b: _Code
  steps: int = pydantic.Field(7, ge=2, le=MAX_SCORES)
  path: Literal["linear", "spherical"] = "spherical"


class Mix(Conditioned):
  """Mixes of four codes in a square."""

  corners: list[_Code] = pydantic.Field(
    min_length=4, max_length=4, description="codes top left, top right, bottom left, bottom right"
  )
  points: list[Annotated[list[_Share], pydantic.Field(min_length=2, max_length=2)]] = (
    pydantic.Field(
      min_length=1, max_length=MAX_SCORES, description="[x, y] from the left and from the top"
    )
  )
  path: Literal["linear", "spherical"] = "spherical"


class Similar(Conditioned):
  """Scores near another."""

  code: _Code
  seed: _Seed = 0
  temperature: _Real = pydantic.Field(1.0, ge=0, le=3, description="of the prior")
  amount: _Share = pydantic.Field(0.25, description="of the way to a score of the prior")
  count: int = pydantic.Field(1, ge=1, le=MAX_SCORES)


class ScoreFile(schema.Strict):
  """Scores as a file, one after the other."""

  scores: list[Notes] = pydantic.Field(min_length=1, max_length=MAX_JOINED, description=_NOTES)
  tempo_bpm: _Real = pydantic.Field(120, ge=MIN_BPM, le=MAX_BPM)
  family: _Name | None = pydantic.Field(None, description="of the melody's instrument, in a WAV")


class ScoreSound(schema.Strict):
  """Notes of an instrument that plays scores."""

  pitches: list[Annotated[int, pydantic.Field(ge=0, le=127)]] = pydantic.Field(
    min_length=1, max_length=schema.MAX_KEYS
  )
  program: int = pydantic.Field(0, ge=0, le=127, description="of General MIDI")
  family: _Name | None = pydantic.Field(None, description="in place of the program's")


class ScoreKit(schema.Strict):
  """The sounds of the classes of drums."""

  sample_rate: int
  sounds: list[str] = pydantic.Field(description="base64 of 16-bit little-endian samples of each")
  chokes: list[int] = pydantic.Field(description="group of each, of which one sounds at a time")


class Families(schema.Strict):
  """Families of the instruments that can play melodies."""

  families: list[str]
