"""What several networks share: layers, the latent, resampling."""
