"""A run that is played: what the API's routes do, apart from how they are asked."""

import base64
from collections.abc import Sequence
import functools
import io
import os
import tempfile
import threading
import zipfile

import numpy as np

from cvae_jax import evaluate
from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.play import engine as engine_lib
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.play import sounds
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer
from cvae_jax.version import __version__

WORK_TIMEOUT_S = 60.0


def make_label(synth: synthesizer.Synthesizer, label: vocabulary_lib.Label) -> schema.Label:
  """A label as the page shows it: the values that were in training."""
  if label.kind == vocabulary_lib.NUMBER:
    known = synth.table.known(label.name)
    return schema.Label(
      name=label.name, kind=label.kind, names=[], low=int(known.min()), high=int(known.max())
    )
  flags = label.kind == vocabulary_lib.FLAGS
  names = list(label.names) if flags else synth.table.known_names(label.name)
  mixed = label.kind == vocabulary_lib.NAMES and not label.open_set
  return schema.Label(name=label.name, kind=label.kind, names=names, mixed=mixed)


def make_card(
  synth: synthesizer.Synthesizer, palette: palette_lib.Palette | None, name: str, workdir: str
) -> schema.Card:
  """What a run is and can be asked for."""
  form, main = synth.form, synth.vocabulary.main
  is_sound = isinstance(form, forms.Waveform)
  return schema.Card(
    name=name,
    step=synth.step,
    version=__version__,
    form="sound" if is_sound else "score",
    sample_rate=form.sample_rate if isinstance(form, forms.Waveform) else scores.SAMPLE_RATE,
    seconds=form.duration_s if isinstance(form, forms.Waveform) else None,
    conditions=list(synth.conditions),
    labels=[make_label(synth, synth.vocabulary.get(x)) for x in synth.conditions],
    main=None if main is None else main.name,
    code_size=synth.method.code_size,
    can_sample=synth.method.can_sample,
    can_encode=synth.method.can_reconstruct,
    directions=0 if palette is None else len(palette.directions),
    training_examples=synth.table.num_examples,
    results=evaluate.load_results(workdir) or {},
  )


