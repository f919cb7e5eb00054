import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import explore
from cvae_jax.core import errors
from cvae_jax.data import pipeline
from cvae_jax.synthesis import note_codes
from cvae_jax.synthesis import score_attributes
from cvae_jax.synthesis import synthesizer


def decode(params, codes, labels, rng):
  """Scores with as many notes as the first dimension says, a scale by as much as the second."""
  step = jnp.arange(32)
  count = jnp.clip(jnp.round(codes[:, :1] * 4 + 8), 1, 16)
  stride = jnp.clip(jnp.round(codes[:, 1:2] + 3), 1, 6)
  is_note = (step % 2 == 0) & (step // 2 < count)
  pitch = 30 + stride * (step // 2 % 4)
  return jnp.where(is_note, pitch, 0).astype(jnp.int32)


@pytest.fixture
def made_up(melody_run, monkeypatch):
  """A run whose decoder is known, with codes."""
  synth = synthesizer.load(str(melody_run))
  synth.method = synth.method._replace(decode=decode)
  codes = note_codes.encode_notes(synth, pipeline.open_data(synth.config.data).train)
  draws = np.random.default_rng(0).normal(size=codes.code.shape).astype(np.float32)
  return synth, codes._replace(code=draws)


def test_a_vector_leads_to_more_of_an_attribute_and_not_of_others(made_up):
  synth, codes = made_up
  vectors = score_attributes.find_vectors(synth, codes)
  assert {"density", "interval", "range", "c_diatonic"} <= set(vectors)
  density = vectors["density"] / np.linalg.norm(vectors["density"])
  interval = vectors["interval"] / np.linalg.norm(vectors["interval"])
  assert density[0] > 0.95 and interval[1] > 0.9
  assert abs(density[1]) < 0.2


def test_unknown_attributes_and_those_that_do_not_differ_are_refused(made_up):
  synth, codes = made_up
  with pytest.raises(errors.UserError, match="must be one of mode, density, .*, got 'bright'"):
    score_attributes.find_vectors(synth, codes, ["bright"])
  with pytest.raises(errors.UserError, match="too few of the training scores differ in syncopat"):
    score_attributes.find_vectors(synth, codes, ["syncopation_16th"])


def test_a_score_is_converted_along_an_attribute(melody_run, tmp_path):
  from cvae_jax import generate

  run = f"--workdir={melody_run}"
  generate.main([run, f"--out={tmp_path}", "--no_audio"])
  source, out = str(tmp_path / "sample-seed0-0.mid"), tmp_path / "out.mid"
  explore.main(["convert", run, source, str(out), "--attribute=minor:1", "--no_audio"])
  assert out.exists()
  with pytest.raises(errors.UserError, match="differ in density"):  # It has learnt next to nothing.
    explore.main(["convert", run, source, str(out), "--attribute=density:1", "--no_audio"])
  with pytest.raises(errors.UserError, match="attribute must be one of mode, .*, got 'bright'"):
    explore.main(["convert", run, source, str(out), "--attribute=bright:1", "--no_audio"])


def test_codes_are_not_decoded_for_attributes_that_are_labels(melody_run, tmp_path, monkeypatch):
  source, out = tmp_path / "in.mid", tmp_path / "out.mid"
  synth = synthesizer.load(str(melody_run))
  synth.form.write(str(source), synth.generate(seed=0))

  def refuse(*_):
    raise AssertionError("the codes of all training scores were decoded")

  monkeypatch.setattr(score_attributes, "find_vectors", refuse)
  run = f"--workdir={melody_run}"
  explore.main(["convert", run, str(source), str(out), "--attribute=minor:1", "--no_audio"])
  assert out.exists()
