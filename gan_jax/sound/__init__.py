"""Sounds as spectra, and back."""
