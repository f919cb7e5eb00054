"""Synthetic drum kits, see `data.synthetic.drum_kits`; whole kits are held out."""

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.data import clips
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import store
from cvae_jax.data.synthetic import drum_kits

make_form = drums.make_form
_TINY_KITS = (1, 1, 1)


def open_set(config, variant, on_request):
  """See `data_sets.load`; variants are 'default' and 'tiny', one kit of a source in each split."""
  del on_request
  variant = data_sets.choose("synth_drums", variant, ("default", "tiny"))
  form, settings = make_form(config), config.drums
  kits = _TINY_KITS if variant == "tiny" else tuple(settings.kits)
  num_hits = 1 if variant == "tiny" else settings.hits
  if len(kits) != len(store.SPLITS) or min(kits) < 1 or num_hits < 1:
    raise errors.UserError(
      "data.drums.kits must be three positive numbers and data.drums.hits one, got "
      f"{kits} and {num_hits}"
    )
  plan = drum_kits.make_plan(range(2 * sum(kits)), num_hits, settings.seed)
  order, rendered = drum_kits.render(plan, form.num_samples, form.sample_rate)
  entries = [
    store.Entry("", plan.names[row], {n: int(c[row]) for n, c in plan.columns.items()})
    for row in order
  ]
  key = (drum_kits.VERSION, form.sample_rate, form.num_samples, kits, num_hits, settings.seed)
  last_train, last_valid = 2 * kits[0], 2 * (kits[0] + kits[1])

  def split(entries):
    numbers = {entry.name: entry.labels["kit"] for entry in entries}
    return {
      name: "train" if n < last_train else "valid" if n < last_valid else "test"
      for name, n in numbers.items()
    }

  index = store.prepare(
    store.locate(config.tfds_dir, "synth_drums", entries, key),
    entries,
    drums.make_vocabulary(drum_kits.kit_names(sum(kits))),
    form.sample_rate,
    split,
    read=lambda entry: [files.Recording(next(rendered), ())],
  )
  return clips.make_data_set(f"synth_drums/{variant}", index, form)


def get_config():
  """Default fields of the data set."""
  config = drums.get_config()
  config.drums.kits = (64, 8, 8)  # of each source, by split
  config.drums.hits = 3  # of each kind in a kit
  config.drums.seed = 0  # of all drums
  return config


def tiny(config):
  """A few kits and short sounds."""
  config.data.drums.duration_s = 0.5
  if config.data.balance == "kind":
    config.train.batch_size = len(drums.KINDS)
  if config.data.name == "synth_drums":  # An explicit variant is kept.
    config.data.name = "synth_drums/tiny"
