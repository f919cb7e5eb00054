"""MusicVAE: two bars of melody as a latent vector.

python -m cvae_jax.main --config=configs/musicvae.py:folder --config.data.dir=TUNES

Without ':folder' the melodies are those of a small grammar, and need no files.
"""

from cvae_jax.core import config as config_lib


def drums(config):
  """Two bars of drums."""
  config.data.scores.kind = "drums"


def chords(config):
  """Two bars of melody to four chords, after ':folder': of chord symbols, or of what sounds.

  Of a tune without symbols, chords are found in the tracks other than the melody's, which is the
  first one unless --config.data.scores.tracks says so.
  """
  scores = config.data.scores
  scores.update(chords=2, transpose=3)
  scores.tracks = scores.tracks or (1,)
  config.condition.labels = tuple(f"chord_{i + 1}" for i in range(2 * scores.bars))
  config.condition.drop_rate = 0.1


def flat16(config):
  """Sixteen bars of melody without a conductor; launch/sixteen_bars.sh comes to them from two."""
  config.data.scores.bars = 16
  config.method.update(latent_dim=256, sampling_constant=0.0, memory_steps=64)
  config.train.batch_size, config.eval.batch_size = 32, 64


def melody16(config):
  """Sixteen bars of melody with a conductor, which begins each of them."""
  flat16(config)
  config.method.update(conductor_layers=2, segments=16)


def trio16(config):
  """Sixteen bars of melody, bass and drums, each with a decoder of its own."""
  melody16(config)
  config.data.scores.kind = "trio"
  config.method.own_decoders = True


def small(config):
  """Half as many units, for sixteen bars on two cores."""
  config.method.update(encoder_units=128, conductor_units=128, decoder_units=128)


def folder(config):
  """The MIDI and ABC files of --config.data.dir; two bars of melody in eleven keys."""
  config_lib.set_part(config, "data", "folder_scores")
  scores = config.data.scores
  scores.max_windows = 0
  scores.transpose = 5 if (scores.kind, scores.bars) == ("melody", 2) else 0
  scores.gap_bars = 2 if scores.kind == "trio" else 1


def paper(config):
  """The original's sizes and schedules, of its small 2-bar model, or of its 16-bar ones.

  Its learning rate falls to 1e-5, and this one to 0.
  """
  config.optimizer.update(name="adam", learning_rate=1e-3, schedule="exponential")
  config.optimizer.update(decay_rate=0.9999, decay_steps=1, warmup_steps=0, b2=0.999, ema_decay=0.0)
  config.train.update(batch_size=512, steps=200_000)
  config.method.update(latent_dim=256, encoder_units=512, prior="standard", beta=0.2, beta_rate=0.0)
  if config.data.scores.bars > 2:
    config.method.update(encoder_units=2048, encoder_layers=2, latent_dim=512, free_bits=256.0)
    config.method.update(decoder_units=2048, decoder_layers=3)
    if config.method.conductor_layers:
      config.method.update(conductor_units=1024, decoder_units=1024, decoder_layers=2)
  elif config.data.scores.kind == "drums":
    config.method.free_bits = 48.0
  else:
    config.method.beta_rate = 0.99999


def get_config(variant=""):
  config = config_lib.get_base_config(
    data="synth_scores", representation=None, model=None, method="musicvae"
  )
  config.method.update(latent_dim=128, encoder_units=256, prior="flow")
  # A flow draws codes that are far from N(0, I) as well: docs/musicvae.md has the original's 0.2.
  config.method.update(beta=0.05, beta_rate=0.999, token_temperature=0.5)
  config.method.flow.update(hidden=512, steps=4000, examples=65_536)
  config.optimizer.update(name="muon", kernel_rate=1e-3, warmup_steps=100, ema_decay=0.999)
  config.train.batch_size = config.eval.batch_size = 128
  config.train.steps = 2000
  config.eval.every_steps = config.checkpoint.every_steps = 500
  variants = {"drums": drums, "flat16": flat16, "melody16": melody16, "trio16": trio16}
  variants |= {"chords": chords, "small": small, "folder": folder, "paper": paper}
  return config_lib.apply_variants(config, variant, variants)
