from conftest import one_line
import matplotlib.image
import numpy as np
import pytest
import soundfile

from cvae_jax import figures
from cvae_jax.core import errors


def test_a_clip_is_drawn_in_every_way(tmp_path, real_note, capsys):
  path, out = str(tmp_path / "clip.wav"), tmp_path / "out"
  soundfile.write(path, real_note[:24_000], 16_000)
  figures.main([path, f"--out={out}"])
  printed = capsys.readouterr().out.split()
  assert sorted(printed) == sorted(str(out / f"{name}.png") for name in figures.FIGURES)
  for name in printed:
    pixels = matplotlib.image.imread(name)
    assert pixels.shape[0] > 400 and pixels.shape[1] > 800
    assert pixels[..., :3].std() > 0.1  # Not an empty page.


def test_a_short_and_silent_clip_is_drawn():
  for draw in figures.FIGURES.values():
    assert draw(np.zeros(100, np.float32), 16_000).startswith(b"\x89PNG")


def test_a_clip_that_is_none_is_named(tmp_path):
  with pytest.raises(errors.UserError) as error:
    figures.main([str(tmp_path / "none.wav"), f"--out={tmp_path / 'out'}"])
  assert "none.wav" in one_line(error) and not (tmp_path / "out").exists()
