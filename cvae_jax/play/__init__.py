"""A run as an instrument: its notes over a keyboard, looped, as files that a sampler plays."""
