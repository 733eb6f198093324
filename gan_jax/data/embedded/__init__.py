"""Data sets that come with the library: TFDS builders of our own, which need neither a network nor TensorFlow."""

# Where each builder is defined: importing one imports TFDS, which takes about a second.
DATASETS = {
    "digits": "gan_jax.data.embedded.digits:Digits",
}
