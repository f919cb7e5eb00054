"""`cvae_jax.live` on an audio device that is made up: what is heard, knobs, and what is refused."""

import sys
import threading
import time
import types

from conftest import sing
import numpy as np
import pytest

from cvae_jax import live
from cvae_jax.core import errors
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import synthesizer

SR = 16_000


class Device:
  """As much of sounddevice as is used: a device that sings, and keeps what is played."""

  class PortAudioError(Exception):
    pass

  def __init__(self, rates=(SR,)):
    self.rates, self.played = rates, []

  def query_devices(self):
    return [{"name": "made up", "max_input_channels": 1, "max_output_channels": 2}]

  def Stream(self, samplerate, blocksize, channels, dtype, device, callback):  # noqa: N802
    if samplerate not in self.rates:
      raise self.PortAudioError("Invalid sample rate")
    owner, audio = self, sing(1.0, 300.0, 400.0)

    class Running:
      latency = (0.01, 0.02)

      def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

      def run(self):
        for start in range(0, len(audio) - blocksize + 1, blocksize):
          out = np.zeros((blocksize, 1), np.float32)
          callback(audio[start : start + blocksize, None], out, blocksize, None, None)
          owner.played.append(out[:, 0])
          time.sleep(0.15)

      def __exit__(self, *unused):
        self.thread.join()

    return Running()


@pytest.fixture
def device(monkeypatch):
  device = Device()
  monkeypatch.setitem(sys.modules, "sounddevice", device)
  return device


def test_what_is_heard_is_what_the_run_makes_of_it(rave_run, device, caplog):
  caplog.set_level("INFO")
  live.main([f"--workdir={rave_run}", "--block_ms=200", "--ahead=1", "--seconds=0.5"])
  stream = live.make_source(synthesizer.load(str(rave_run)), 0.2)
  audio, size = sing(1.0, 300.0, 400.0), stream.block_length
  assert size == 3200
  stream.play(np.zeros(size))  # As the command does, to compile.
  expected = [stream.play(audio[n : n + size]) for n in range(0, 4 * size, size)]
  assert np.array_equal(device.played[0], np.zeros(size))
  assert np.allclose(np.concatenate(device.played[1:5]), np.concatenate(expected), atol=1e-6)
  assert "5 blocks, 0 dropouts" in caplog.text and "late by" in caplog.text


def test_knobs_move_latents(rave_run):
  stream = live.make_source(synthesizer.load(str(rave_run)), 0.1)
  knobs = live.Knobs(stream, [(21, 0), (22, 2)])
  knobs.turn(21, 127)
  knobs.turn(22, 0)
  knobs.turn(99, 5)
  assert stream.change.bias[:3].tolist() == pytest.approx([3.0 * 63 / 64, 0.0, -3.0])
  knobs.turn(21, 64)
  assert stream.change.bias[0] == 0.0
  assert isinstance(stream, latent_conversion.Stream)
  with pytest.raises(errors.UserError, match="a dimension of a latent must be 0-3, got 9"):
    live.Knobs(stream, [(21, 9)])


def test_an_instrument_follows(ddsp_run, device):
  live.main([f"--workdir={ddsp_run}", "--block_ms=200", "--seconds=0.3"])
  assert len(device.played) >= 4 and np.isfinite(np.concatenate(device.played)).all()


@pytest.mark.parametrize(
  ("flags", "line"),
  [
    (["--cc=21"], "wants CONTROLLER:DIMENSION"),
    (["--cc=200:1"], "wants CONTROLLER:DIMENSION"),
    (["--cc=21:0"], "--cc needs --midi"),
  ],
)
def test_flags_that_mean_nothing(rave_run, flags, line):
  with pytest.raises(errors.UserError, match=line):
    live.main([f"--workdir={rave_run}", *flags])


def test_what_cannot_be_played_is_said_in_a_line(rave_run, tiny_run, device, monkeypatch):
  with pytest.raises(errors.UserError, match="playing live needs a run that streams"):
    live.main([f"--workdir={tiny_run}", "--seconds=0.1"])
  monkeypatch.setitem(sys.modules, "sounddevice", Device(rates=()))
  with pytest.raises(errors.UserError, match=r"no audio device can be played at 16000 Hz"):
    live.main([f"--workdir={rave_run}", "--seconds=0.1"])
  midi = types.ModuleType("rtmidi")
  midi.SystemError = OSError
  monkeypatch.setitem(sys.modules, "rtmidi", midi)
  monkeypatch.setattr("mido.get_input_names", lambda: ["Keys", "Pads"])
  with pytest.raises(errors.UserError, match=r"--midi=drum is no MIDI input: there are Keys, Pads"):
    live.main([f"--workdir={rave_run}", "--midi=drum", "--seconds=0.1"])

  def fail():
    raise OSError("no sequencer")

  monkeypatch.setattr("mido.get_input_names", fail)
  with pytest.raises(errors.UserError, match=r"there is no MIDI on this system \(no sequencer\)"):
    live.main([f"--workdir={rave_run}", "--midi", "--seconds=0.1"])
  monkeypatch.setitem(sys.modules, "sounddevice", None)
  with pytest.raises(errors.UserError, match=r"live playing needs sounddevice .*cvae_jax\[live\]"):
    live.main([f"--workdir={rave_run}"])
