"""Diagnostics of a training state and alarms."""
