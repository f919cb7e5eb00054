"""Synthetic notes, see `data.builders.synth_notes` and `data.builders.synth_factors`."""

from cvae_jax.data import data_sets
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`; variants are 'default', 'tiny', 'factors', 'grid' and 'full'."""
  from cvae_jax.data.builders import synth_factors
  from cvae_jax.data.builders import synth_notes

  del on_request
  builders = {
    builder_config.name: builder
    for builder in (synth_notes.SynthNotes, synth_factors.SynthFactors)
    for builder_config in builder.BUILDER_CONFIGS
  }
  variant = data_sets.choose("synth_notes", variant, tuple(builders))
  return prepared.open_own(config, builders[variant], variant)


def tiny(config):
  """A few notes of each family."""
  if config.data.name == "synth_notes":  # An explicit variant is kept.
    config.data.name = "synth_notes/tiny"
