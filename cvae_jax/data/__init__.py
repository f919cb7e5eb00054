"""Where notes come from: TFDS builders, the labels' vocabulary, the input pipeline."""
