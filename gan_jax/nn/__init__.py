"""Layers: convolutions, normalization, conditioning."""
