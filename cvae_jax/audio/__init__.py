"""Waveforms and features: pure `jnp` functions, in forward and inverse pairs."""
