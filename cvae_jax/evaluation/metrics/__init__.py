"""Measures of what a run has reached, and the bounds that give them meaning."""
