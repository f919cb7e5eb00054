"""What a loaded run can do: generate, reconstruct, interpolate, be an instrument."""
