"""Real images by the name that TensorFlow Datasets (TFDS) gives them, read without TensorFlow.

A set is decoded once to a memory-mapped cache of uint8 images; everything later is a gather from that array, in an
order that is a pure function of (seed, epoch, position).
"""

from gan_jax.data.batching import batches
from gan_jax.data.dataset import Dataset, Description, describe, load, padded_shape
from gan_jax.data.embedded import DATASETS
from gan_jax.data.order import mirrored, shuffled
from gan_jax.data.resident import Resident, batch_at, resident

__all__ = [
    "DATASETS", "Dataset", "Description", "Resident", "batch_at", "batches", "describe", "load", "mirrored", "padded_shape",
    "resident", "shuffled",
]  # fmt: skip
