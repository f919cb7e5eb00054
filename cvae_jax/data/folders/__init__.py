"""Folders of audio files and the labels that come with them."""
