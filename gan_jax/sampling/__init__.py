"""Samples in number: drawn, filtered, exported."""
