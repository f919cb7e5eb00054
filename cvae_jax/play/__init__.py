"""A run as an instrument: its notes over a keyboard, looped, as files that a sampler plays."""

FORMATS = ("sfz", "sf2", "wav")  # Of `formats.pack`.
