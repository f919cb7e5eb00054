"""A run that is played: what the API's routes do, apart from how they are asked."""

import base64
import functools
import io
import math
import os
import tempfile
import threading
from typing import Any
import zipfile

import numpy as np

from cvae_jax import errors
from cvae_jax import evaluate
from cvae_jax import latent_space
from cvae_jax import synthesizer
from cvae_jax.audio import files
from cvae_jax.audio import level
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.play import engine as engine_lib
from cvae_jax.play import formats
from cvae_jax.play import instrument
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.play import sounds
from cvae_jax.version import __version__

WORK_TIMEOUT_S = 60.0


def _finite(value):
  """Results with what is no number as None: JSON has no NaN."""
  if isinstance(value, dict):
    return {k: _finite(v) for k, v in value.items()}
  if isinstance(value, list):
    return [_finite(v) for v in value]
  return None if isinstance(value, float) and not math.isfinite(value) else value


def make_card(
  synth: synthesizer.Synthesizer, palette: palette_lib.Palette | None, name: str, workdir: str
) -> schema.Card:
  """What a run is and can be asked for."""
  names: dict[str, tuple[str, ...]] = {"family": labels.FAMILIES, "source": labels.SOURCES}
  known: dict[str, np.ndarray] = {
    label: synth.table.known(label) for label in synth.conditions if label != "qualities"
  }
  choices: dict[str, list[str]] = {
    label: [every[i] for i in known[label]] for label, every in names.items() if label in known
  }
  pitches = known.get("pitch")
  results = evaluate.load_results(workdir) or {}
  return schema.Card(
    name=name,
    step=synth.step,
    version=__version__,
    sample_rate=labels.SAMPLE_RATE,
    seconds=labels.NUM_SAMPLES / labels.SAMPLE_RATE,
    conditions=list(synth.conditions),
    choices=choices,
    pitches=None if pitches is None else [int(pitches.min()), int(pitches.max())],
    velocities=known["velocity"].tolist() if "velocity" in known else [],
    qualities=list(labels.QUALITIES) if "qualities" in synth.conditions else [],
    latent_dim=synth.config.model.latent_dim,
    can_sample=sounds.can_sample(synth),
    can_encode=synth.method.encode is not None,
    directions=0 if palette is None else len(palette.directions),
    training_notes=len(synth.table.columns["pitch"]),
    results=_finite(results),
  )


def read_upload(body: bytes) -> files.Recording:
  """A recording from the bytes of a WAV, FLAC, OGG or MP3 file.

  Raises:
    UserError: bytes that are none.
  """
  with tempfile.TemporaryDirectory() as scratch:
    path = os.path.join(scratch, "recording")
    with open(path, "wb") as f:
      f.write(body)
    try:
      return files.read_note(path, labels.NUM_SAMPLES, labels.SAMPLE_RATE)
    except errors.UserError as e:
      raise errors.UserError(str(e).replace(path, "the recording")) from None


