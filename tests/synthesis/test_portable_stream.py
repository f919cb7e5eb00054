"""A step of a stream as a program: block by block what the run itself makes."""

from conftest import sing
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import export
from cvae_jax.core import errors
from cvae_jax.models.common import rave as rave_lib
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import portable
from cvae_jax.synthesis import synthesizer

FRAMES = 20  # of a block


@pytest.fixture(scope="module")
def synth(rave_run):
  return synthesizer.load(str(rave_run))


@pytest.fixture(scope="module")
def sung(synth):
  """Four blocks of a voice, and changes of its latents."""
  size = FRAMES * synth.method.streamer.hop_length
  audio = sing(1.0, 300.0, 400.0)[: 4 * size].reshape(4, size).astype(np.float32)
  return audio, latent_conversion.make_change(4, [(1, 0.5)], [(0, 1.5)])


def convert(synth, audio, change):
  """What the run itself makes of blocks."""
  stream = latent_conversion.Stream(synth, FRAMES, change, seed=3)
  made = np.stack([stream.play(block) for block in audio])
  assert np.abs(made).max() > 0.01
  return made


def play(step, audio, change, state):
  """The sound of a step's blocks, and the state after them."""
  outputs = []
  for number, block in enumerate(audio):
    inputs = (x[None].astype(np.float32) for x in (block, change.scale, change.bias))
    sound, *state = step(*inputs, np.array(number, np.int32), *state)
    outputs.append(np.asarray(sound)[0])
  return np.stack(outputs), state


def test_a_stream_s_step_is_portable(rave_run, synth, sung, tmp_path):
  path = tmp_path / "step.stablehlo"
  size = sung[0].shape[1]
  export.main([
    f"--workdir={rave_run}", "--format=stablehlo", f"--block={size + 3}",
    "--seed=3", f"--out={path}",
  ])  # fmt: skip
  program = jax.export.deserialize(bytearray(path.read_bytes()))
  state = [jnp.zeros(x.shape, x.dtype) for x in program.in_avals[4:]]
  outputs, _ = play(program.call, *sung, state)
  np.testing.assert_allclose(outputs, convert(synth, *sung), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("fidelity", [0.5, 1.0])
def test_onnx_makes_the_same_blocks_of_the_same_noise(synth, sung, fidelity, monkeypatch):
  onnxruntime = pytest.importorskip("onnxruntime")
  pytest.importorskip("jax2onnx")
  monkeypatch.setattr(rave_lib, "_NOISE_BIAS", 0.0)  # Loud: five steps of training have none.
  synth = synth.with_fields({"method.fidelity": fidelity})
  program = portable.make_stream_program(synth, sung[0].shape[1], seed=3)
  session = onnxruntime.InferenceSession(portable.to_onnx(program, 1))
  names = [x.name for x in session.get_inputs()]
  step = lambda *inputs: session.run(None, dict(zip(names, map(np.asarray, inputs), strict=True)))
  state = [np.zeros(x.shape, x.dtype) for x in program.state(1)]
  outputs, after = play(step, *sung, state)
  np.testing.assert_allclose(outputs, convert(synth, *sung), atol=1e-5)
  _, wanted = play(jax.jit(program.function), *sung, state)
  for ours, theirs in zip(wanted, after, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_what_has_no_stream_is_refused(tiny_run, tmp_path):
  with pytest.raises(errors.UserError, match="needs a run that streams"):
    export.main([
      f"--workdir={tiny_run}", "--format=stablehlo", "--block=512", f"--out={tmp_path}/a.x",
    ])  # fmt: skip
  with pytest.raises(errors.UserError, match="--block is of programs"):
    export.main([f"--workdir={tiny_run}", "--block=512", f"--out={tmp_path}/b"])
  assert not list(tmp_path.iterdir())
