"""Real examples, images, vectors or sounds: from TensorFlow Datasets (TFDS) by name, without
TensorFlow; from a folder of files; or from arrays.

A set is decoded once to a memory-mapped cache of uint8, float32 or int16 arrays. Later reads
gather from that array, in an order that is a pure function of (seed, epoch, position). A minibatch
consists of one or more draws, each from a `Stream` with its set, count and order. The same
functions make `batches` on the host and gather from `Resident` data on the device.
"""

from gan_jax.data.batching import batches, batches_of
from gan_jax.data.dataset import Dataset, describe, load, some
from gan_jax.data.description import Description, check_flip
from gan_jax.data.embedded import DATASETS
from gan_jax.data.framing import FITS, Frame, frame_of
from gan_jax.data.order import mirrored, shuffled
from gan_jax.data.resident import Resident, batch_at, from_arrays, resident, resident_of
from gan_jax.data.streams import Join, SideBySide, Stream, concatenated
from gan_jax.data.truths import TRUTHS, Truth

__all__ = [
    "DATASETS", "FITS", "TRUTHS", "Dataset", "Description", "Frame", "Join", "Resident",
    "SideBySide", "Stream", "Truth", "batch_at", "batches", "batches_of", "check_flip",
    "concatenated", "describe", "frame_of", "from_arrays", "load", "mirrored",
    "resident", "resident_of", "shuffled", "some",
]  # fmt: skip
