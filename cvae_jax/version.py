"""The package's version, in its own file so that `setup.cfg` can read it without imports."""

__version__ = "0.4.0"
