"""Data sets: every file is a value of `data.name`, see `data_sets`."""
