"""The run that comes with the package: synthetic, soundfont and real notes.

    python -m cvae_jax.main --config=configs/pretrained_notes.py --config.data.dir=NSYNTH
    python -m cvae_jax.package --workdir=runs/pretrained_notes --out=cvae_jax/pretrained/notes

NSYNTH is a folder in the layout of NSynth's json/wav distribution. The soundfont is the system's
default, FluidR3 GM.
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config(data="mixed")
  config.data.mixed.names = ("synth_notes/endless", "soundfont_notes", "nsynth_wav")
  config.data.mixed.repeats = (1, 1, 3)
  config.data.soundfont.velocities = (50, 100)
  # These are instruments of NSynth's training split under another name.
  config.data.exclude_from_eval = ("mallet_acoustic_047", "string_acoustic_057")
  config.condition.labels = ("pitch", "family", "source", "velocity")
  config.method.prior = "flow"
  config.method.flow.steps = 6000
  config.train.steps = 4000
  config.optimizer.ema_decay = 0.999
  config.eval.every_steps = 100_000
  config.eval.baselines = False
  return config_lib.apply_variants(config, variant)
