"""The base of all configs: every field once, with its unit or its choices.

A file in `configs/` starts from `get_base_config` and overrides what makes it itself. What a run
was trained with is kept in its workdir as `config.json`, so that nothing else is needed to use it.
"""

import ast
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import ml_collections
from ml_collections import config_dict

from cvae_jax.core import errors
from cvae_jax.core import parts


def get_base_config() -> ml_collections.ConfigDict:
  """What all configs share: a plain autoencoder on the embedded notes."""
  config = ml_collections.ConfigDict()
  config.seed = 0  # of parameters, sampling, and the order of the notes

  config.data = data = ml_collections.ConfigDict()
  # A file of cvae_jax/data/sets: synth_notes, synth_notes/tiny, soundfont_notes,
  # soundfont_notes/notes, nsynth_wav, folder_notes, nsynth/full, nsynth/gansynth_subset,
  # nsynth/gansynth_subset.f0_and_loudness, recordings, sounds
  data.name = "synth_notes"
  # nsynth_wav: the folder that holds nsynth-train etc.; folder_notes, recordings, sounds: that of
  # the files; nsynth: that of the archives, where they have been downloaded already
  data.dir = config_dict.placeholder(str)
  data.tfds_dir = config_dict.placeholder(str)  # prepared sets; TFDS' own default without one
  data.beam_options = ""  # nsynth: of the preparation: 'runner=DirectRunner,direct_num_workers=2'
  data.soundfont = soundfont = ml_collections.ConfigDict()  # of soundfont_notes
  soundfont.path = config_dict.placeholder(str)  # an SF2 or SF3 file; the system's own without one
  soundfont.programs = ()  # 0-127; all that are notes without
  soundfont.include_effects = False  # whether sound effects and percussion are notes too
  soundfont.pitch_step = 1  # semitones from one pitch to the next, from 21 to 108
  soundfont.velocities = (25, 50, 75, 100, 127)  # 1-127
  soundfont.max_stretch = 12  # semitones from the nearest sample; farther notes are left out
  data.folder = folder = ml_collections.ConfigDict()  # of folder_notes
  # Of the files' names, without ending; fields are family, source, instrument, pitch, velocity.
  folder.pattern = "{family}_{source}_{instrument}-{pitch}-{velocity}"
  folder.labels = config_dict.placeholder(str)  # a .csv or .sfz in the folder, in place of names
  folder.family = "keyboard"  # of what does not say it
  folder.source = "acoustic"  # of what does not say it
  folder.velocity = 100  # of what does not say it
  folder.held_out = "notes"  # notes, instruments
  folder.strict = False  # whether a file that cannot be used is an error
  data.recordings = recordings = ml_collections.ConfigDict()  # of recordings
  recordings.sample_rate = 22_050  # Hz
  recordings.duration_s = 1.5  # of an excerpt
  recordings.silence_db = (
    -60.0
  )  # dB below full scale; excerpts that are nowhere louder are left out
  data.sounds = sounds = ml_collections.ConfigDict()  # of sounds
  sounds.sample_rate = 44_100  # Hz
  sounds.duration_s = 2.0  # of a sound; longer ones are cut, shorter ones padded
  sounds.labels = config_dict.placeholder(str)  # a .csv in the folder; sub-folders without one
  sounds.columns = ("kind",)  # of the table, that are labels
  sounds.held_out = config_dict.placeholder(
    str
  )  # a column whose values are held out; files if none
  data.storage = "int16"  # int16, float32: nsynth_wav, folder_notes: of the samples
  data.train_split = "train"
  data.eval_split = "valid"
  # Instruments left out of evaluation, by name: those known to be in the training split as well.
  data.exclude_from_eval = ()
  # Of both splits only these notes; an empty tuple, or none, stands for all.
  data.filter = filters = ml_collections.ConfigDict()
  filters.families = ()  # of labels.FAMILIES
  filters.sources = ()  # of acoustic, electronic, synthetic
  filters.velocities = ()  # 0-127
  filters.min_pitch = 0  # MIDI number
  filters.max_pitch = 127  # MIDI number
  filters.instruments = ()  # by name
  filters.exclude_instruments = ()  # by name
  filters.known_faults = False  # whether NSynth's notes that are known to be noise are kept
  data.num_threads = 2  # that read notes ahead
  data.prefetch = 8  # batches read ahead
  data.cache_gb = 2.0  # notes kept in memory once read, as 16-bit samples; 0.0 for none
  # Whether the training notes stay in the device's memory, up to cache_gb: batches are drawn there.
  data.device_cache = False

  config.representation = representation = ml_collections.ConfigDict()
  # A file of cvae_jax/audio/representations: log_magnitude, log_mel, cqt, log_magnitude_if,
  # log_mel_if, waveform, mdct, pqmf.
  representation.name = "log_magnitude"
  representation.n_fft = 2048  # samples
  representation.win_length = 2048  # samples
  representation.hop_length = 512  # samples; mdct: also its bins; waveform: samples of a frame
  representation.window = "hann"  # any that scipy.signal.get_window knows
  representation.floor_db = -80.0  # dB below a full-scale sine; what is softer is silence
  representation.phase_start = "integrated"  # integrated, random: where Griffin-Lim begins
  representation.griffin_lim_iters = 8
  # Whether every bin is brought to mean 0 and deviation 1, as measured on training notes.
  representation.standardize = False
  representation.n_mels = 256  # log_mel, log_mel_if: bins
  representation.fmin_hz = 27.5  # log_mel, log_mel_if, cqt: lowest frequency, here that of A0
  representation.fmax_hz = config_dict.placeholder(float)  # mel: highest; half the rate if none
  representation.n_bins = 288  # cqt
  representation.bins_per_octave = 36  # cqt
  representation.companding = 255.0  # mdct: mu of its mu-law; 0.0 for none
  representation.num_bands = 16  # pqmf
  representation.samples_per_frame = 8  # pqmf: of every band, that make a frame

  config.augment = augment = ml_collections.ConfigDict()
  augment.equaliser_db = 0.0  # std of a random equaliser's broadest band, in training; 0.0 for none
  augment.envelope_db = 0.0  # std of a random envelope's slope over the note; 0.0 for none

  config.condition = condition = ml_collections.ConfigDict()
  condition.labels = ()  # of pitch, family, source, velocity, instrument, qualities
  # How often, in training, a label is not known, so that the run can be asked for some of them.
  condition.drop_rate = 0.0

  config.model = model = ml_collections.ConfigDict()
  model.name = "conv1d"  # a file of cvae_jax/models: conv1d, conv2d
  model.latent_dim = 128
  model.channels = (128, 256, 256)  # of the encoder's layers; mirrored in the decoder
  model.kernel_size = 3
  model.flat_channels = config_dict.placeholder(int)  # conv2d: that are flattened; all if none
  model.num_templates = 16  # conv1d: spectra that the condition gives to the output; 0 for none
  model.harmonics = True  # conv1d: templates of the partials too, where the condition has the pitch
  # conv1d: their bands, by number of the partial
  model.partials = (1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 48, 64)
  model.vibrato_cents = ()  # conv1d: depths that wider templates of the partials are for
  # The rest but dtype: of conv2d.
  model.downsampling = "stride"  # stride, max_pool, avg_pool, blur_pool
  model.upsampling = "transposed"  # transposed, resize (and convolve), subpixel
  model.output_size = "exact"  # exact (decode more, and crop), zero_pad (decode less, and pad)
  model.activation = "relu"  # relu, leaky_relu, elu, gelu, silu
  model.norm = "none"  # none, layer, group
  model.conditioning = "concat"  # concat (to code and z), film (at every hidden layer), both
  model.residual_blocks = 0  # after every hidden layer
  model.dtype = "float32"  # float32, bfloat16: of the computation; parameters stay float32

  config.method = method = ml_collections.ConfigDict()
  method.name = "vae"  # a file of cvae_jax/methods
  method.posterior = "gaussian"  # gaussian (VAE, CVAE), point (AE: no KL, nothing to sample from)
  method.likelihood = "gaussian"  # gaussian (squared error), laplace (absolute error)
  method.sigma = 0.08  # std of the observation, in features (1.0 is floor_db / 2)
  method.learn_sigma = False  # whether it is learnt, from this value on
  method.perceptual = False  # whether bins count as the ear weighs them
  # Nats a note for one unit of the multi-resolution STFT distance of the waveforms; 0.0 for none.
  method.spectral_weight = 0.0
  method.prior = "standard"  # standard (N(0, I)), learned (p(z|c), a network of c)
  method.prior_levels = ()  # learned: dimensions of the levels above the last: p(z_2|z_1, c)
  method.beta = 1.0  # weight of the KL; 1.0 is the ELBO
  method.beta_warmup_steps = 200
  method.beta_cycle_steps = 0  # after which beta begins again from 0; 0 for never
  method.free_bits = 0.0  # nats of each latent dimension that cost nothing
  method.capacity = 0.0  # nats that the KL is held at, in place of 0
  method.capacity_steps = 1000  # until it is grown
  method.tc_weight = 1.0  # of the total correlation within the KL (beta-TCVAE); 1.0 for no more
  method.mmd_weight = 0.0  # nats a note for a unit of the codes' MMD to the prior (InfoVAE)
  method.leak_weight = 0.0  # nats a note for a nat that a critic reads of the labels in z
  method.corruption = "none"  # none, gaussian, time_mask, frequency_mask: of what the encoder sees
  method.corruption_amount = 0.1  # std in features; longest span, as a share of the axis
  method.sparsity = "none"  # none, l1, kl: of a point posterior's code
  method.sparsity_weight = 1.0  # nats a note for a unit of it
  method.sparsity_target = 0.05  # kl: mean activation

  config.optimizer = get_optimizer()

  config.train = train = ml_collections.ConfigDict()
  train.batch_size = 32  # notes, over all devices
  # Parts of a batch whose gradients are computed one after the other: less memory, same result.
  train.accumulate_steps = 1
  train.steps = 1200
  train.log_every_steps = 50
  # Steps that the device makes at one call: more than 1 where a step is so short that the host
  # cannot keep up. Evaluation, checkpoints and signals come between calls.
  train.steps_per_dispatch = 1

  config.eval = evaluation = ml_collections.ConfigDict()
  evaluation.every_steps = 1000
  evaluation.batch_size = 32  # notes, over all devices
  evaluation.baselines = True  # at the end: mean spectrogram and PCA, fitted on the training split
  evaluation.baseline_notes = 4096  # training notes, at most, that these are fitted on
  evaluation.pitch_notes = 256  # at the end: notes generated and measured for pitch; 0 for none
  evaluation.waveform_notes = 0  # at the end: held-out notes whose sound is compared; 0 for none
  # At the end: notes of either split whose codes are probed for their labels; 0 for none.
  evaluation.probe_notes = 0
  # At the end: held-out notes whose codes are counted, clustered and gone between; 0 for none.
  evaluation.latent_notes = 0
  # At the end: notes generated under held-out labels, and set beside these notes; 0 for none.
  evaluation.generation_notes = 0
  evaluation.temperature = 1.0  # of the prior's deviation, of what is generated to be measured
  evaluation.classifier_steps = 800  # of 64 notes, that teach the classifier which hears them
  evaluation.sample_notes = 8  # at the end: notes written to samples/

  config.profile = profile = ml_collections.ConfigDict()
  profile.steps = 0  # traced by jax.profiler into WORKDIR/profile, for TensorBoard or Perfetto
  profile.first_step = 10  # after the start of this process: the first ones compile

  config.checkpoint = checkpoint = ml_collections.ConfigDict()
  checkpoint.every_steps = 1000
  checkpoint.keep = 2  # the last so many
  checkpoint.keep_best = 0  # and so many of the best that were evaluated
  checkpoint.best_by = "lsd_db"  # metric of the evaluation, of which less is better
  return config


