"""Experiments that answer a question with tables and figures: ``python -m gan_jax.studies.NAME``."""
