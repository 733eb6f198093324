"""Experiments that answer a question with tables and figures: ``gan-jax study NAME``."""
