"""A run that is played: the operations of the API's routes, independent of HTTP."""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import functools
import os
import threading

import numpy as np

from cvae_jax import evaluate
from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.play import drums
from cvae_jax.play import engine as engine_lib
from cvae_jax.play import keys as keys_lib
from cvae_jax.play import latents
from cvae_jax.play import live
from cvae_jax.play import melodies
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.play import score_notes
from cvae_jax.play import scores as scores_desk
from cvae_jax.play import sounds
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import score_audio
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import packaged
from cvae_jax.version import __version__

WORK_TIMEOUT_S = 60.0
MAX_LIVE = 4


def make_label(synth: synthesizer.Synthesizer, label: vocabulary_lib.Label) -> schema.Label:
  """A label as the page shows it: the values that occur in the training data."""
  if label.kind == vocabulary_lib.NUMBER:
    values = synth.table.known(label.name)
    return schema.Label(
      name=label.name, kind=label.kind, names=[], low=int(values.min()), high=int(values.max())
    )
  is_flags = label.kind == vocabulary_lib.FLAGS
  names = list(label.names) if is_flags else synth.table.known_names(label.name)
  is_mixable = label.kind == vocabulary_lib.NAMES and not label.open_set
  return schema.Label(name=label.name, kind=label.kind, names=names, mixed=is_mixable)


def make_card(
  synth: synthesizer.Synthesizer, palette: palette_lib.Palette | None, name: str, workdir: str
) -> schema.Card:
  """Describes a run: its form, labels and capabilities."""
  form, main, performer = synth.form, synth.vocabulary.main, synth.method.performer
  performed: list[float] = []
  if performer is not None:
    pitch = np.asarray(performer.ranges(synth.params).pitch)
    performed = np.percentile(pitch, (10, 90)).round(2).tolist()
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
    can_perform=performer is not None,
    has_room=performer is not None and performer.has_room,
    performed=performed,
    latents=latents.count_heard(synth),
    can_extend=synth.method.streamer is not None and synth.method.extend_code is not None,
    percussion=drums.describe_keys(synth),
    directions=0 if palette is None else len(palette.directions),
    meanings=[] if palette is None else palette_lib.name_directions(synth, len(palette.directions)),
    training_examples=synth.table.num_examples,
    results=evaluate.load_results(workdir) or {},
  )


def read_upload(body: bytes, form: forms.Form) -> tuple[np.ndarray, tuple[str, ...]]:
  """Decodes an uploaded file: WAV, FLAC, OGG or MP3, or MIDI for a run of scores.

  Returns:
    The example, and the changes made to it, see `files.Recording`.

  Raises:
    UserError: if the bytes are no such file.
  """
  with melodies.as_file(body) as path:
    return form.read(path)


