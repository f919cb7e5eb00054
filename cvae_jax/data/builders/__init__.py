"""TFDS builders of notes."""
