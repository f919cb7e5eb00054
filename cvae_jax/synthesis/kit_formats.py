"""Writers of drum kits: WAVs, SFZ with WAVs, or a drumkit of Hydrogen."""

from collections.abc import Sequence
import gzip
import io
import math
import re
import tarfile
from xml.etree import ElementTree

from cvae_jax import play
from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.data import percussion
from cvae_jax.synthesis import drum_kit

NAMESPACE = "http://www.hydrogen-music.org/drumkit"
ENDINGS = {"hydrogen": "h2drumkit", "sfz": "sfz"}  # of what names the kit
# Fields of every instrument, in the order of Hydrogen's schema.
_BEFORE_CHOKE = {
  "isMuted": "false", "isSoloed": "false", "pan": "0", "pitchOffset": "0",
  "randomPitchFactor": "0", "gain": "1", "applyVelocity": "true", "filterActive": "false",
  "filterCutoff": "1", "filterResonance": "0", "Attack": "0", "Decay": "0", "Sustain": "1",
  "Release": "1000",
}  # fmt: skip
_AFTER_NOTE = {
  "isStopNote": "false", "sampleSelectionAlgo": "VELOCITY", "isHihat": "-1", "lower_cc": "0",
  "higher_cc": "127", "FX1Level": "0", "FX2Level": "0", "FX3Level": "0", "FX4Level": "0",
}  # fmt: skip


def file_name(hit: drum_kit.Hit) -> str:
  """File name of a hit, such as 36-kick.wav."""
  return f"{hit.key}-{hit.kind}.wav"


def to_sfz(hits: Sequence[drum_kit.Hit], sample_rate: int, title: str) -> str:
  """Formats a kit as the text of an SFZ file: a key each, played to its end.

  Keys that choke each other are of one `group`, which is `off_by` itself. SFZ's default velocity
  curve is that of `level.velocity_to_gain`.

  Args:
    hits: of a kit.
    sample_rate: of the samples, in Hz.
    title: in the first line.

  Source: SFZ format 1.0 (Cakewalk).
  """
  lines = [
    f"// {_one_line(title)}: made by cvae_jax, {len(hits)} drums at {sample_rate} Hz",
    "<global>",
    "loop_mode=one_shot",
    "amp_veltrack=100",
    "",
  ]
  for hit in hits:
    region = f"<region> sample={file_name(hit)} key={hit.key} pitch_keycenter={hit.key}"
    if hit.level != 1.0:
      region += f" volume={20.0 * math.log10(max(hit.level, 1e-6)):.2f}"
    choke = percussion.KEYS[hit.key].choke
    if choke:
      region += f" group={choke} off_by={choke} off_mode=fast"
    lines.append(f"{region} // {hit.name}")
  return "\n".join(lines) + "\n"


def to_drumkit_xml(hits: Sequence[drum_kit.Hit], title: str) -> bytes:
  """Formats a kit as the drumkit.xml of Hydrogen 0.9.7 to 1.2.

  Keys that choke each other are of one mute group.

  Source: drumkit.xsd of Hydrogen 1.2.
  """
  root = ElementTree.Element("drumkit_info", xmlns=NAMESPACE)

  def add(parent, **fields):
    for name, text in fields.items():
      ElementTree.SubElement(parent, name).text = text

  add(root, name=_one_line(title), author="cvae_jax", info=f"{len(hits)} generated drums")
  add(root, license="undefined license", image="", imageLicense="undefined license")
  components = ElementTree.SubElement(root, "componentList")
  add(ElementTree.SubElement(components, "drumkitComponent"), id="0", name="Main", volume="1")
  instruments = ElementTree.SubElement(root, "instrumentList")
  for number, hit in enumerate(hits):
    instrument = ElementTree.SubElement(instruments, "instrument")
    choke = percussion.KEYS[hit.key].choke
    add(instrument, id=str(number), name=hit.name, volume=f"{hit.level:.4f}", **_BEFORE_CHOKE)
    add(instrument, muteGroup=str(choke or -1), midiOutChannel="-1", midiOutNote=str(hit.key))
    add(instrument, **_AFTER_NOTE)
    component = ElementTree.SubElement(instrument, "instrumentComponent")
    add(component, component_id="0", gain="1")
    layer = ElementTree.SubElement(component, "layer")
    add(layer, filename=file_name(hit), min="0", max="1", gain="1", pitch="0")
  ElementTree.indent(root, " ")
  return ElementTree.tostring(root, "UTF-8", xml_declaration=True) + b"\n"


def to_h2drumkit(hits: Sequence[drum_kit.Hit], sample_rate: int, title: str) -> bytes:
  """Encodes a kit as Hydrogen imports it: a tar.gz of a folder with drumkit.xml and WAVs."""
  folder = folder_name(title)
  contents = {"drumkit.xml": to_drumkit_xml(hits, title), **_to_wavs(hits, sample_rate)}
  packed = io.BytesIO()
  with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
    for name, body in contents.items():
      entry = tarfile.TarInfo(f"{folder}/{name}")
      entry.size, entry.mode = len(body), 0o644
      archive.addfile(entry, io.BytesIO(body))
  return gzip.compress(packed.getvalue(), mtime=0)


def folder_name(title: str) -> str:
  """A title as the name of a folder on any system."""
  return re.sub(r"[^\w .+-]", "_", title, flags=re.ASCII).strip(" .")[:60] or "kit"


def pack(hits: Sequence[drum_kit.Hit], form: str, sample_rate: int, title: str) -> dict[str, bytes]:
  """Encodes a kit as files, by name.

  Args:
    hits: of a kit, of different keys.
    form: one of `play.KIT_FORMATS`.
    sample_rate: of the samples, in Hz.
    title: of the kit.

  Raises:
    UserError: if the format is unknown, or two hits have one key.
  """
  if form not in play.KIT_FORMATS:
    known = ", ".join(play.KIT_FORMATS)
    raise errors.UserError(f"the format of a drum kit must be one of {known}, got '{form}'")
  keys = [hit.key for hit in hits]
  twice = [key for key in keys if keys.count(key) > 1]
  if twice:
    raise errors.UserError(f"the drums of a kit need keys of their own: two have key {twice[0]}")
  if form == "hydrogen":
    return {f"{title}.{ENDINGS[form]}": to_h2drumkit(hits, sample_rate, title)}
  packed = _to_wavs(hits, sample_rate)
  if form == "sfz":
    packed[f"{title}.{ENDINGS[form]}"] = to_sfz(hits, sample_rate, title).encode()
  return packed


def _to_wavs(hits, sample_rate):
  return {file_name(hit): files.to_wav(hit.audio, sample_rate) for hit in hits}


def _one_line(title):
  return " ".join(title.split())
