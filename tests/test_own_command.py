"""A command of one's own: the flags that all commands share, and what a loaded run can do."""

import runpy

import numpy as np
import pytest

from cvae_jax.core import errors

SOURCE = '''
"""Prints the level of generated sounds: python loudness.py --workdir=runs/cvae --pitch=60"""

import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import run_flags


def main(argv=None):
  parser = cli.Parser(prog="python loudness.py", description=__doc__)
  run_flags.add_run(parser)
  run_flags.add_draw(parser)
  run_flags.add_labels(parser, run_flags.find_vocabulary(argv))
  args = parser.parse_args(argv)
  synth = run_flags.load_run(args)
  labels = synth.draw_labels(2, args.seed, **run_flags.asked_labels(args))
  for audio in synth.sample(labels, args.seed, args.temperature, 2):
    print(f"{20 * np.log10(np.sqrt(np.mean(audio**2)) + 1e-9):.1f} dB")


if __name__ == "__main__":
  cli.run(main)
'''


@pytest.fixture
def main(tmp_path):
  (tmp_path / "loudness.py").write_text(SOURCE)
  return runpy.run_path(str(tmp_path / "loudness.py"))["main"]


def test_a_command_needs_one_file(main, tiny_run, capsys):
  levels = {}
  for velocity in (127, 25):
    main([f"--workdir={tiny_run}", "--pitch=60", f"--velocity={velocity}"])
    levels[velocity] = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
  assert np.shape(levels[127]) == (2,) and np.mean(levels[127]) > np.mean(levels[25]) + 6


def test_its_mistakes_are_those_of_every_command(main, tmp_path):
  with pytest.raises(errors.UserError, match="holds no run"):
    main([f"--workdir={tmp_path}"])
  with pytest.raises(errors.UserError, match="--temperature: must be 0 to 100, got -1"):
    main([f"--workdir={tmp_path}", "--temperature=-1"])
