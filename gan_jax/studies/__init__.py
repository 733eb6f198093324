"""Experiments that answer a question with tables and figures, as commands:
``python -m gan_jax.studies.NAME``.
"""
