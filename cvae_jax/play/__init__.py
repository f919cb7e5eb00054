"""The browser instrument: a web page and an HTTP API that play a trained run."""

FORMATS = ("sfz", "sf2", "wav")  # that `formats.pack` writes
KIT_FORMATS = ("hydrogen", "sfz", "wav")  # that `kit_formats.pack` writes
