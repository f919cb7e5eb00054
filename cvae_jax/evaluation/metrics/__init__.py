"""Metrics as functions of arrays, independent of runs."""
