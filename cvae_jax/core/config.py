"""The base of all configs: the fields that all runs share, and those of their parts.

A part (a data set, a representation, a model, a method) has the fields that it alone reads, beside
the code that reads them: `get_config() -> ConfigDict`, each field with its unit or choices in a
comment; `check(config)` raises UserError for values that it cannot use; `tiny(config)` makes a run
of seconds of it. All three are optional.

A file in `configs/` starts from `get_base_config` and overrides what makes it itself. What a run
was trained with is kept in its workdir as `config.json`, so that nothing else is needed to use it.
"""

import ast
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import difflib
import re
import types
from typing import Any
from typing import NamedTuple

import ml_collections
from ml_collections import config_dict

from cvae_jax.core import errors
from cvae_jax.core import parts


class Section(NamedTuple):
  """A section of a config whose fields are those of a part.

  Attributes:
    package: of the parts.
    function: that makes such a part.
    get_common: () to the fields that all parts share.
  """

  package: str
  function: str
  get_common: Callable[[], ml_collections.ConfigDict]


def _get_data() -> ml_collections.ConfigDict:
  """What all data sets share."""
  data = ml_collections.ConfigDict()
  data.tfds_dir = config_dict.placeholder(str)  # prepared sets; TFDS' own default without one
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
  # Label of names whose values every training batch has equally often; '' for as they come.
  data.balance = ""
  data.num_threads = 2  # that read notes ahead
  data.prefetch = 8  # batches read ahead
  data.cache_gb = 2.0  # notes kept in memory once read, as 16-bit samples; 0.0 for none
  # Whether the training notes stay in the device's memory, up to cache_gb: batches are drawn there.
  data.device_cache = False
  return data


def _get_representation() -> ml_collections.ConfigDict:
  """What all representations share: an STFT measures the errors of those that are none."""
  representation = ml_collections.ConfigDict()
  representation.n_fft = 2048  # samples
  representation.win_length = 2048  # samples
  representation.hop_length = 512  # samples; mdct: also its bins; waveform: samples of a frame
  representation.window = "hann"  # any that scipy.signal.get_window knows
  representation.floor_db = -80.0  # dB below a full-scale sine; what is softer is silence
  # Whether every bin is brought to mean 0 and deviation 1, as measured on training notes.
  representation.standardize = False
  return representation


SECTIONS = {
  "data": Section("cvae_jax.data.sets", "open_set", _get_data),
  "representation": Section(
    "cvae_jax.audio.representations", "make_representation", _get_representation
  ),
  "model": Section("cvae_jax.models", "make_model", ml_collections.ConfigDict),
  "method": Section("cvae_jax.methods", "make_method", ml_collections.ConfigDict),
}


def get_base_config(
  data: str = "synth_notes",
  representation: str | None = "log_magnitude",
  model: str | None = "conv1d",
  method: str = "vae",
) -> ml_collections.ConfigDict:
  """What all configs share, with the fields of four parts: a VAE without conditions.

  Args:
    data: a file of cvae_jax/data/sets, with a variant: synth_notes, synth_notes/tiny, sounds.
    representation: a file of cvae_jax/audio/representations; None for a method without one.
    model: a file of cvae_jax/models; None for a method that has its own networks.
    method: a file of cvae_jax/methods.

  Raises:
    UserError: a part that there is not.
  """
  config = ml_collections.ConfigDict()
  config.seed = 0  # of parameters, sampling, and the order of the notes
  names = {"data": data, "representation": representation, "model": model, "method": method}
  for section, name in names.items():
    if name is not None:
      config[section] = make_section(section, name)

  config.augment = augment = ml_collections.ConfigDict()
  augment.equaliser_db = 0.0  # std of a random equaliser's broadest band, in training; 0.0 for none
  augment.envelope_db = 0.0  # std of a random envelope's slope over the note; 0.0 for none

  config.condition = condition = ml_collections.ConfigDict()
  condition.labels = ()  # of pitch, family, source, velocity, instrument, qualities
  # How often, in training, a label is not known, so that the run can be asked for some of them.
  condition.drop_rate = 0.0

  config.optimizer = get_optimizer()

  config.train = train = ml_collections.ConfigDict()
  train.batch_size = 32  # notes, over all devices
  # Parts of a batch whose gradients are computed one after the other: less memory, same result.
  train.accumulate_steps = 1
  train.steps = 1200
  train.init_from = ""  # workdir, or pretrained:NAME, of a run whose parameters this begins with
  train.init_step = 0  # which of its checkpoints; 0 for the newest
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
  # At the end: notes of either split in whose codes their known factors are looked for; 0 for none.
  evaluation.factor_notes = 0
  # At the end: notes generated under held-out labels, and set beside these notes; 0 for none.
  evaluation.generation_notes = 0
  # At the end: notes whose releases, bursts, decays and attacks are measured; 0 for none.
  evaluation.artefact_notes = 0
  evaluation.measures = ()  # dotted paths of modules with measure(run): see docs/architecture.md
  evaluation.temperature = 1.0  # of the prior's deviation, of what is generated to be measured
  evaluation.classifier_steps = 800  # of 64 notes, that teach the classifier which hears them
  evaluation.sample_notes = 8  # at the end: notes written to samples/

  config.profile = profile = ml_collections.ConfigDict()
  profile.steps = 0  # traced by jax.profiler into WORKDIR/profile, for TensorBoard or Perfetto
  profile.first_step = 10  # after the start of this process: the first ones compile

  config.checkpoint = checkpoint = ml_collections.ConfigDict()
  checkpoint.every_steps = 1000
  checkpoint.keep = 2  # the last so many
  # And so many of the best that were evaluated; of each phase, where the training has several.
  checkpoint.keep_best = 0
  checkpoint.best_by = "lsd_db"  # metric of the evaluation, of which less is better
  return config


