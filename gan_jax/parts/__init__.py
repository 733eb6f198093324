"""The parts of a GAN other than its networks: losses, regularizers, augmentations, optimizers."""
