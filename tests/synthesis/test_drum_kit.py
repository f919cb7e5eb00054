"""Kits of a tiny run of drums: what they are, as files, and how strokes are mixed."""

import io
import os
import re
import shutil
import subprocess
import tarfile
from xml.etree import ElementTree

from conftest import one_line
import mido
import numpy as np
import pytest
import soundfile

from cvae_jax import export
from cvae_jax import render
from cvae_jax import scores
from cvae_jax.audio import level
from cvae_jax.core import errors
from cvae_jax.data import percussion
from cvae_jax.data.folders import drum_names
from cvae_jax.data.folders import hydrogen
from cvae_jax.data.folders import sfz
from cvae_jax.scores import drum_pattern
from cvae_jax.synthesis import drum_kit
from cvae_jax.synthesis import drum_rendering
from cvae_jax.synthesis import kit_formats
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer

RATE = 8_000
SCHEMA = "/usr/share/hydrogen/data/xsd/drumkit.xsd"  # of Debian's package hydrogen-data
# The fields of an instrument of GMRockKit, which comes with Hydrogen 1.2, in their order.
INSTRUMENT = (
  "id name volume isMuted isSoloed pan pitchOffset randomPitchFactor gain applyVelocity "
  "filterActive filterCutoff filterResonance Attack Decay Sustain Release muteGroup "
  "midiOutChannel midiOutNote isStopNote sampleSelectionAlgo isHihat lower_cc higher_cc "
  "FX1Level FX2Level FX3Level FX4Level instrumentComponent"
).split()


@pytest.fixture(scope="module")
def synth(drums_run):
  return synthesizer.load(drums_run)


@pytest.fixture(scope="module")
def kit(synth):
  return drum_kit.make_kit(synth, seed=3)


def make_hit(key, audio, gain=1.0):
  found = percussion.KEYS[key]
  return drum_kit.Hit(key, found.kind, found.name, np.zeros(1), {}, np.asarray(audio), gain)


def click(length, value=1.0):
  """One sample of sound, and what rings on at a tenth of it."""
  return np.concatenate([[value], np.full(length - 1, 0.1 * value)])


def test_a_kit_is_what_generate_makes_of_its_seed(synth, kit):
  assert [hit.key for hit in kit] == list(drum_kit.DEFAULT_KEYS)
  first = {}
  for hit in kit:
    first.setdefault(hit.kind, hit)
  assert len(first) == 10
  for kind in ("kick", "hihat_open", "cowbell"):
    theirs = synth.generate(kind=kind, seed=3)
    np.testing.assert_allclose(first[kind].audio, theirs, atol=2e-3)
  again = drum_kit.make_kit(synth, [38, 57], seed=3)  # A drum is the same in every kit.
  np.testing.assert_allclose(again[0].audio, first["snare"].audio, atol=2e-3)
  crashes = drum_kit.make_kit(synth, [49, 57], seed=3)
  assert np.abs(crashes[0].audio - crashes[1].audio).max() > 1e-2


def test_codes_of_several_seeds_are_those_of_each(synth):
  labels = synth.vocabulary.soften(synth.draw_labels(3, 0, kind="snare"))
  codes = latent_space.draw_codes(synth, labels, [5, 6, 5], [1.0, 0.5, 0.0])
  for row, (seed, temperature) in enumerate([(5, 1.0), (6, 0.5), (5, 0.0)]):
    one = {name: column[:1] for name, column in labels.items()}
    theirs = latent_space.draw_code(synth, one, seed, temperature)
    np.testing.assert_allclose(codes[row], theirs[0], atol=1e-5)


def test_toms_are_one_tom_that_is_tuned(synth):
  low, mid = drum_kit.make_kit(synth, [41, 47])
  assert low.audio.size == pytest.approx(mid.audio.size * 2 ** (7 / 12), rel=1e-3)
  tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
  tuned = drum_kit.tune(tone, -7.0)
  spectrum = np.abs(np.fft.rfft(tuned * np.hanning(tuned.size)))
  found = np.argmax(spectrum) * RATE / tuned.size
  assert found == pytest.approx(440 * 2 ** (-7 / 12), abs=1.0)


