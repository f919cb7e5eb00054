"""The programs of a soundfont, played in NSynth's protocol: see `data.soundfont_notes`."""

from cvae_jax.data import labels
from cvae_jax.data import prepared


def make_form(config):
  """NSynth's: 4 s at 16 kHz."""
  del config
  return labels.FORM


def open_set(config, variant, on_request):
  """See `data_sets.load`; variants are 'instruments' and 'notes', what is held out."""
  from cvae_jax.core import errors
  from cvae_jax.data.builders import soundfont_notes

  del on_request
  held_out = variant or "instruments"
  if held_out not in soundfont_notes.HELD_OUT:
    raise errors.UserError(
      f"soundfont_notes holds out {' or '.join(soundfont_notes.HELD_OUT)}, got '{variant}'"
    )
  builder_config = soundfont_notes.make_config(config.soundfont, held_out)
  return prepared.open_set(
    config,
    prepared.locate(soundfont_notes.SoundfontNotes, builder_config.name, config),
    lambda: soundfont_notes.SoundfontNotes(
      config=builder_config, data_dir=config.tfds_dir, file_format="array_record"
    ),
  )
