"""Evaluation: measures of a run, the metrics they use, tables and ablations."""
