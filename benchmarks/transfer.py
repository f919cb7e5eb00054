"""What timbre transfer keeps of recordings: f0 and loudness, with the learnt room and without it.

python benchmarks/transfer.py --workdir=pretrained:violin FILE [FILE ...]

Of the frames of a recording that are loud and have a clear pitch: the share whose f0 is within 20
and 50 cents of the recording's, whole octaves of transposition aside; of the loud frames, the
correlation of the loudness curves. Both by the same tracker, on both sides.
"""

import argparse
import os
import tempfile

import numpy as np

import cvae_jax
from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import files
from cvae_jax.synthesis import conversion


def measure(synth, path: str) -> controls_lib.Controls:
  """The controls of a file."""
  blocks = (part.audio for part in files.read_parts(path, synth.sample_rate))
  return conversion.measure(synth.method.performer, blocks, synth.sample_rate)


def compare(source: controls_lib.Controls, made: controls_lib.Controls) -> list[float]:
  """Shares within 20 and 50 cents, and the correlation of loudness."""
  count = min(len(source.f0_hz), len(made.f0_hz))
  source, made = (controls_lib.Controls(*(x[:count] for x in row)) for row in (source, made))
  clear, loud = controls_lib.clear_frames(source), controls_lib.loud_frames(source)
  cents = 1200.0 * np.log2(np.asarray(made.f0_hz) / np.asarray(source.f0_hz))[clear]
  cents -= 1200.0 * round(float(np.median(cents)) / 1200.0)
  correlation = np.corrcoef(source.loudness_db[loud], made.loudness_db[loud])[0, 1]
  return [np.mean(np.abs(cents) < 20.0), np.mean(np.abs(cents) < 50.0), correlation]


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("--workdir", default="pretrained:violin")
  parser.add_argument("files", nargs="+")
  args = parser.parse_args()
  synth = cvae_jax.load(args.workdir)
  print(f"{args.workdir}, {synth.sample_rate} Hz; share of clear frames; room: 20 cents, 50 cents,")
  print("correlation of loudness; dry: the same")
  for path in args.files:
    source = measure(synth, path)
    row = [float(controls_lib.clear_frames(source).sum() / controls_lib.loud_frames(source).sum())]
    for in_room in (True, False):
      with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.wav")
        conversion.convert_file(synth, path, out, in_room=in_room)
        row += compare(source, measure(synth, out))
    print(f"{os.path.basename(path):40s}", " ".join(f"{value:.3f}" for value in row), flush=True)


if __name__ == "__main__":
  main()
