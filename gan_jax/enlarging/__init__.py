"""Enlarge a dataset by generated examples, and measure whether classifiers profit from them."""