def read_upload(body: bytes, form: forms.Form) -> tuple[np.ndarray, tuple[str, ...]]:
  """An example from the bytes of a file: WAV, FLAC, OGG or MP3, or MIDI for a run of scores.

  Raises:
    UserError: bytes that are none.
  """
  with tempfile.TemporaryDirectory() as scratch:
    path = os.path.join(scratch, "recording")
    with open(path, "wb") as f:
      f.write(body)
    try:
      return form.read(path)
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
      code = [0.0] * self.card.code_size
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
    named = sounds.describe_labels(self.synth, point)
    names = [n for n in self.synth.conditions if n in named and n != vocabulary_lib.PITCH]
    labels = {**given.labels, **{name: named[name] for name in names}}
    code = [round(float(x), 5) for x in point.code[0].ravel()]
    made = given.model_copy(update={"labels": labels, "code": code, "places": []})
    places = [] if self.palette is None else self.palette.places(point.code[:1])[0].tolist()
    return schema.Placed(sound=made, places=[round(p, 4) for p in places])

  @functools.cached_property
  def _training(self) -> sources.Source | None:
    try:
      return pipeline.open_data(self.synth.config.data).train
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
    code = palette.codes[row].reshape(1, *(self.synth.method.code_shape or ()))
    return palette, latent_space.Point(code, columns)

  def training_note(self, number: int) -> np.ndarray:
    """The example of a dot: as it is in the data, or where that is not to be had, by its code.

    Raises:
      UserError: no such dot.
    """
    palette, point = self._dot(number)
    with self._source_lock:
      source = self._training
      row = int(palette.rows[number])
      if source is not None and row < len(source):
        note = source[row]
        if note["id"] in (palette.ids[number], palette.ids[number].encode()):
          return note[self.synth.form.key]
    return self.engine.submit(point).result(WORK_TIMEOUT_S)[0]

  def dots(self) -> list[schema.Dot]:
    """The training notes on the map."""
    palette = self.palette
    if palette is None:
      return []
    places = np.round(palette.places(palette.codes), 3).tolist()
    shown = [x for x in self.synth.vocabulary.labels if x.kind != vocabulary_lib.FLAGS]

    def value(label, i):
      raw = palette.labels[label.name][i]
      if label.kind == vocabulary_lib.NUMBER:
        return float(raw)
      return label.names[raw] if raw >= 0 else ""

    return [
      schema.Dot(id=palette.ids[i], places=places[i], labels={x.name: value(x, i) for x in shown})
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
    example, changes = read_upload(body, self.synth.form)
    if isinstance(self.synth.form, forms.Waveform) and float(np.max(np.abs(example))) < 1e-4:
      raise errors.UserError("the recording is silent")
    asked = {} if pitch is None else {"pitch": pitch}
    point = self.engine.encode(example, **asked)
    return self._encoded(point, changes)

  def _encoded(self, point, changes=()):
    placed = self.place(point, schema.Sound())
    pitches = point.labels.get(vocabulary_lib.PITCH)
    pitch = None if pitches is None else float(pitches[0])
    return schema.Encoded(**dict(placed), pitch=pitch, changes=list(changes))

  def make_keys(
    self, point: latent_space.Point, examples: np.ndarray, pitches: Sequence[float]
  ) -> schema.KeysMade:
    """Examples of a point ([M, ...]) as keys, at full level and blended for their loops."""
    form = self.synth.form
    if not isinstance(form, forms.Waveform):
      heard = [form.hear(example) for example in examples]
      made = [_key(pitch, audio, None) for pitch, (audio, _) in zip(pitches, heard, strict=True)]
      return schema.KeysMade(sample_rate=heard[0][1], gain=1.0, keys=made)
    velocities = self._velocities(point, len(examples))
    keys = instrument.to_keys(self.synth, np.asarray(pitches), velocities, examples)
    made = [_key(pitch, key.audio, key.loop) for pitch, key in zip(pitches, keys, strict=True)]
    gain = self.synth.method.gain({vocabulary_lib.VELOCITY: velocities[:1]})
    return schema.KeysMade(
      sample_rate=form.sample_rate, gain=1.0 if gain is None else float(gain[0]), keys=made
    )

  def _velocities(self, point, count):
    return np.asarray(point.labels.get(vocabulary_lib.VELOCITY, np.full(count, 127)))

  def pack(
    self, point: latent_space.Point, examples: np.ndarray, asked: schema.Instrument
  ) -> tuple[str, bytes, str]:
    """The name, the bytes and the media type of an instrument's file.

    Raises:
      UserError: a run that makes no instrument.
    """
    pitches = np.asarray(point.labels[vocabulary_lib.PITCH])
    keys = instrument.to_keys(self.synth, pitches, self._velocities(point, len(examples)), examples)
    keys = [key._replace(velocity=127) for key in keys]  # One layer, for all velocities.
    named = asked.sound.labels.get(self.card.main or "")
    title = f"{named if isinstance(named, str) else 'sound'}-{asked.sound.seed}"
    packed = formats.pack(keys, asked.format, self.synth.sample_rate, title)
    if len(packed) == 1:
      name, body = next(iter(packed.items()))
      return name, body, "application/octet-stream"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
      for name, body in packed.items():
        archive.writestr(f"{title}/{name}", body)
    return f"{title}-{asked.format}.zip", out.getvalue(), "application/zip"


def _key(pitch, audio, loop) -> schema.Key:
  place = None if loop is None else schema.Loop(start=loop.start, end=loop.end)
  return schema.Key(
    pitch=float(pitch), loop=place, audio=base64.b64encode(formats.to_pcm(audio)).decode()
  )
