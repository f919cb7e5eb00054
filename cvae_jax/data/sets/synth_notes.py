"""Notes made by classic synthesis: see `data.synth_notes` and `data.synth_factors`."""

from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import prepared


def make_form(config):
  """NSynth's: 4 s at 16 kHz."""
  del config
  return labels.FORM


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
  builder = known[variant]
  return prepared.open_set(
    config,
    prepared.locate(builder, variant, config),
    lambda: builder(config=variant, data_dir=config.tfds_dir, file_format="array_record"),
  )


def tiny(config):
  """A few notes of each family."""
  if config.data.name == "synth_notes":  # Another variant was meant.
    config.data.name = "synth_notes/tiny"
