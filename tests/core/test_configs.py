"""Every file of configs/ learns: its tiny variant, on a few real notes."""

from conftest import ROOT
from conftest import get_config
from conftest import make_method
import jax
import numpy as np
import pytest

from cvae_jax.evaluation import ablation as ablation_lib

OF_SCORES = ("musicvae",)  # See test_musicvae.py.
CONFIGS = sorted({path.stem for path in (ROOT / "configs").glob("*.py")} - {*OF_SCORES})
ABLATIONS = sorted((ROOT / "configs" / "ablations").glob("*.py"))
STEPS = 12


def learns(config, batch):
  config.optimizer.warmup_steps = 2
  config.optimizer.learning_rate = 5e-3
  config.train.steps = STEPS
  method = make_method(config, instruments=8, num_examples=8)
  state = jax.jit(method.init)(jax.random.key(0), batch)
  step = jax.jit(method.train_step)
  history = []
  for _ in range(STEPS):
    state, metrics = step(state, batch)
    history.append(metrics)
  # What is learnt is the reconstruction: the weight of the rest grows meanwhile.
  key = "nll" if "nll" in metrics else "spectral"
  errors = [float(m[key]) for m in history]
  assert np.isfinite([float(m["loss"]) for m in history]).all()
  assert np.mean(errors[-3:]) < errors[0]
  return method, metrics


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_learns_real_notes(name, real_batch):
  fields = {}
  if name == "drums":  # Kinds of drums that notes do not have, but families.
    fields = {"condition.labels": ("family", "source"), "method.mmd_by": "family"}
  method, metrics = learns(get_config(name, "tiny", **fields), real_batch)
  # A plain autoencoder has no KL and nothing to draw; a Wasserstein one has no KL.
  is_plain = name in ("ae", "ddsp", "ddsp_solo", "mcnn")
  assert (metrics.get("kl", 0.0) > 0) == (not is_plain and name != "drums")
  assert method.can_sample == (not is_plain)


@pytest.mark.slow
@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.stem)
def test_every_variant_of_an_ablation_learns_real_notes(path, real_batch):
  ablation = ablation_lib.load(f"{path}:tiny")
  for variant in ablation.variants:
    config = ablation_lib.make_config(ablation, ablation_lib.Job(variant, 0))
    learns(config, real_batch)