def find_part(section: str, name: str) -> types.ModuleType:
  """The module of a part: a file of the section's package, or a dotted path.

  Raises:
    UserError: a part that there is not.
  """
  package, function, _ = SECTIONS[section]
  return parts.load(package, name.partition("/")[0], function, f"{section}.name")


def call_parts(config: ml_collections.ConfigDict, function: str) -> int:
  """Calls a function with the config in every one of its parts that has it; how many they are."""
  calls = [
    getattr(find_part(section, config[section].name), function, None)
    for section in SECTIONS
    if section in config
  ]
  for call in (call for call in calls if call is not None):
    call(config)
  return len(calls) - calls.count(None)


def make_section(section: str, name: str) -> ml_collections.ConfigDict:
  """A section with the common fields and those of a part, all at their defaults."""
  fields = ml_collections.ConfigDict({"name": name})
  fields.update(SECTIONS[section].get_common())
  get_config = getattr(find_part(section, name), "get_config", ml_collections.ConfigDict)
  fields.update(get_config())
  return fields


def _keep_changes(
  fields: ml_collections.ConfigDict,
  changed: ml_collections.ConfigDict,
  defaults: ml_collections.ConfigDict,
) -> None:
  """Copies what is changed from its default into `fields`, where they have it; in place."""
  for name in set(fields) & set(defaults):
    if all(isinstance(x[name], ml_collections.ConfigDict) for x in (fields, changed, defaults)):
      _keep_changes(fields[name], changed[name], defaults[name])
    elif changed[name] != defaults[name]:
      fields[name] = changed[name]


def set_part(config: ml_collections.ConfigDict, section: str, name: str) -> None:
  """Puts another part into a config: the fields of its section become that part's.

  What was changed from the default of the part before, and is a field of the new one as well, keeps
  its value.

  Raises:
    UserError: a part that there is not.
  """
  fields, old = make_section(section, name), config.get(section)
  if old is not None:
    _keep_changes(fields, old, make_section(section, old.name))
    fields.name = name
  with config.unlocked():
    config[section] = fields


def update(config: ml_collections.ConfigDict, fields: Mapping[str, Any]) -> None:
  """Sets fields by their dotted names; names of parts first, with `set_part`.

  Raises:
    UserError: a part that there is not.
    KeyError, TypeError: as ConfigDict.update_from_flattened_dict.
  """
  names = {f"{section}.name": section for section in SECTIONS}
  for name in (name for name in fields if name in names):
    set_part(config, names[name], fields[name])
  config.update_from_flattened_dict({k: v for k, v in fields.items() if k not in names})


def check_flags(arguments: Sequence[str], config: ml_collections.ConfigDict) -> None:
  """Raises UserError for a flag --config.FIELD of a field that a config does not have.

  Args:
    arguments: of a command line.
    config: that the flags are of.
  """
  fields = flatten(config)
  sections = {f.rpartition(".")[0] for f in fields}
  for argument in arguments:
    match = re.match(r"--?(?:no)?config\.([^=]+)", argument)
    if match is None or match[1] in fields or match[1] in sections:
      continue
    section, _, field = match[1].partition(".")
    near = difflib.get_close_matches(match[1], fields, 1)
    hint = f": did you mean {near[0]}?" if near else ""
    if section in SECTIONS and section in config and (readers := _readers(section, field)):
      hint = f" of {section}.name={config[section].name}{readers}"
    raise errors.UserError(f"there is no field {match[1]}{hint}")


def check_fields(config: ml_collections.ConfigDict) -> None:
  """Raises UserError where a section has fields that its part does not read, or lacks some."""
  for section in SECTIONS:
    if section not in config:
      continue
    name = config[section].name
    known, found = (flatten(x) for x in (make_section(section, name), config[section]))
    for field in found.keys() - known.keys():
      raise errors.UserError(
        f"{section}.{field} is no field of {section}.name={name}{_readers(section, field)}: "
        f"--config=FILE:{section}=NAME replaces a whole section"
      )
    for field in known.keys() - found.keys():
      raise errors.UserError(
        f"{section}.{field} is missing, which {section}.name={name} reads: "
        f"--config=FILE:{section}=NAME replaces a whole section"
      )


