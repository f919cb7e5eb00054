"""A step of a stream as a program: block by block what the run itself makes."""

from conftest import sing
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import export
from cvae_jax.core import errors
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import synthesizer


@pytest.fixture(scope="module")
def expected(rave_run):
  """Four blocks of a voice, changes of its latents, and what the run makes of them."""
  synth = synthesizer.load(str(rave_run))
  stream = latent_conversion.Stream(synth, 20, seed=3)
  size = stream.block_length
  audio = sing(1.0, 300.0, 400.0)[: 4 * size].reshape(4, size).astype(np.float32)
  change = latent_conversion.make_change(4, [(1, 0.5)], [(0, 1.5)])
  stream.change = change
  return audio, change, np.stack([stream.play(block) for block in audio])


def test_a_stream_s_step_is_portable(rave_run, expected, tmp_path):
  audio, change, made = expected
  path = tmp_path / "step.stablehlo"
  size = audio.shape[1]
  export.main([
    f"--workdir={rave_run}", "--format=stablehlo", f"--block={size + 3}",
    "--seed=3", f"--out={path}",
  ])  # fmt: skip
  program = jax.export.deserialize(bytearray(path.read_bytes()))
  state = [jnp.zeros(x.shape, x.dtype) for x in program.in_avals[4:]]
  outputs = []
  for number, block in enumerate(audio):
    inputs = (x[None].astype(np.float32) for x in (block, change.scale, change.bias))
    sound, *state = program.call(*inputs, np.int32(number), *state)
    outputs.append(np.asarray(sound)[0])
  assert np.allclose(outputs, made, atol=1e-5) and np.abs(made).max() > 0.01


def test_what_has_no_stream_is_refused(tiny_run, tmp_path):
  with pytest.raises(errors.UserError, match="needs a run that streams"):
    export.main([
      f"--workdir={tiny_run}", "--format=stablehlo", "--block=512", f"--out={tmp_path}/a.x",
    ])  # fmt: skip
  with pytest.raises(errors.UserError, match="--block is of programs"):
    export.main([f"--workdir={tiny_run}", "--block=512", f"--out={tmp_path}/b"])
  assert not list(tmp_path.iterdir())
