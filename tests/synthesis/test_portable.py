"""A run's decoder outside of this package: as StableHLO and as ONNX it makes the same samples."""

import subprocess
import sys

from conftest import example_batch
from conftest import get_config
from conftest import make_method
from conftest import one_line
import jax
from jax import export as jax_export
import numpy as np
import pytest

from cvae_jax import export
from cvae_jax.core import errors
from cvae_jax.synthesis import portable
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation


@pytest.fixture(scope="module")
def synth(tiny_run):
  return synthesizer.load(tiny_run)


def close(ours, theirs):
  """Whether two waveforms are the same, but for what rounding does to recovered phases."""
  error = np.linalg.norm(ours - theirs) / np.linalg.norm(ours)
  return error < 2e-2


def test_stablehlo_needs_only_jax_and_makes_the_same_samples(synth, tiny_run, tmp_path):
  out = tmp_path / "decoder.stablehlo"
  export.main([f"--workdir={tiny_run}", "--format=stablehlo", "--batch=2", f"--out={out}"])
  inputs = portable.example_inputs(synth, 2)
  ours = np.asarray(compilation.jit(portable.make_program(synth).function)(*inputs))
  theirs = np.asarray(jax_export.deserialize(out.read_bytes()).call(*inputs))
  assert theirs.shape == (2, 64_000) and np.abs(ours).max() > 0.1
  assert close(ours, theirs)
  np.savez(tmp_path / "inputs.npz", *inputs)
  script = (
    "import sys, numpy as np\nfrom jax import export\n"
    "x = np.load(sys.argv[2])\n"
    "audio = export.deserialize(open(sys.argv[1], 'rb').read()).call(*[x[n] for n in x.files])\n"
    "assert not [m for m in sys.modules if m.startswith('cvae_jax')]\n"
    "np.save(sys.argv[3], audio)\n"
  )
  command = [sys.executable, "-c", script, out, tmp_path / "inputs.npz", tmp_path / "audio.npy"]
  subprocess.run(list(map(str, command)), check=True, cwd=tmp_path, timeout=120)
  assert close(ours, np.load(tmp_path / "audio.npy"))


@pytest.fixture(scope="module")
def heard(synth):
  """A run on PQMF features, whose parameters are random and make a sound."""
  config = get_config("cvae", "tiny", **{"representation.name": "pqmf"})
  method = make_method(config, len(synth.vocabulary.get("instrument").names))
  rng = np.random.default_rng(0)
  params = jax.jit(method.init)(jax.random.key(0), example_batch()).params
  params = jax.tree.map(lambda x: x + 0.05 * rng.standard_normal(x.shape).astype(x.dtype), params)
  return synthesizer.Synthesizer(config, 1, params, method, synth.table, synth.form)


@pytest.mark.slow
def test_onnx_makes_the_same_samples(heard):
  onnxruntime = pytest.importorskip("onnxruntime")
  pytest.importorskip("jax2onnx")
  program = portable.make_program(heard)
  inputs = portable.example_inputs(heard, 2)
  ours = np.asarray(compilation.jit(program.function)(*inputs))
  session = onnxruntime.InferenceSession(portable.to_onnx(program, 2))
  names = [i.name for i in session.get_inputs()]
  (theirs,) = session.run(None, dict(zip(names, inputs, strict=True)))
  assert np.abs(ours).max() > 0.1
  np.testing.assert_allclose(ours, theirs, atol=1e-4)
  # And JAX is as it was.
  np.testing.assert_array_equal(ours, compilation.jit(program.function)(*inputs))


@pytest.mark.slow
def test_what_onnx_cannot_say_is_one_line_and_leaves_no_file(tiny_run, tmp_path):
  pytest.importorskip("jax2onnx")
  out = tmp_path / "decoder.onnx"
  with pytest.raises(errors.UserError, match="stablehlo") as error:
    export.main([f"--workdir={tiny_run}", "--format=onnx", f"--out={out}"])
  one_line(error)
  assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_said(synth):
  without = synthesizer.Synthesizer(
    synth.config, 1, synth.params, synth.method._replace(decode=None), synth.table, synth.form
  )
  with pytest.raises(errors.UserError, match="has no decoder"):
    portable.make_program(without)