def test_a_drumkit_is_read_back_and_has_the_fields_of_hydrogen(kit, tmp_path):
  (name, body), *others = kit_formats.pack(kit, "hydrogen", RATE, "été & co").items()
  assert name == "été & co.h2drumkit" and not others
  with tarfile.open(fileobj=io.BytesIO(body)) as archive:
    archive.extractall(tmp_path, filter="data")
  (folder,) = os.listdir(tmp_path)
  read = hydrogen.read(str(tmp_path / folder))
  assert read.name == "été & co"
  assert read.instruments == {kit_formats.file_name(hit): hit.name for hit in kit}
  root = ElementTree.parse(tmp_path / folder / hydrogen.FILE).getroot()
  instruments = root.findall(".//{*}instrument")
  for hit, instrument in zip(kit, instruments, strict=True):
    assert [child.tag.rpartition("}")[2] for child in instrument] == INSTRUMENT
    fields = {child.tag.rpartition("}")[2]: child.text for child in instrument}
    assert int(fields["midiOutNote"]) == hit.key
    assert (fields["muteGroup"] == "-1") == (not hit.kind.startswith("hihat"))
    audio, rate = soundfile.read(tmp_path / folder / kit_formats.file_name(hit))
    assert rate == RATE
    np.testing.assert_allclose(audio, np.clip(hit.audio, -1, 1), atol=1e-4)
  if shutil.which("xmllint") and os.path.exists(SCHEMA):
    path = str(tmp_path / folder / hydrogen.FILE)
    done = subprocess.run(["xmllint", "--noout", "--schema", SCHEMA, path], check=False)
    assert done.returncode == 0


def test_an_sfz_has_a_key_for_each_drum_and_hats_that_choke(kit, tmp_path):
  kit = [kit[0]._replace(level=0.5), *kit[1:]]
  packed = kit_formats.pack(kit, "sfz", RATE, "kit")
  for name, body in packed.items():
    (tmp_path / name).write_bytes(body)
  regions = sfz.read_regions(str(tmp_path / "kit.sfz"))
  assert [int(region.opcodes["key"]) for region in regions] == [hit.key for hit in kit]
  assert [drum_names.find_kind([region.sample]) for region in regions] == [h.kind for h in kit]
  lines = packed["kit.sfz"].decode().splitlines()
  fields = [dict(re.findall(r"(\w+)=(\S+)", x)) for x in lines if x.startswith("<region>")]
  hats = [f for hit, f in zip(kit, fields, strict=True) if hit.kind.startswith("hihat")]
  assert {(f["group"], f["off_by"]) for f in hats} == {("1", "1")} and len(hats) == 3
  assert not any("off_by" in f for f in fields if f not in hats)
  assert fields[0]["volume"] == "-6.02" and "loop_mode=one_shot" in lines
  assert set(kit_formats.pack(kit, "wav", RATE, "kit")) == set(packed) - {"kit.sfz"}


def test_a_kit_needs_keys_of_its_own_and_a_known_format(kit):
  with pytest.raises(errors.UserError, match="two have key 36"):
    kit_formats.pack([kit[0], kit[0]], "sfz", RATE, "kit")
  with pytest.raises(errors.UserError, match="must be one of hydrogen, sfz, wav, got 'sf2'"):
    kit_formats.pack(kit, "sf2", RATE, "kit")


def test_strokes_begin_at_their_sample_with_their_gain():
  hits = [make_hit(36, click(50)), make_hit(38, click(50, 0.5))]
  events = [drum_pattern.Event(t, key, v) for t, key, v in ((0.1, 36, 127), (0.25, 38, 64))]
  audio = drum_rendering.render_events(hits, events, RATE)
  assert audio.size == 2_000 + 50 and not audio[:800].any()
  assert audio[800] == pytest.approx(1.0)
  assert audio[2_000] == pytest.approx(0.5 * float(level.velocity_to_gain(64)))


def test_hats_cut_each_other_off_and_nothing_else():
  fade = round(drum_rendering.CHOKE_S * RATE)
  hits = [make_hit(46, np.ones(4_000)), make_hit(42, np.zeros(10)), make_hit(49, np.ones(4_000))]
  closed = drum_pattern.Event(0.1, 42, 127)
  for key, rings_on in ((46, False), (49, True)):
    audio = drum_rendering.render_events(hits, [drum_pattern.Event(0.0, key, 127), closed], RATE)
    np.testing.assert_allclose(audio[:800], 1.0)
    assert bool(np.any(audio[800 + fade :])) == rings_on
    assert np.abs(np.diff(audio[:4_000])).max() < 0.05  # It is faded, not cut.
  # Strokes at one time let each other be, and the next one cuts both.
  events = sorted([drum_pattern.Event(0.0, 46, 127), drum_pattern.Event(0.0, 42, 127), closed])
  assert [end for _, end in drum_rendering.choke_ends(events)] == [0.1, 0.1, None]


