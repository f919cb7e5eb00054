"""The DDSP that comes with the package: synthetic, soundfont and real notes.

    python -m cvae_jax.main --config=configs/pretrained_ddsp.py --config.data.dir=NSYNTH
    python -m cvae_jax.package --workdir=runs/pretrained_ddsp --out=cvae_jax/pretrained/ddsp

NSYNTH is a folder in the layout of NSynth's json/wav distribution. The soundfont is the system's
default, FluidR3 GM.
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config(data="mixed", representation=None, model=None, method="ddsp")
  config.data.mixed.names = ("synth_notes", "soundfont_notes", "nsynth_wav")
  config.data.mixed.repeats = (1, 1, 3)
  config.data.soundfont.velocities = (50, 100)
  # These are instruments of NSynth's training split under another name.
  config.data.exclude_from_eval = ("mallet_acoustic_047", "string_acoustic_057")
  config.condition.labels = ("pitch", "family", "source", "velocity")
  config.method.latent = "note"
  config.method.update(fmin_hz=26.0, fmax_hz=4200.0, f0_frame_length=1280)
  config.optimizer.update(learning_rate=1e-3, clip_norm=3.0, b2=0.99)
  config.train.batch_size = 8
  config.train.steps = 3500
  config.eval.every_steps = 100_000
  config.eval.baselines = False
  return config_lib.apply_variants(config, variant)
