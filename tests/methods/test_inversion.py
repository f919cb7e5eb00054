"""A run of mcnn as another run's way back: copied, packaged, loaded without it; bad names."""

import os
import shutil

from conftest import SHORT
from conftest import get_config
import jax
import numpy as np
import pytest

from cvae_jax import package
from cvae_jax.audio import level
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.methods.common import inversion
from cvae_jax.play import engine
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop


def make_config(tfds_dir, run, **fields):
  """A VAE of drums on the representation of a tiny run of mcnn."""
  fields = {
    **SHORT, "data.tfds_dir": tfds_dir, "data.drums.sample_rate": 16_000,
    "data.name": "synth_drums", "representation.name": "log_mel", "representation.hop_length": 64,
    "representation.inversion": f"mcnn:{run}", **fields,
  }  # fmt: skip
  return get_config("vae", "tiny", **fields)


@pytest.fixture(scope="module")
def inverted_run(mcnn_run, tfds_dir, tmp_path_factory):
  """A finished run, whose inversion is no more where it was."""
  folder = tmp_path_factory.mktemp("inverted")
  shutil.copytree(mcnn_run, folder / "mcnn")
  config = make_config(tfds_dir, folder / "mcnn", **{"eval.sample_notes": 1})
  loop.train_and_evaluate(config, str(folder / "run"))
  shutil.rmtree(folder / "mcnn")
  return str(folder / "run")


def test_it_is_loaded_and_generates_without_the_run_that_it_inverts_by(inverted_run, mcnn_run):
  synth = synthesizer.load(inverted_run)
  _, params = checkpoint.restore_params(str(mcnn_run))
  jax.tree.map(np.testing.assert_array_equal, params, synth.inversion.params)
  sound = synth.generate(seed=0)
  assert np.abs(sound).max() == pytest.approx(level.PEAK, rel=1e-3)
  # As its features are, by the method itself.
  drum = synthesizer.load(str(mcnn_run))
  audio = np.random.default_rng(0).standard_normal((1, sound.size)).astype(np.float32)
  codes = drum.method.encode(drum.params, {"audio": jax.numpy.asarray(audio)})
  wanted = drum.method.decode(drum.params, codes, {}, jax.random.key(1))
  _, plain = make_representation(synth)
  made = plain.decode(codes[..., None], jax.random.key(1))
  made = level.peak_normalize(level.fade_ends(made, synth.sample_rate))
  np.testing.assert_allclose(made, wanted, atol=1e-5)


def make_representation(synth):
  from cvae_jax import methods

  plain = methods.make_representation(synth.config, synth.form)
  return plain, inversion.attach(plain, synth.inversion, synth.form)


def test_drafts_are_of_full_quality(inverted_run):
  synth = synthesizer.load(inverted_run)
  draft = engine.make_draft(synth)
  np.testing.assert_array_equal(draft.generate(seed=3), synth.generate(seed=3))


def test_it_is_resumed_with_the_inversion_that_it_began_with(inverted_run):
  config = synthesizer.load(inverted_run).config
  config.train.steps = 6
  loop.train_and_evaluate(config, inverted_run)
  assert synthesizer.load(inverted_run).step == 6


@pytest.mark.parametrize("bits", [8, 32])
def test_a_package_has_it_in_its_bits(inverted_run, tmp_path, bits):
  out = str(tmp_path / "packaged")
  package.main([f"--workdir={inverted_run}", f"--out={out}", f"--bits={bits}"])
  whole, small = (synthesizer.load(x) for x in (inverted_run, out))
  assert small.config.representation.inversion == "mcnn:inversion"
  for a, b in zip(*(jax.tree.leaves(x.inversion.params) for x in (whole, small)), strict=True):
    assert np.abs(a - b).max() <= (1 / 250 if bits == 8 else 0.0) * max(np.abs(a).max(), 1e-9)
  assert np.isfinite(small.generate(seed=0)).all()


def test_a_workdir_that_has_lost_it_says_so(inverted_run, tmp_path):
  shutil.copytree(inverted_run, tmp_path / "run")
  shutil.rmtree(tmp_path / "run" / "inversion")
  with pytest.raises(errors.UserError, match="inversion is missing: this run's features are"):
    synthesizer.load(str(tmp_path / "run"))


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"representation.inversion": "mcnn:"}, "must be griffin_lim or mcnn:RUN, got 'mcnn:'"),
    ({"representation.inversion": "vocoder"}, "must be griffin_lim or mcnn:RUN, got 'vocoder'"),
    ({"representation.inversion": "mcnn:/none"}, "inversion=mcnn:/none: /none holds no run"),
    ({"representation.inversion": "mcnn:pretrained:no"}, "there is no such run; there are"),
    ({"representation.inversion": "mcnn:pretrained:notes"}, "its method.name is vae, not mcnn"),
    (
      {"data.drums.sample_rate": 22_050},
      "it inverts sounds of 16000 Hz, and this run.s have",
    ),
    ({"representation.n_mels": 64}, "its representation.n_mels is 32, and this run's is 64"),
    ({"representation.hop_length": 128}, "its representation.hop_length is 64, and this run's is"),
    (
      {"representation.name": "log_magnitude"},
      "its representation.fmin_hz is 27.5, and",
    ),
  ],
)
def test_a_name_of_nothing_that_fits_is_refused_before_anything_is_written(
  mcnn_run, tfds_dir, tmp_path, fields, says
):
  config = make_config(tfds_dir, mcnn_run, **fields)
  with pytest.raises(errors.UserError, match=says):
    loop.train_and_evaluate(config, str(tmp_path / "run"))
  assert not os.path.exists(tmp_path / "run")


def test_features_without_levels_have_no_inversion(tfds_dir):
  for name in ("waveform", "mdct", "pqmf", "log_magnitude_if"):
    config = get_config("vae", "tiny", **{"representation.name": name})
    assert "inversion" not in config.representation
    with config.unlocked():
      config.representation.inversion = "mcnn:x"
    with pytest.raises(errors.UserError, match="representation.inversion is no field of"):
      config_check.check(config)
