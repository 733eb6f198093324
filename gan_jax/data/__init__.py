"""Real examples by the name that TensorFlow Datasets (TFDS) gives them, read without TensorFlow:
images, or vectors of numbers.

A set is decoded once to a memory-mapped cache of uint8 images or float32 vectors; everything later
is a gather from that array, in an order that is a pure function of (seed, epoch, position).
"""

from gan_jax.data.batching import batches
from gan_jax.data.dataset import (
    Dataset,
    Description,
    check_flip,
    describe,
    example_dtype,
    load,
    padded_shape,
    some,
)
from gan_jax.data.embedded import DATASETS
from gan_jax.data.order import mirrored, shuffled
from gan_jax.data.resident import Resident, batch_at, from_arrays, resident
from gan_jax.data.truths import TRUTHS, Truth

__all__ = [
    "DATASETS", "TRUTHS", "Dataset", "Description", "Resident", "Truth", "batch_at", "batches", "check_flip", "describe", "example_dtype",
    "from_arrays", "load", "mirrored", "padded_shape", "resident", "shuffled", "some",
]  # fmt: skip
