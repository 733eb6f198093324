"""Layers: convolutions, normalization, conditioning, minibatch statistics."""
