"""The game in motion: the GAN as a value, its state, the step, many of them at once."""