SCHEDULES = ("cosine", "constant", "exponential", "step")  # of the learning rate


def get_optimizer() -> ml_collections.ConfigDict:
  """The section of an optimizer; a method that has two has another section like it."""
  optimizer = ml_collections.ConfigDict()
  optimizer.learning_rate = 2e-3  # peak, of Adam
  # cosine (to 1 % of the peak), constant, exponential, step (times decay_rate every decay_steps)
  optimizer.schedule = "cosine"
  optimizer.warmup_steps = 200
  optimizer.decay_steps = config_dict.placeholder(int)  # train.steps without one
  optimizer.decay_rate = 0.5  # exponential, step
  optimizer.clip_norm = 1.0  # of the whole gradient; 0.0 for no clipping
  optimizer.b1 = 0.9  # Adam's memory of gradients
  # Adam's memory of squared gradients: 50 steps. The usual 0.999 remembers 1,000, a whole run.
  optimizer.b2 = 0.98
  optimizer.weight_decay = 0.0
  optimizer.ema_decay = 0.998  # of the parameters used to evaluate and generate; 0.0 for none
  return optimizer


def apply_variants(
  config: ml_collections.ConfigDict,
  variant: str,
  variants: Mapping[str, Callable[[ml_collections.ConfigDict], None]] | None = None,
) -> ml_collections.ConfigDict:
  """Applies what follows the colon in --config=FILE:a,b to a config, in order.

  Args:
    config: changed in place.
    variant: names between commas; empty for none.
    variants: functions by name, which a config file adds to `VARIANTS`, those of all configs.

  Raises:
    UserError: a name that is none of them.
  """
  known = {**VARIANTS, **(variants or {})}
  for name in filter(None, variant.split(",")):
    if name not in known:
      raise errors.UserError(
        f"config variant must be one of {', '.join(sorted(known))}, got '{name}'"
      )
    known[name](config)
  return config


