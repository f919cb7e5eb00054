"""A run of scores that is played: what the routes of scores do, independent of HTTP."""

import base64
from collections.abc import Mapping
from collections.abc import Sequence
import threading

import numpy as np

from cvae_jax import scores as scores_lib
from cvae_jax.core import errors
from cvae_jax.data import notes as notes_lib
from cvae_jax.data import percussion
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.play import keys as keys_lib
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import schema
from cvae_jax.play import score_notes
from cvae_jax.play import score_schema
from cvae_jax.play import sounds as sounds_lib
from cvae_jax.scores import drum_tokens
from cvae_jax.synthesis import drum_kit
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import note_codes
from cvae_jax.synthesis import rendering
from cvae_jax.synthesis import score_attributes
from cvae_jax.synthesis import score_audio
from cvae_jax.synthesis import synthesizer

_BATCH = 4  # scores that are encoded at a time
_VELOCITY = 100  # of all notes


class _Examples(sources.Source):
  """The labels of a palette's examples, without the examples, which a packaged run has not."""

  def __init__(self, palette: palette_lib.Palette):
    self.labels = {"id": palette.ids, **palette.labels}


class Desk:
  """Makes the scores of a run, and sounds to play them with.

  Args:
    synth: the run.
    palette: of the run, for its attributes; None without one.
    band: who plays the scores.
  """

  def __init__(
    self,
    synth: synthesizer.Synthesizer,
    palette: palette_lib.Palette | None,
    band: score_audio.Band | None = None,
  ):
    self.synth, self._palette = synth, palette
    self.band = score_audio.Band() if band is None else band
    self._vectors: dict[str, np.ndarray] | None = None
    # What is done under them keeps all cores busy: one at a time.
    self._lock, self._sounds_lock = threading.Lock(), threading.Lock()
    self._keys: dict[tuple[int, str | None, int], instrument.Key] = {}
    self._kit: score_schema.ScoreKit | None = None

  @property
  def form(self):
    """The form of the scores; raises UserError for a run without any on a grid."""
    return score_notes.need_score(self.synth)

  @property
  def vectors(self) -> dict[str, np.ndarray]:
    """Vectors of the attributes, [D] each, by name; computed once."""
    with self._lock:
      if self._vectors is None:
        self._vectors = {} if self._palette is None else self._find_vectors(self._palette)
      return self._vectors

  def _find_vectors(self, palette: palette_lib.Palette) -> dict[str, np.ndarray]:
    codes = note_codes.Codes(palette.codes, np.arange(len(palette.codes)), _Examples(palette))
    return score_attributes.find_vectors(self.synth, codes)

  def describe(self) -> score_schema.ScoreForm:
    """What the scores are made of."""
    score_notes.need_score(self.synth)
    return score_notes.describe(self.synth, list(self.vectors))

  def load_band(self) -> None:
    """Loads the runs that play the scores.

    To be called before requests are served: loading imports TFDS, which replaces the import of all
    threads meanwhile, so that what another one imports then may be broken.
    """
    voices = score_notes.voices_of(self.form)
    if any(voice.is_drums for voice in voices):
      _ = self.band.drums
    if not voices[0].is_drums:
      _ = self.band.notes

  def warm_up(self) -> None:
    """Compiles what encodes, finds the attributes, and makes the sounds that play first."""
    voices = score_notes.voices_of(self.form)
    silence: score_notes.Notes = {voice.name: [] for voice in voices}
    self.to_point(score_schema.Sources(scores=[score_schema.Source(notes=silence)]))
    self.describe()
    if any(voice.is_drums for voice in voices):
      self.make_kit()
    if not voices[0].is_drums:
      self.make_sound(score_schema.ScoreSound(pitches=[60]))

  def to_point(self, request: score_schema.Sources) -> latent_space.Point:
    """The codes of scores: drawn, encoded or as they are, moved by their attributes.

    Raises:
      UserError: for notes, codes, labels or attributes that the run does not support.
    """
    tokens = {
      i: score_notes.to_tokens(self.form, source.notes)
      for i, source in enumerate(request.scores)
      if source.notes is not None
    }
    for name in {name for source in request.scores for name in source.attributes}:
      if name not in self.vectors:
        known = ", ".join(self.vectors) or "none"
        raise errors.UserError(f"this run has no attribute '{name}': it has {known}")
    size, labels = self.synth.method.code_size, request.labels
    requested = [
      sounds_lib.Sound(labels, x.seed, x.temperature, [0.0] * size if i in tokens else x.code)
      for i, x in enumerate(request.scores)
    ]
    point = sounds_lib.to_points(self.synth, None, requested)
    code = np.array(point.code)
    if tokens:
      rows = list(tokens)
      columns = {name: np.array(column) for name, column in point.labels.items()}
      self._infer(columns, tokens, labels)
      chosen = {name: column[rows] for name, column in columns.items()}
      code[rows] = self._encode(np.stack([tokens[i] for i in rows]), chosen)
      point = latent_space.Point(code, columns)
    for i, source in enumerate(request.scores):
      for name, amount in source.attributes.items():
        code[i] += amount * self.vectors[name]
    return latent_space.Point(code, point.labels)

  def _infer(self, columns, tokens, labels) -> None:
    """Infers the labels of notes that are not given, in place."""
    if set(self.synth.conditions) <= set(labels):
      return
    for i, example in tokens.items():
      with self._lock:
        inferred = self.synth.infer_labels(example, **labels)
      for name, column in self.synth.vocabulary.soften(inferred).items():
        columns[name][i] = column[0]

  def _encode(self, tokens: np.ndarray, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """[M, D] codes of tokens [M, L], in batches of a fixed size."""
    encode, codes = latent_space.make_encoder(self.synth), []
    labels = vocabulary_lib.select(columns, self.synth.vocabulary)
    with self._lock:
      for rows, padded in notes_lib.batches(np.arange(len(tokens)), _BATCH):
        batch = {name: column[padded] for name, column in labels.items()}
        batch[self.form.key] = tokens[padded]
        codes.append(np.asarray(encode(self.synth.params, batch))[: rows.size])
    return np.concatenate(codes)

  def make(
    self, request: score_schema.Sources, point: latent_space.Point, tokens: np.ndarray
  ) -> score_schema.Scores:
    """Scores of tokens [M, L] with their codes; notes that nothing moves stay as they are."""
    made = self.hand_out(point, tokens)
    for score, source in zip(made.scores, request.scores, strict=True):
      if source.notes is not None and not any(source.attributes.values()):
        score.notes = score_notes.to_notes(
          self.form, score_notes.to_tokens(self.form, source.notes)
        )
    return made

  def hand_out(self, point: latent_space.Point, tokens: np.ndarray) -> score_schema.Scores:
    """Scores of tokens [M, L] with their codes."""
    rows = zip(tokens, point.code.reshape(len(point.code), -1), strict=True)
    return score_schema.Scores(
      scores=[
        score_schema.Score(
          notes=score_notes.to_notes(self.form, row),
          code=[round(float(x), 5) for x in code],
        )
        for row, code in rows
      ]
    )

  def _of_codes(self, request: score_schema.Conditioned, codes: Sequence[Sequence[float]]):
    sources = [score_schema.Source(code=list(code)) for code in codes]
    return self.to_point(score_schema.Sources(scores=sources, labels=request.labels))

  def strip(self, request: score_schema.Strip) -> latent_space.Point:
    """The codes of a strip, both ends included."""
    ends = self._of_codes(request, (request.a, request.b))
    weights = np.linspace(0.0, 1.0, request.steps, dtype=np.float32)
    code = latent_space.mix(ends.code[:1], ends.code[1:], weights, request.path)
    return _with_codes(ends, code)

  def mix(self, request: score_schema.Mix) -> latent_space.Point:
    """The codes of points in a square: mixed along its upper and lower side, then between them."""
    corners = self._of_codes(request, request.corners)
    a, b, c, d = (corners.code[i : i + 1] for i in range(4))
    x, y = np.asarray(request.points, np.float32).T
    above, below = (latent_space.mix(*ends, x, request.path) for ends in ((a, b), (c, d)))
    rows = [slice(i, i + 1) for i in range(len(x))]
    codes = [latent_space.mix(above[i], below[i], y[i], request.path) for i in rows]
    return _with_codes(corners, np.concatenate(codes))

  def similar(self, request: score_schema.Similar) -> latent_space.Point:
    """The codes of scores near another: part of the way to draws of the prior."""
    seeds = [(request.seed + i) % 2**32 for i in range(request.count)]
    drawn = [score_schema.Source(seed=x, temperature=request.temperature) for x in seeds]
    start = score_schema.Source(code=request.code)
    point = self.to_point(score_schema.Sources(scores=[start, *drawn], labels=request.labels))
    amount = np.asarray([request.amount], np.float32)
    codes = [
      latent_space.mix(point.code[:1], point.code[i : i + 1], amount, "spherical")
      for i in range(1, len(point.code))
    ]
    return _with_codes(point, np.concatenate(codes))

  def make_midi(self, request: score_schema.ScoreFile) -> bytes:
    """Scores as a MIDI file, one after the other."""
    notes = score_notes.join(self.form, request.scores, request.tempo_bpm)
    return scores_lib.to_midi(notes, request.tempo_bpm)

  def make_audio(self, request: score_schema.ScoreFile) -> tuple[np.ndarray, int]:
    """Scores as audio, one after the other: [T], and its sample rate in Hz."""
    notes = score_notes.join(self.form, request.scores, request.tempo_bpm)
    mapped = {} if request.family is None else {0: request.family}
    with self._sounds_lock:
      return self.band.play(notes, mapped)

  def families(self) -> list[str]:
    """Families of the instruments that can play melodies; none without such a label."""
    synth = self.band.notes
    return list(synth.table.known_names("family")) if "family" in synth.conditions else []

  def make_sound(self, request: score_schema.ScoreSound) -> schema.KeysMade:
    """Notes of an instrument, at full level, those of a WAV of `make_audio`.

    Raises:
      UserError: for a family that no instrument has, or pitches beyond the instrument's.
    """
    synth = self.band.notes
    mapped = {} if request.family is None else {request.program: request.family}
    if request.family is not None and "family" in synth.conditions:
      synth.resolve(family=request.family)
    family, source = rendering.choose_voice(synth, request.program, mapped)
    name = lambda pitch: (request.program, request.family, pitch)
    with self._sounds_lock:
      missing = [pitch for pitch in request.pitches if name(pitch) not in self._keys]
      if missing:
        made = instrument.make_instrument(
          synth, missing, (_VELOCITY,), self.band.seed + request.program, family=family,
          source=source,
        )  # fmt: skip
        self._keys.update((name(key.pitch), key) for key in made)
      keys = [self._keys[name(pitch)] for pitch in request.pitches]
    return schema.KeysMade(
      sample_rate=synth.sample_rate,
      gain=1.0,
      keys=[keys_lib.make_key(key.pitch, key.audio, key.loop) for key in keys],
    )

  def make_kit(self) -> score_schema.ScoreKit:
    """A drum for each class, those of a WAV of `make_audio`."""
    with self._sounds_lock:
      if self._kit is None:
        hits = drum_kit.make_kit(self.band.drums, drum_tokens.KEYS, self.band.seed)
        encoded = [base64.b64encode(formats.to_pcm(hit.audio)).decode() for hit in hits]
        chokes = [percussion.KEYS[key].choke for key in drum_tokens.KEYS]
        self._kit = score_schema.ScoreKit(
          sample_rate=self.band.drums.sample_rate, sounds=encoded, chokes=chokes
        )
      return self._kit


def _with_codes(point: latent_space.Point, code: np.ndarray) -> latent_space.Point:
  """Codes [M, D] with the labels of a point's first example."""
  columns = {
    name: np.repeat(column[:1], len(code), axis=0) for name, column in point.labels.items()
  }
  return latent_space.Point(code.astype(np.float32), columns)