class Player:
  """A run that is played: what the routes do, apart from how they are asked.

  Args:
    synth: the run.
    workdir: of it.
  """

  def __init__(self, synth: synthesizer.Synthesizer, workdir: str):
    self.synth = synth
    self.palette = palette_lib.get_palette(synth, workdir)
    self.engine = engine_lib.Engine(synth)
    name = os.path.basename(os.path.abspath(workdir))
    self.card = make_card(synth, self.palette, name, workdir)
    self._source_lock = threading.Lock()

  def warm_up(self) -> None:
    """Compiles what will be asked for."""
    code = None
    if not self.card.can_sample:
      code = [0.0] * self.card.latent_dim
    self.engine.warm_up(sounds.to_point(self.synth, self.palette, sounds.Sound(code=code)))

  def to_point(self, sound: schema.Sound, pitches=(60,)) -> latent_space.Point:
    """See `sounds.to_point`."""
    return sounds.to_point(self.synth, self.palette, sound.to_sound(), pitches)

  def place(self, point: latent_space.Point, given: schema.Sound) -> schema.Placed:
    """The first note of a point as a sound of its own, and where it lies.

    Args:
      point: of the note.
      given: what it was asked for by, whose labels it keeps.
    """
    named = sounds.describe_labels(point)
    kept: dict[str, Any] = {
      name: named[name]
      for name in ("family", "source", "velocity")
      if name in self.synth.conditions
    }
    code = [round(float(x), 5) for x in point.code[0]]
    made = given.model_copy(update={**kept, "code": code, "places": []})
    places = [] if self.palette is None else self.palette.places(point.code[:1])[0].tolist()
    return schema.Placed(sound=made, places=[round(p, 4) for p in places])

  @functools.cached_property
  def _notes(self) -> pipeline.NoteSource | None:
    try:
      return pipeline.open_notes(self.synth.config.data).train
    except errors.UserError:
      return None

  def _dot(self, number):
    """The palette, and a dot's note as a point."""
    palette = self.palette
    count = 0 if palette is None else len(palette.ids)
    if palette is None or not 0 <= number < count:
      raise errors.UserError(f"there is no note {number}: this run's map has {count}")
    row = slice(number, number + 1)
    columns = {name: value[row] for name, value in palette.labels.items()}
    return palette, latent_space.Point(palette.codes[row], columns)

  def training_note(self, number: int) -> np.ndarray:
    """[T] the note of a dot: as it was recorded, or where that is not to be had, by its code.

    Raises:
      UserError: no such dot.
    """
    palette, point = self._dot(number)
    with self._source_lock:
      source = self._notes
      row = int(palette.rows[number])
      if source is not None and row < len(source):
        note = source[row]
        if note["id"] in (palette.ids[number], palette.ids[number].encode()):
          return note["audio"]
    return self.engine.submit(point).result(WORK_TIMEOUT_S)[0]

  def dots(self) -> list[schema.Dot]:
    """The training notes on the map."""
    palette = self.palette
    if palette is None:
      return []
    places = np.round(palette.places(palette.codes), 3).tolist()
    columns = palette.labels
    return [
      schema.Dot(
        id=palette.ids[i],
        places=places[i],
        family=labels.FAMILIES[columns["family"][i]],
        source=labels.SOURCES[columns["source"][i]],
        pitch=columns["pitch"][i],
        velocity=columns["velocity"][i],
      )
      for i in range(len(palette.ids))
    ]

  def dot_sound(self, number: int) -> schema.Encoded:
    """The code of a dot's note, as a sound.

    Raises:
      UserError: no such dot.
    """
    return self._encoded(self._dot(number)[1])

  def encode(self, body: bytes, pitch: float | None = None) -> schema.Encoded:
    """A recording as a sound; its labels are found by the run.

    Args:
      body: of an audio file.
      pitch: of it, where it is known.

    Raises:
      UserError: what is no recording, or a silent one; a run that encodes nothing.
    """
    recording = read_upload(body)
    if float(np.max(np.abs(recording.audio))) < 1e-4:
      raise errors.UserError("the recording is silent")
    asked = {} if pitch is None else {"pitch": pitch}
    point = self.engine.encode(recording.audio, **asked)
    return self._encoded(point, recording.changes)

  def _encoded(self, point, changes=()):
    placed = self.place(point, schema.Sound())
    pitch = float(point.labels["pitch"][0])
    return schema.Encoded(**dict(placed), pitch=pitch, changes=list(changes))


def make_keys(point: latent_space.Point, audio: np.ndarray) -> schema.KeysMade:
  """Notes of a point ([M, T] each) as keys, at full level and blended for their loops."""
  columns = point.labels
  keys = instrument.to_keys(columns["pitch"], columns["velocity"], audio)
  made = []
  for pitch, key in zip(columns["pitch"], keys, strict=True):
    loop = None if key.loop is None else schema.Loop(start=key.loop.start, end=key.loop.end)
    text = base64.b64encode(formats.to_pcm(key.audio)).decode()
    made.append(schema.Key(pitch=float(pitch), loop=loop, audio=text))
  gain = float(level.velocity_to_gain(columns["velocity"][0]))
  return schema.KeysMade(sample_rate=labels.SAMPLE_RATE, gain=gain, keys=made)


def pack(
  point: latent_space.Point, audio: np.ndarray, asked: schema.Instrument
) -> tuple[str, bytes, str]:
  """The name, the bytes and the media type of an instrument's file."""
  keys = instrument.to_keys(point.labels["pitch"], point.labels["velocity"], audio)
  keys = [key._replace(velocity=127) for key in keys]  # One layer, for all velocities.
  family = asked.sound.family
  title = f"{family if isinstance(family, str) else 'sound'}-{asked.sound.seed}"
  packed = formats.pack(keys, asked.format, labels.SAMPLE_RATE, title)
  if len(packed) == 1:
    name, body = next(iter(packed.items()))
    return name, body, "application/octet-stream"
  out = io.BytesIO()
  with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, body in packed.items():
      archive.writestr(f"{title}/{name}", body)
  return f"{title}-{asked.format}.zip", out.getvalue(), "application/zip"
