"""Synthetic notes, see `data.builders.synth_notes` and `data.builders.synth_factors`."""

from cvae_jax.data import data_sets
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`; variants are 'default', 'tiny', 'factors', 'grid', 'full', 'endless'.

  'endless' has the notes of 'default', but that those to train on are drawn anew, see
  `synthetic.endless`.
  """
  from cvae_jax.data.builders import synth_factors
  from cvae_jax.data.builders import synth_notes

  del on_request
  builders = {
    builder_config.name: builder
    for builder in (synth_notes.SynthNotes, synth_factors.SynthFactors)
    for builder_config in builder.BUILDER_CONFIGS
  }
  variant = data_sets.choose("synth_notes", variant, (*builders, "endless"))
  if variant == "endless":
    return _make_endless(prepared.open_own(config, builders["default"], "default"))
  return prepared.open_own(config, builders[variant], variant)


def _make_endless(fixed: data_sets.DataSet) -> data_sets.DataSet:
  from cvae_jax.data.synthetic import endless

  def open_split(split, cache_gb, num_threads):
    source = fixed.open_split(split, cache_gb, num_threads)
    return endless.Endless(source) if split == "train" else source

  return fixed._replace(name=fixed.name.replace("default", "endless"), open_split=open_split)


def tiny(config):
  """A few notes of each family."""
  if config.data.name == "synth_notes":  # An explicit variant is kept.
    config.data.name = "synth_notes/tiny"
