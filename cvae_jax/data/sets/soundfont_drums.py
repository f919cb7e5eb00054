"""The drum kits of a soundfont, the programs of bank 128, played by FluidSynth.

Keys are General MIDI's, of ten kinds (`data.general_midi`). A hit is played without reverb and
chorus at every velocity; one gain for each kit brings its loudest hit to half of full scale. Hits
that are silent are left out, and so are those that are nearly another one: kits share samples, and
some velocities differ by a gain alone. Whole kits are held out; of fewer than three, whole drums.
"""

from collections.abc import Mapping
import hashlib

import ml_collections
from ml_collections import config_dict
import numpy as np

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.data import clips
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import general_midi
from cvae_jax.data import notes
from cvae_jax.data import one_shots
from cvae_jax.data import soundfont
from cvae_jax.data import store
from cvae_jax.data.folders import drum_names

make_form = drums.make_form
_VERSION = 1  # of the sounds
_COMPARED_S = 0.25  # of hits that may be nearly the same
_SAME = 0.985  # their normalised correlation


def find_kits(path: str, programs: tuple[int, ...], protocol: soundfont.Protocol) -> dict[int, str]:
  """Names of a soundfont's kits by program; all but orchestras and effects if none are given.

  Raises:
    UserError: if it has no kit, or not one that is given.
  """
  synth = soundfont.Synthesizer(path, protocol)
  try:
    names = {number: synth.name(number) for number in range(128)}
  finally:
    synth.close()
  missing = [number for number in programs if names.get(number) is None]
  if missing:
    raise errors.UserError(f"data.soundfont.programs: {path} has no drum kit {missing[0]}")
  kits = {
    number: f"{number:03d} {name}"
    for number, name in names.items()
    if name is not None
    and (number in programs if programs else number not in general_midi.OTHER_KITS)
  }
  if not kits:
    raise errors.UserError(f"{path} has no drum kits: programs of bank 128")
  return kits


def source_of(program: int, name: str) -> str:
  """The source of a kit: that of its name, else by its number in Roland's GS."""
  is_electronic = program in general_midi.ELECTRONIC_KITS
  return drum_names.find_source([name]) or drums.SOURCES[int(is_electronic)]


class _Player:
  """Plays hits, in the order of the entries.

  Args:
    path: of the soundfont.
    planned: (key, velocity) of each hit by program.
    protocol: how they are played.
  """

  def __init__(
    self, path: str, planned: Mapping[int, list[tuple[int, int]]], protocol: soundfont.Protocol
  ):
    keys = {p: (sorted({key for key, _ in hits}), hits) for p, hits in planned.items()}
    loudest = max(velocity for hits in planned.values() for _, velocity in hits)
    self._kits = soundfont.play_ahead(path, keys, loudest, protocol)
    self._rate = protocol.sample_rate
    self._program, self._audio = -1, dict[tuple[int, int], np.ndarray]()
    self._heard: dict[int, list[np.ndarray]] = {}

  def play(self, program: int, key: int, velocity: int) -> np.ndarray:
    """A hit ([T] float32), from its beginning.

    Raises:
      UserError: if it is silent, or nearly another one.
    """
    while self._program != program:
      self._program, played = next(self._kits)
      self._audio = dict(zip(played.keys, played.samples, strict=True))
    samples = self._audio.pop((key, velocity), None)
    if samples is None:
      raise errors.UserError("it is silent")
    audio, _ = one_shots.trim(notes.to_float(samples), self._rate)
    part = audio[: round(_COMPARED_S * self._rate)]
    part = part / (np.linalg.norm(part) + 1e-9)
    others = self._heard.setdefault(key, [])
    if any(float(np.dot(part[: x.size], x[: part.size])) > _SAME for x in others):
      raise errors.UserError("it is nearly one of another velocity or kit")
    others.append(part)
    return audio


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  del on_request
  data_sets.no_variants("soundfont_drums", variant)
  form, settings = make_form(config), config.soundfont
  for velocity in settings.velocities:
    if not 1 <= velocity <= 127:
      raise errors.UserError(f"data.soundfont.velocities must be 1-127, got {velocity}")
  path = soundfont.find_soundfont(settings.path)
  protocol = soundfont.Protocol(
    soundfont.PERCUSSION_BANK, form.sample_rate, form.duration_s, form.duration_s + 0.05
  )
  kits = find_kits(path, tuple(settings.programs), protocol)
  velocities = sorted(set(settings.velocities), reverse=True)
  hits = [(key, velocity) for key in sorted(general_midi.PERCUSSION) for velocity in velocities]
  places, entries = {}, []
  for row, (program, kit) in enumerate(kits.items()):
    for key, velocity in hits:
      kind = general_midi.PERCUSSION[key]
      name = f"{kit}/{key:03d}_{kind}-{velocity:03d}"
      values = {
        "kind": drums.KINDS.index(kind),
        "source": drums.SOURCES.index(source_of(program, kit)),
        "kit": row,
      }
      entries.append(store.Entry("", name, values, kit))
      places[name] = program, key, velocity
  player: list[_Player] = []  # Made where something is to be played.

  def read(entry):
    if not player:
      player.append(_Player(path, dict.fromkeys(kits, hits), protocol))
    try:
      audio = player[0].play(*places[entry.name])
    except errors.UserError as e:
      raise errors.UserError(f"{entry.name}: {e}") from None
    audio = one_shots.fade(audio, min(audio.size, form.num_samples))
    return [files.Recording(audio, ())]

  with open(path, "rb") as f:
    content = hashlib.file_digest(f, "sha256").hexdigest()
  index = store.prepare(
    store.locate(config.tfds_dir, "soundfont_drums", entries, (_VERSION, content, protocol)),
    entries,
    drums.make_vocabulary(list(kits.values())),
    form.sample_rate,
    drums.split,
    read=read,
  )
  return clips.make_data_set(f"drums of {path}", index, form, _describe(index))


def _describe(index: store.Index) -> str:
  report = store.read_report(index.folder)
  used = sum(row.used == "yes" for row in report)
  silent = sum("silent" in row.reason for row in report)
  kits = len(set(index.columns["kit"].tolist()))
  return (
    f"{used} of {len(report)} hits of {kits} kits are used; left out: {silent} silent, "
    f"{len(report) - used - silent} nearly another one"
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set."""
  config = drums.get_config()
  config.soundfont = settings = ml_collections.ConfigDict()
  # An SF2 or SF3 file; the system's default if not given.
  settings.path = config_dict.placeholder(str)
  settings.programs = ()  # of bank 128, 0-127; all but orchestras and effects if empty
  settings.velocities = (127, 90, 50)  # 1-127
  return config