def _tiny(config):
  """A run of seconds, for tests."""
  config.data.name = "synth_notes/tiny"
  config.representation.n_fft = config.representation.win_length = 256
  config.representation.hop_length = 256
  config.representation.griffin_lim_iters = 4
  config.representation.n_mels = 32
  config.model.channels = (8, 8)
  config.model.latent_dim = 4
  config.train.batch_size = config.eval.batch_size = 8
  config.train.steps = 20
  config.train.log_every_steps = 5
  config.eval.every_steps = 10
  config.eval.pitch_notes = 8
  config.eval.classifier_steps = 20
  config.eval.sample_notes = 2
  config.checkpoint.every_steps = 10
  config.optimizer.warmup_steps = config.method.beta_warmup_steps = 5
  config.optimizer.ema_decay = 0.9


def _nsynth_wav(config):
  """Real notes in NSynth's json/wav layout, from --config.data.dir."""
  config.data.name = "nsynth_wav"
  # 43 instruments are soon learnt by heart.
  config.augment.equaliser_db = 3.0
  config.augment.envelope_db = 2.0
  # One instrument each with mallet_acoustic_000 and string_acoustic_006 of the training split.
  config.data.exclude_from_eval = ("mallet_acoustic_047", "string_acoustic_057")


def _thesis(config):
  """The thesis' design: a 2-D network on an STFT of 1,024 samples and hop 256."""
  config.representation.n_fft = config.representation.win_length = 1024
  config.representation.hop_length = 256
  config.model.name = "conv2d"
  config.model.channels = (32, 64, 128)
  config.train.batch_size = 16