def _readers(section: str, field: str) -> str:
  """Which parts have a field, for a message."""
  package, function, _ = SECTIONS[section]
  names = [n for n in parts.find(package, function) if field in flatten(make_section(section, n))]
  return f", but of {', '.join(names)}" if names else ""


OPTIMIZERS = ("adam", "muon")
SCHEDULES = ("cosine", "constant", "exponential", "step")  # of the learning rate


def get_optimizer() -> ml_collections.ConfigDict:
  """The section of an optimizer; a method that has two has another section like it."""
  optimizer = ml_collections.ConfigDict()
  optimizer.name = "adam"  # adam, muon (kernels by orthogonal momentum, all else by Adam)
  optimizer.learning_rate = 2e-3  # peak, of Adam
  # Peak of Muon: root mean square of what is added to a kernel's weights in a step.
  optimizer.kernel_rate = 3e-3
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
    variant: names between commas, and SECTION=NAME for another part; empty for none.
    variants: functions by name, which a config file adds to `VARIANTS`, those of all configs.

  Raises:
    UserError: a name that is none of them.
  """
  known = {**VARIANTS, **(variants or {})}
  names = [name for name in variant.split(",") if name]
  for name in sorted(names, key=lambda name: name == "tiny"):  # It is of the parts that there are.
    section, equals, part = name.partition("=")
    if equals and section in SECTIONS:
      set_part(config, section, part)
      continue
    if name not in known:
      raise errors.UserError(
        f"config variant must be one of {', '.join(sorted(known))}, got '{name}'"
      )
    known[name](config)
  return config


def _tiny(config):
  """A run of seconds, for tests: what every config has, and then what its parts make of it."""
  config.train.batch_size = config.eval.batch_size = 8
  config.train.steps = 20
  config.train.log_every_steps = 5
  config.eval.every_steps = 10
  config.eval.pitch_notes = 8
  config.eval.classifier_steps = 20
  config.eval.sample_notes = 2
  config.checkpoint.every_steps = 10
  config.optimizer.warmup_steps = 5
  config.optimizer.ema_decay = 0.9
  if "representation" in config:
    config.representation.n_fft = config.representation.win_length = 256
    config.representation.hop_length = 256
  call_parts(config, "tiny")


def _nsynth_wav(config):
  """Real notes in NSynth's json/wav layout, from --config.data.dir."""
  set_part(config, "data", "nsynth_wav")
  # 43 instruments are soon learnt by heart.
  config.augment.equaliser_db = 3.0
  config.augment.envelope_db = 2.0
  # One instrument each with mallet_acoustic_000 and string_acoustic_006 of the training split.
  config.data.exclude_from_eval = ("mallet_acoustic_047", "string_acoustic_057")


def _fine_tune(config):
  """Begins with the pretrained instrument, and moves it little."""
  config.train.init_from = "pretrained:notes"
  config.train.steps = 400
  config.optimizer.learning_rate = 5e-4
  config.method.beta_warmup_steps = 0
  config.method.flow.steps = 2000
  # As that instrument was trained.
  config.method.update(vibrato=False, attack=False, onset_weight=1.0)


def _real(config):
  """Real notes in NSynth's json/wav layout, from the pretrained instrument on."""
  _nsynth_wav(config)
  _fine_tune(config)


def _soundfont(config):
  """Notes of a soundfont, from the pretrained instrument on."""
  set_part(config, "data", "soundfont_notes")
  _fine_tune(config)


def _mine(config):
  """A folder of notes of one's own, --config.data.dir, from the pretrained instrument on."""
  set_part(config, "data", "folder_notes")
  _fine_tune(config)
  config.train.batch_size = 16  # Not more than a small folder has.


def _thesis(config):
  """The thesis' design: a 2-D network on an STFT of 1,024 samples and hop 256, and N(0, I)."""
  config.representation.n_fft = config.representation.win_length = 1024
  config.representation.hop_length = 256
  set_part(config, "model", "conv2d")
  config.model.linear_ranks = ()
  config.method.smoothing_db = 0.0
  config.method.update(prior="standard", vibrato=False, attack=False, onset_weight=1.0)
  config.model.channels = (32, 64, 128)
  config.train.batch_size = 16


def _paper(config):
  """The sizes and settings of the paper that a part is of."""
  if not call_parts(config, "paper"):
    raise errors.UserError(f"method '{config.method.name}' has no variant 'paper'")


def _narrow(config):
  """After thesis: its network with 1/16 of what is flattened, and of the parameters."""
  config.model.flat_channels = 8


VARIANTS = {
  "tiny": _tiny,
  "nsynth_wav": _nsynth_wav,
  "real": _real,
  "soundfont": _soundfont,
  "mine": _mine,
  "thesis": _thesis,
  "paper": _paper,
  "narrow": _narrow,
}


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
    update(config, {name: value})
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