@pytest.mark.parametrize("tempo,swing", [(120.0, 0.5), (97.0, 0.62)])
def test_a_loop_is_its_bar_and_repeats_without_a_seam(tempo, swing):
  """Two bars of the loop are the third and the fourth of a piece of six."""
  rng = np.random.default_rng(0)
  decay = np.exp(-np.arange(3 * RATE) / (0.4 * RATE))
  hits = [make_hit(key, 0.1 * rng.normal(size=3 * RATE) * decay) for key in (36, 46, 42)]
  steps = ((2, 0, 0, 1) * 4, (0,) * 15 + (1,), (0, 0, 1, 0) * 4)
  tracks = tuple(drum_pattern.Track(h.key, s) for h, s in zip(hits, steps, strict=True))
  pattern = drum_pattern.Pattern(tracks, tempo, swing)
  loop = drum_rendering.render_loop(hits, pattern, RATE)
  length = round(4 * 60 / tempo * RATE)
  assert loop.dtype == np.float32 and loop.size == length
  piece = drum_rendering.render_events(
    hits,
    [
      e._replace(start_s=(round(e.start_s * RATE) + bar * length) / RATE)
      for bar in range(6)
      for e in drum_pattern.to_events(pattern)
    ],
    RATE,
  )
  np.testing.assert_allclose(np.tile(loop, 2), piece[2 * length : 4 * length], atol=2e-3)


def write_beat(path, events, others=()):
  track = mido.MidiTrack()
  for channel, note in [*((9, key) for key in events), *((0, key) for key in others)]:
    track.append(mido.Message("note_on", channel=channel, note=note, velocity=100, time=240))
  file = mido.MidiFile(ticks_per_beat=480)
  file.tracks.append(track)
  file.save(path)


def test_percussion_is_rendered_and_other_channels_are_named(drums_run, tmp_path, caplog):
  beat, out = str(tmp_path / "beat.mid"), str(tmp_path / "beat.wav")
  write_beat(beat, [36, 38, 30], [60, 64])
  with caplog.at_level("INFO"):
    render.main([beat, out, f"--workdir={drums_run}"])
  said = [record.getMessage() for record in caplog.records]
  assert "2 notes of other channels are left out: this run makes drums" in said
  assert any("percussion keys 30 are left out (1 strokes)" in line for line in said)
  audio, rate = soundfile.read(out)
  onsets = [round(0.25 * rate), round(0.5 * rate)]
  assert rate == 16_000 and not audio[: onsets[0]].any() and np.abs(audio).max() <= 0.9
  for onset in onsets:
    assert np.abs(audio[onset : onset + 400]).max() > 0.01


def test_notes_and_drums_are_rendered_together(tiny_run, drums_run, tmp_path):
  song, out = str(tmp_path / "song.mid"), str(tmp_path / "song.wav")
  write_beat(song, [36], [60])
  render.main([song, out, f"--workdir={tiny_run}", f"--drums={drums_run}"])
  audio, rate = soundfile.read(out)
  assert np.abs(audio[rate // 4 : rate // 2]).max() > 0.01  # The drum, before the note.
  with pytest.raises(errors.UserError, match="--drums needs a run of drums") as caught:
    render.main([song, out, f"--workdir={tiny_run}", f"--drums={tiny_run}"])
  assert "family" in one_line(caught)
  with pytest.raises(errors.UserError, match="--map is of runs of notes"):
    render.main([song, out, f"--workdir={drums_run}", "--map=0:organ"])


def test_what_cannot_be_rendered_is_said_and_nothing_written(drums_run, tmp_path):
  path, out = str(tmp_path / "a.mid"), tmp_path / "a.wav"
  (tmp_path / "a.mid").write_bytes(scores.to_midi([scores.Note(0.0, 1.0, 60)]))
  with pytest.raises(errors.UserError, match="no percussion"):
    render.main([path, str(out), f"--workdir={drums_run}"])
  write_beat(path, [27, 28])
  with pytest.raises(errors.UserError, match="no drum for any of the percussion keys 27, 28"):
    render.main([path, str(out), f"--workdir={drums_run}"])
  assert not out.exists()


def test_export_writes_kits_of_drums_and_refuses_the_rest(drums_run, tiny_run, tmp_path):
  for form, name in (
    ("hydrogen", "hydrogen.h2drumkit"),
    ("sfz", "sfz.sfz"),
    ("wav", "36-kick.wav"),
  ):
    out = tmp_path / form
    export.main([f"--workdir={drums_run}", f"--format={form}", f"--out={out}", "--seed=1"])
    assert (out / name).stat().st_size > 100
  refused = [
    ([f"--workdir={drums_run}", "--format=sf2"], "--format must be one of hydrogen, sfz, wav"),
    ([f"--workdir={drums_run}", "--kind=tom"], "kind cannot be given"),
    ([f"--workdir={drums_run}", "--pitches=36-48"], "--pitches is of runs with a pitch"),
    ([f"--workdir={tiny_run}", "--format=hydrogen"], "--format=hydrogen needs a run of drums"),
  ]
  for arguments, message in refused:
    with pytest.raises(errors.UserError, match=message) as caught:
      export.main([*arguments, f"--out={tmp_path / 'no'}"])
    assert one_line(caught) and not (tmp_path / "no").exists()
