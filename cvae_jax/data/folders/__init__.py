"""Readers of folders of audio files, and of their labels."""
