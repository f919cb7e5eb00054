"""Training: the loop, states, optimizers, checkpoints, devices, and what a run leaves."""
