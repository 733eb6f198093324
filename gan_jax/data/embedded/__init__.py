"""Data sets that come with the library: TFDS builders that need neither internet access nor
TensorFlow.

A builder that is made from other sets names them in ``MADE_FROM`` and reads them with its ``load``,
which `gan_jax.data.source` sets; it is prepared when first loaded, the others when first described.
"""

# The location of each builder; importing one imports TFDS, which takes about a second.
DATASETS = {
    "digits": "gan_jax.data.embedded.digits:Digits",
    "names": "gan_jax.data.embedded.names:Names",
    "dirac": "gan_jax.data.embedded.points:Dirac",
    "ring8": "gan_jax.data.embedded.points:Ring8",
    "grid25": "gan_jax.data.embedded.points:Grid25",
    "swiss_roll": "gan_jax.data.embedded.points:SwissRoll",
    "checkerboard": "gan_jax.data.embedded.points:Checkerboard",
    "stacked_mnist": "gan_jax.data.embedded.stacked_mnist:StackedMnist",
    "coloured_mnist": "gan_jax.data.embedded.coloured_mnist:ColouredMnist",
}