def _narrow(config):
  """After thesis: its network with 1/16 of what is flattened, and of the parameters."""
  config.model.flat_channels = 8


VARIANTS = {"tiny": _tiny, "nsynth_wav": _nsynth_wav, "thesis": _thesis, "narrow": _narrow}


def load(path: str) -> ml_collections.ConfigDict:
  """The config of a file, as --config=PATH means it: 'configs/cvae.py', or 'configs/cvae.py:tiny'.

  Raises:
    UserError: a file that is not there or holds no config, or a variant that there is not.
  """
  return parts.call_file(path, "get_config", "config")


def override(config: ml_collections.ConfigDict, setting: str) -> None:
  """Sets a field by what a flag --set says, FIELD=VALUE with a dotted name.

  Raises:
    UserError: a field that there is not, or a value of another type.
  """
  name, equals, text = setting.partition("=")
  if not equals or name not in flatten(config):
    raise errors.UserError(
      f"--set wants FIELD=VALUE of a config, as train.steps=500; got {setting}"
    )
  try:
    value = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    value = text
  try:
    config.update_from_flattened_dict({name: value})
  except TypeError as e:
    raise errors.UserError(f"--set {setting}: {' '.join(str(e).split())}") from None


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """A config's fields by their dotted names."""
  flat = {}
  for name, value in config.items():
    if isinstance(value, (ml_collections.ConfigDict, dict)):
      flat.update(flatten(value, f"{prefix}{name}."))
    else:
      flat[prefix + name] = list(value) if isinstance(value, tuple) else value
  return flat
