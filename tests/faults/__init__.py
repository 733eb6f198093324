"""Kills, damaged files, full disks: slow, run by hand with ``pytest -m faults``."""
