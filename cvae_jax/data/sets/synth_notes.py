"""Notes made by classic synthesis: see `data.synth_notes` and `data.synth_factors`."""

from cvae_jax.data import data_sets
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`; variants are 'default', 'tiny', 'factors', 'grid' and 'full'."""
  from cvae_jax.data.builders import synth_factors
  from cvae_jax.data.builders import synth_notes

  del on_request
  known = {
    builder_config.name: builder
    for builder in (synth_notes.SynthNotes, synth_factors.SynthFactors)
    for builder_config in builder.BUILDER_CONFIGS
  }
  variant = data_sets.choose("synth_notes", variant, tuple(known))
  return prepared.open_own(config, known[variant], variant)


def tiny(config):
  """A few notes of each family."""
  if config.data.name == "synth_notes":  # Another variant was meant.
    config.data.name = "synth_notes/tiny"
