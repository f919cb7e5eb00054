import os
import re

from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax import export
from cvae_jax.audio import level
from cvae_jax.core import errors
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import loops
from cvae_jax.synthesis import synthesizer


@pytest.fixture(scope="module")
def synth(tiny_run):
  return synthesizer.load(tiny_run)


def regions(text):
  """(key range, velocity range, opcodes) of every region."""
  found, velocities = [], None
  for line in text.splitlines():
    fields = dict(re.findall(r"(\w+)=(\S+)", line))
    if "lovel" in fields:
      velocities = (int(fields["lovel"]), int(fields["hivel"]))
    if line.startswith("<region>"):
      found.append(((int(fields["lokey"]), int(fields["hikey"])), velocities, fields))
  return found


def test_every_key_at_every_velocity_has_one_sample():
  loop = loops.Loop(10_000, 40_000, 0.99)
  keys = [
    instrument.Key(p, v, np.zeros(4), loop if p > 50 else None)
    for v in (50, 100, 127) for p in (36, 48, 51, 84)
  ]  # fmt: skip
  found = regions(formats.to_sfz(keys, 16_000, "organ"))
  assert len(found) == 12
  for key in range(128):
    for velocity in range(1, 128):
      holds = [f for k, v, f in found if k[0] <= key <= k[1] and v[0] <= velocity <= v[1]]
      assert len(holds) == 1, (key, velocity)
      nearest = min(abs(key - p) for p in (36, 48, 51, 84))
      assert abs(int(holds[0]["pitch_keycenter"]) - key) <= nearest + 1
  by_name = {f["sample"]: f for _, _, f in found}
  assert by_name["051-v050.wav"]["loop_end"] == "39999"
  assert by_name["036-v050.wav"]["loop_mode"] == "no_loop"


def test_an_instrument_is_one_z_and_the_one_that_generate_has(synth):
  asked = {"family": "organ", "source": "electronic"}
  keys = instrument.make_instrument(synth, [60, 64], [100], seed=3, **asked)
  assert [(k.pitch, k.velocity) for k in keys] == [(60, 100), (64, 100)]
  note = synth.generate(pitch=60, velocity=100, seed=3, **asked)
  full = note / float(level.velocity_to_gain(100))
  before = keys[0].loop.end - 512 if keys[0].loop else note.size
  np.testing.assert_allclose(keys[0].audio[:before], full[:before], atol=2e-3)
  again = instrument.make_instrument(synth, [60], [100], seed=3, **asked)
  np.testing.assert_allclose(again[0].audio, keys[0].audio, atol=1e-4)
  other = instrument.make_instrument(synth, [60], [100], seed=4, **asked)
  assert np.abs(other[0].audio - keys[0].audio).max() > 1e-3


def test_the_command_writes_what_the_map_names(synth, tiny_run, tmp_path):
  out = tmp_path / "organ"
  export.main([
    f"--workdir={tiny_run}", "--family=organ", "--pitches=48-60:4", "--velocities=50,127",
    f"--out={out}",
  ])  # fmt: skip
  found = regions((out / "organ.sfz").read_text())
  names = {f["sample"] for _, _, f in found}
  assert names | {"organ.sfz"} == set(os.listdir(out)) and len(names) == 8
  for name in names:
    audio, rate = soundfile.read(out / name)
    assert rate == 16_000 and audio.size == 64_000 and np.abs(audio).max() <= 1.0
  alone = tmp_path / "wavs"
  export.main([f"--workdir={tiny_run}", "--pitches=60", "--format=wav", f"--out={alone}"])
  assert os.listdir(alone) == ["060-v127.wav"]


@pytest.mark.parametrize(
  "arguments,says",
  [
    (["--format=sf3"], "--format must be one of sfz, sf2, wav, hydrogen, stablehlo, onnx, got sf3"),
    (["--pitches=84-36"], "--pitches must be an increasing range within 0-127, got 84-36"),
    (["--pitches=low"], "--pitches must be a range such as 36-84 or 36-84:3, got low"),
    (["--velocities=soft"], "--velocities must be numbers such as 50,100,127, got soft"),
    (["--velocities=128"], "--velocities must be 1 to 127, got 128"),
    (["--velocities=0,127"], "--velocities must be 1 to 127, got 0,127"),
    (["--temperature=nan"], "--temperature: must be 0 to 100, got nan"),
    (["--family=kazoo"], "kazoo"),
  ],
)
def test_what_cannot_be_exported_is_one_line(tiny_run, tmp_path, arguments, says):
  with pytest.raises(errors.UserError, match=re.escape(says)) as error:
    export.main([f"--workdir={tiny_run}", f"--out={tmp_path / 'out'}", *arguments])
  one_line(error)
  assert not (tmp_path / "out").exists()
