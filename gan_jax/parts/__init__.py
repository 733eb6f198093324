"""What a GAN is made of beside its networks: losses, regularizers, augmentations, optimizers."""