class Player:
  """A run that is played: the operations of the routes, independent of HTTP.

  Args:
    synth: the run.
    workdir: of the run.
    band: who plays scores, of a run of them; the pretrained runs if not given.
  """

  def __init__(
    self, synth: synthesizer.Synthesizer, workdir: str, band: score_audio.Band | None = None
  ):
    self.synth, self._workdir = synth, workdir
    self.palette = palette_lib.get_palette(synth, workdir)
    self.desk = scores_desk.Desk(synth, self.palette, band)
    if self.has_score_page:
      self.desk.load_band()
    self.engine = engine_lib.Engine(synth)
    name = os.path.basename(os.path.abspath(workdir))
    self.card = make_card(synth, self.palette, name, workdir)
    self._source_lock = threading.Lock()
    self._live_places = threading.BoundedSemaphore(MAX_LIVE)
    self._recording_lock = threading.Lock()  # Each keeps all cores busy.

  def warm_up(self) -> None:
    """Compiles the decoder, and what codes and plays latents."""
    code = None
    if not self.card.can_sample:
      code = [0.0] * self.card.code_size
    self.engine.warm_up(sounds.to_point(self.synth, self.palette, sounds.Sound(code=code)))
    if self.card.percussion:
      drums.to_point(self.synth, self.palette, [schema.Sound()])
    if self.has_score_page:
      self.desk.warm_up()
    if self.card.latents:
      self.begin_live(schema.LiveStart(follow=True))
      self.play_latents(schema.LatentsPlayed(codes=[[0.0]]))

  @property
  def has_score_page(self) -> bool:
    """Whether the page is the one of scores."""
    return score_notes.is_played(self.synth)

  def to_point(self, sound: schema.Sound, pitches=(60,)) -> latent_space.Point:
    """See `sounds.to_point`."""
    return sounds.to_point(self.synth, self.palette, sound.to_sound(), pitches)

  def place(self, point: latent_space.Point, sound: schema.Sound) -> schema.Placed:
    """The first note of a point as a sound, with its coordinates on the map.

    Args:
      point: the note.
      sound: the sound it was made from; its labels are the defaults.
    """
    point_labels = sounds.describe_labels(self.synth, point)
    names = [n for n in self.synth.conditions if n in point_labels and n != vocabulary_lib.PITCH]
    labels = {**sound.labels, **{name: point_labels[name] for name in names}}
    code = [round(float(x), 5) for x in point.code[0].ravel()]
    changed = {**sound.model_dump(), "labels": labels, "code": code, "places": []}
    placed = type(sound).model_validate(changed)
    places = [] if self.palette is None else self.palette.places(point.code[:1])[0].tolist()
    return schema.Placed(sound=placed, places=[round(p, 4) for p in places])

  @functools.cached_property
  def _training(self) -> sources.Source | None:
    if packaged.exists(self._workdir):  # Its data would first have to be prepared.
      return None
    try:
      return pipeline.open_data(self.synth.config.data).train
    except errors.UserError:
      return None

  def _dot(self, number):
    """The palette, and the note of a dot as a point."""
    palette = self.palette
    count = 0 if palette is None else len(palette.ids)
    if palette is None or not 0 <= number < count:
      raise errors.UserError(f"there is no note {number}: this run's map has {count}")
    row = slice(number, number + 1)
    columns = {name: value[row] for name, value in palette.labels.items()}
    code = palette.codes[row].reshape(1, *(self.synth.method.code_shape or ()))
    return palette, latent_space.Point(code, columns)

  def training_note(self, number: int) -> np.ndarray:
    """The training example of a dot; reconstructed from its code if the data is not available.

    Raises:
      UserError: if there is no such dot.
    """
    palette, point = self._dot(number)
    with self._source_lock:
      source = self._training
      row = int(palette.rows[number])
      if source is not None and row < len(source):
        example = source[row]
        if example["id"] in (palette.ids[number], palette.ids[number].encode()):
          return example[self.synth.form.key]
    return self.engine.submit(point).result(WORK_TIMEOUT_S)[0]

  def dots(self) -> list[schema.Dot]:
    """The training notes on the map."""
    palette = self.palette
    if palette is None:
      return []
    places = np.round(palette.places(palette.codes), 3).tolist()
    shown_labels = [x for x in self.synth.vocabulary.labels if x.kind != vocabulary_lib.FLAGS]

    def value(label, i):
      encoded = palette.labels[label.name][i]
      if label.kind == vocabulary_lib.NUMBER:
        return float(encoded)
      return label.names[encoded] if encoded >= 0 else ""

    return [
      schema.Dot(
        id=palette.ids[i], places=places[i], labels={x.name: value(x, i) for x in shown_labels}
      )
      for i in range(len(palette.ids))
    ]

  def dot_sound(self, number: int) -> schema.Encoded:
    """The note of a dot as a sound: its code and labels.

    Raises:
      UserError: if there is no such dot.
    """
    return self._encoded(self._dot(number)[1])

  def encode(self, body: bytes, pitch: float | None = None) -> schema.Encoded:
    """Encodes a recording as a sound; its labels are inferred.

    Args:
      body: bytes of an audio file.
      pitch: MIDI number, if known.

    Raises:
      UserError: if the file is no recording or is silent, or if the run has no encoder.
    """
    example, changes = read_upload(body, self.synth.form)
    if isinstance(self.synth.form, forms.Waveform) and float(np.max(np.abs(example))) < 1e-4:
      raise errors.UserError("the recording is silent")
    labels = {} if pitch is None else {"pitch": pitch}
    point = self.engine.encode(example, **labels)
    return self._encoded(point, changes)

  def trace(self, body: bytes) -> schema.Melody:
    """See `melodies.trace`; one recording at a time."""
    with self._recording_lock:
      return melodies.trace(self.synth, body)

  def perform(self, request: schema.Performance) -> np.ndarray:
    """See `melodies.perform`; one melody at a time."""
    with self._recording_lock:
      return melodies.perform(self.synth, self.palette, request)

  def encode_latents(self, body: bytes) -> schema.Latents:
    """See `latents.encode`; one recording at a time."""
    with self._recording_lock:
      return latents.encode(self.synth, body)

  def draw_latents(self, request: schema.LatentsDrawn) -> schema.Latents:
    """See `latents.draw`; one draw at a time."""
    with self._recording_lock:
      return latents.draw(self.synth, request)

  def play_latents(self, request: schema.LatentsPlayed) -> np.ndarray:
    """See `latents.play`; one sound at a time."""
    with self._recording_lock:
      return latents.play(self.synth, request)

  @contextlib.contextmanager
  def live_place(self) -> Iterator[None]:
    """A place of the few that clients may play live in at once.

    Raises:
      Busy: if there is none.
    """
    if not self._live_places.acquire(blocking=False):
      raise engine_lib.Busy(f"{MAX_LIVE} clients already play live: try again later")
    try:
      yield
    finally:
      self._live_places.release()

  def begin_live(self, start: schema.LiveStart) -> live.Session:
    """See `live.begin`."""
    return live.begin(self.synth, self.palette, start)

  def _encoded(self, point, changes=()):
    placed = self.place(point, schema.Sound())
    pitches = point.labels.get(vocabulary_lib.PITCH)
    pitch = None if pitches is None else float(pitches[0])
    return schema.Encoded(**dict(placed), pitch=pitch, changes=list(changes))

  def make_keys(
    self, point: latent_space.Point, examples: np.ndarray, pitches: Sequence[float]
  ) -> schema.KeysMade:
    """Examples of a point ([M, ...]) as keys, at full level and crossfaded at their loops."""
    form = self.synth.form
    if not isinstance(form, forms.Waveform):
      waveforms = [form.hear(example) for example in examples]
      schema_keys = [
        keys_lib.make_key(pitch, audio, None)
        for pitch, (audio, _) in zip(pitches, waveforms, strict=True)
      ]
      return schema.KeysMade(sample_rate=waveforms[0][1], gain=1.0, keys=schema_keys)
    velocities = self._velocities(point, len(examples))
    keys = instrument.to_keys(self.synth, np.asarray(pitches), velocities, examples)
    schema_keys = [
      keys_lib.make_key(pitch, key.audio, key.loop)
      for pitch, key in zip(pitches, keys, strict=True)
    ]
    gain = self.synth.method.gain({vocabulary_lib.VELOCITY: velocities[:1]})
    return schema.KeysMade(
      sample_rate=form.sample_rate, gain=1.0 if gain is None else float(gain[0]), keys=schema_keys
    )

  def _velocities(self, point, count):
    return np.asarray(point.labels.get(vocabulary_lib.VELOCITY, np.full(count, 127)))

  def pack(
    self, point: latent_space.Point, examples: np.ndarray, request: schema.Instrument
  ) -> tuple[str, bytes, str]:
    """Packs an instrument for download: file name, bytes and media type.

    Raises:
      UserError: if the run makes no instrument.
    """
    pitches = np.asarray(point.labels[vocabulary_lib.PITCH])
    keys = instrument.to_keys(self.synth, pitches, self._velocities(point, len(examples)), examples)
    keys = [key._replace(velocity=127) for key in keys]  # One layer, for all velocities.
    main_value = request.sound.labels.get(self.card.main or "")
    title = f"{main_value if isinstance(main_value, str) else 'sound'}-{request.sound.seed}"
    packed = formats.pack(keys, request.format, self.synth.sample_rate, title)
    if len(packed) == 1:
      name, body = next(iter(packed.items()))
      return name, body, "application/octet-stream"
    return f"{title}-{request.format}.zip", formats.to_zip(packed, title), "application/zip"
