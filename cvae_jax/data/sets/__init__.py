"""Data sets: a file here is a `data.name` of a config, see `data_sets`."""
