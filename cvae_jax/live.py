"""Plays a run live: from a microphone or line input through the run to the loudspeakers.

python -m cvae_jax.live --workdir=runs/rave --midi --cc=21:0 --cc=22:1

Needs the extra `[live]`. A run that streams (configs/rave.py) codes and decodes what it hears; its
latents are moved by MIDI controllers. A run that is played by pitch and loudness (configs/ddsp.py)
follows them. Stop it with Ctrl-C.
"""

import argparse
import contextlib
import logging
import time
from typing import Any

import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import run_flags

BIAS_RANGE = 3.0  # of a latent, at either end of a controller
_log = logging.getLogger("cvae_jax.live")  # Also when run as __main__.


def main(argv: list[str] | None = None) -> None:
  """Plays until it is stopped."""
  parser = cli.Parser(
    prog="python -m cvae_jax.live",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  run_flags.add_run(parser)
  parser.add_argument("--list", action="store_true", help="list audio devices and MIDI inputs")
  parser.add_argument("--input", help="audio device to hear, a number or part of its name")
  parser.add_argument("--output", help="audio device to play on")
  parser.add_argument(
    "--block_ms",
    type=flag_types.real(1, 2000),
    default=64.0,
    help="of sound at a time, to whole frames of the run (default 64)",
  )
  parser.add_argument(
    "--ahead",
    type=flag_types.whole(1, 64),
    default=1,
    help="blocks that a block may be late; more of them stutter less (default 1)",
  )
  parser.add_argument(
    "--seconds", type=flag_types.real(0.1), help="after which it ends; for ever without it"
  )
  parser.add_argument(
    "--midi", nargs="?", const="", help="MIDI input, part of its name; the first one without it"
  )
  parser.add_argument(
    "--cc", type=_controller, action="append", default=[], metavar="CONTROLLER:DIMENSION",
    help=f"MIDI controller that moves a latent by up to {BIAS_RANGE:g}; may be repeated",
  )  # fmt: skip
  parser.add_argument("--seed", type=run_flags.SEED, default=0, help="of the noise")
  args = parser.parse_args(argv)
  if args.cc and args.midi is None:
    parser.error("--cc needs --midi")
  devices = _import("sounddevice")
  if args.list:
    _list(devices)
    return
  synth = run_flags.load_run(args)
  source = make_source(synth, args.block_ms / 1000.0, args.seed)
  play(devices, synth, source, args)


def _controller(text: str) -> tuple[int, int]:
  controller, colon, dimension = text.partition(":")
  if not (colon and controller.isdecimal() and dimension.isdecimal()) or int(controller) > 127:
    raise argparse.ArgumentTypeError(f"wants CONTROLLER:DIMENSION, as 21:0, got '{text}'")
  return int(controller), int(dimension)


def _import(name: str) -> Any:
  """A module of the extra.

  Raises:
    UserError: if it, or the library that it needs, is not there.
  """
  import importlib

  try:
    return importlib.import_module(name)
  except (ImportError, OSError) as e:
    raise errors.UserError(
      f"live playing needs {name} ({errors.one_line(e)}): pip install 'cvae_jax[live]', and "
      "PortAudio where it does not come with it (apt install libportaudio2)"
    ) from None


def _list(devices: Any) -> None:
  for i, device in enumerate(devices.query_devices()):
    _log.info(
      "%d: %s, %d in, %d out", i, device["name"], device["max_input_channels"],
      device["max_output_channels"],
    )  # fmt: skip
  with contextlib.suppress(errors.UserError):
    for name in find_midi_inputs():
      _log.info("MIDI: %s", name)


def find_midi_inputs() -> list[str]:
  """Names of the MIDI inputs.

  Raises:
    UserError: a system without MIDI.
  """
  import mido

  system_error = _import("rtmidi").SystemError
  try:
    return mido.get_input_names()
  except system_error as e:
    raise errors.UserError(f"there is no MIDI on this system ({errors.one_line(e)})") from None


def make_source(synth: Any, block_s: float, seed: int = 0) -> Any:
  """What makes blocks of sound of blocks of sound: a `latent_conversion.Stream` or `live.Voice`.

  Args:
    synth: the run.
    block_s: of a block, which is of whole frames of the run.
    seed: of the noise.

  Raises:
    UserError: if the run can neither.
  """
  from cvae_jax.synthesis import latent_conversion
  from cvae_jax.synthesis import live

  if synth.method.streamer is not None:
    frames = synth.method.streamer.count_frames(block_s * synth.sample_rate)
    return latent_conversion.Stream(synth, frames, seed=seed)
  if synth.method.performer is not None and synth.method.performer.timbre is None:
    hop_length = synth.method.performer.tracking.hop_length
    frames = min(max(round(block_s * synth.sample_rate / hop_length), 1), live.MAX_FRAMES)
    return live.Voice(synth, live.Line(synth, frames, seed=seed))
  raise errors.UserError(
    "playing live needs a run that streams (configs/rave.py) or an instrument of one timbre that "
    f"is played by pitch and loudness (configs/ddsp_solo.py): this one is a "
    f"'{synth.config.method.name}'"
  )


class Knobs:
  """MIDI controllers that move latents.

  Args:
    stream: whose latents they move.
    controllers: pairs of a controller and a dimension.

  Raises:
    UserError: a dimension that there is not, or a run without latents that stream.
  """

  def __init__(self, stream: Any, controllers: list[tuple[int, int]]):
    from cvae_jax.synthesis import latent_conversion

    if not isinstance(stream, latent_conversion.Stream):
      raise errors.UserError("--cc means nothing to this run, which has no latents that stream")
    size = len(stream.change.bias)
    latent_conversion.make_change(size, bias=[(dimension, 0.0) for _, dimension in controllers])
    self._stream, self._dimensions = stream, dict(controllers)

  def turn(self, controller: int, value: int) -> None:
    """Moves a latent by a controller's value, 0-127; 64 is the middle."""
    if controller not in self._dimensions:
      return
    bias = self._stream.change.bias.copy()
    bias[self._dimensions[controller]] = BIAS_RANGE * (value - 64) / 64.0
    self._stream.change = self._stream.change._replace(bias=bias)


@contextlib.contextmanager
def open_midi(source: Any, args: argparse.Namespace):
  """Has the controllers of --cc move the latents, while it lasts."""
  if args.midi is None:
    yield
    return
  knobs, names = Knobs(source, args.cc), find_midi_inputs()
  found = [name for name in names if args.midi.lower() in name.lower()]
  if not found:
    there = ", ".join(names) or "none"
    raise errors.UserError(f"--midi={args.midi} is no MIDI input: there are {there}")

  def receive(message):
    if message.type == "control_change":
      knobs.turn(message.control, message.value)

  import mido

  with mido.open_input(found[0], callback=receive):
    _log.info("MIDI from %s", found[0])
    yield


def _device(text: str | None) -> Any:
  return int(text) if text is not None and text.isdecimal() else text


def play(devices: Any, synth: Any, source: Any, args: argparse.Namespace) -> None:
  """Plays on an audio device until --seconds are over or it is interrupted.

  Raises:
    UserError: a device that there is not, or that cannot play at the run's sample rate.
  """
  from cvae_jax.synthesis import duplex as duplex_lib

  length, rate = source.block_length, synth.sample_rate
  source.play(np.zeros(length, np.float32))  # Compiles.
  with (
    duplex_lib.Duplex(source.play, length, args.ahead) as duplex,
    open_midi(source, args),
  ):

    def callback(indata, outdata, frames, times, status):
      del frames, times, status
      outdata[:, 0] = duplex.exchange(indata[:, 0])

    try:
      stream = devices.Stream(
        samplerate=rate, blocksize=length, channels=1, dtype="float32",
        device=(_device(args.input), _device(args.output)), callback=callback,
      )  # fmt: skip
    except (devices.PortAudioError, ValueError) as e:
      raise errors.UserError(
        f"no audio device can be played at {rate} Hz, one channel in and out "
        f"({errors.one_line(e)}): see --list, --input and --output"
      ) from None
    with stream:
      delay = sum(stream.latency) if isinstance(stream.latency, tuple) else float(stream.latency)
      late = (source.latency + length * (1 + args.ahead)) / rate
      _log.info(
        "playing at %d Hz in blocks of %.0f ms; late by %.0f ms, and %.0f ms of the device",
        rate, 1000 * length / rate, 1000 * late, 1000 * delay,
      )  # fmt: skip
      try:
        _wait(duplex, args.seconds)
      except KeyboardInterrupt:
        pass
  if duplex.error is not None:
    raise duplex.error
  _log.info(
    "%d blocks, %d dropouts; the longest took %.0f ms of %.0f",
    duplex.played, duplex.dropouts, 1000 * duplex.worst_s, 1000 * length / rate,
  )  # fmt: skip


def _wait(duplex, seconds):
  start, said = time.monotonic(), 0
  while duplex.error is None and (seconds is None or time.monotonic() - start < seconds):
    time.sleep(0.1)
    if duplex.dropouts > said:
      _log.warning(
        "%d blocks were late: a larger --block_ms or --ahead helps", duplex.dropouts - said
      )
      said = duplex.dropouts


if __name__ == "__main__":
  cli.run(main)
