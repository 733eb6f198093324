"""What was published for the methods of the recipes, and how the recipes deviate from it."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """The published counterpart of a recipe.

    ``published``: the numbers in short; None if there is none for this data set and method.
    ``source``: where they stand and their protocols; without numbers, what was published instead.
    ``deviations``: how the recipe differs from the published training.
    ``missing``: what a measurement needs; None if the recipe runs on a CPU.
    """

    published: str | None
    source: str
    deviations: str
    missing: str | None = None


RECALLED = "quoted from memory and not checked against the paper"
GPU = "a GPU, and Inception weights for FID"
_NO_FASHION = "the paper has no result on Fashion-MNIST"
_SC09 = "on SC09, spoken digits of 16,384 samples"

TARGETS: dict[str, Target] = {
    "digits_dcgan": Target(
        None, "no paper trains on this data set of 1,797 images", "none to compare with"
    ),
    "digits_infogan": Target(
        None, "Chen et al. 2016 train on MNIST", "8x8 digits, R1, one continuous code"
    ),
    "mnist_mlp": Target(
        None,
        "Goodfellow et al. 2014 report Parzen window likelihoods, a score that is no longer used",
        "two hidden layers of 128 units, R1",
    ),
    "mnist_dcgan": Target(
        "FID 6.8 (another scale)",
        f"Lucic et al. 2018, nonsaturating loss, the best of a wide search, {RECALLED}",
        "conditional, R1, 32x32; FD is in the features of a classifier of MNIST, another scale",
    ),
    "mnist_biggan": Target(
        None,
        "Brock et al. 2019 have no result on MNIST",
        "32 channels, one update of D per update of G, no orthogonal penalty, 288,000 images",
    ),
    "fashion_dcgan": Target(
        "FID 26.5 (another scale)",
        f"Lucic et al. 2018, nonsaturating loss, the best of a wide search, {RECALLED}",
        "conditional, R1, 32x32; FD is in the features of a classifier, another scale",
    ),
    "fashion_r3gan": Target(
        None, f"Huang et al. 2024: {_NO_FASHION}", "64 channels at most, 1 block, 166,000 images"
    ),
    "fashion_stylegan2": Target(
        None,
        f"Karras et al. 2020: {_NO_FASHION}",
        "64 channels at most, no path length regularization, no style mixing, 154,000 images",
    ),
    "fashion_edges": Target(
        None,
        f"Isola et al. 2017: {_NO_FASHION}",
        "16 to 128 channels, no dropout, a weight of L1 of 10",
    ),
    "mnist_sgan_top": Target(
        None,
        "Huang et al. 2017 publish no number for MNIST",
        "a hidden layer of 64 numbers instead of 256, R1; scored through `mnist_sgan`",
    ),
    "mnist_sgan": Target(
        None,
        "Huang et al. 2017 publish no number for MNIST (inception score 8.59 on CIFAR-10)",
        "32x32, DCGAN, R1; the encoder is a classifier of this library",
    ),
    "mnist_sgan_joint": Target(
        None,
        "Huang et al. 2017 publish no number for MNIST (inception score 8.59 on CIFAR-10)",
        "both levels from scratch, R1",
    ),
    "mnist_ssl100": Target(
        "test error 0.93%",
        f"Salimans et al. 2016, 100 labels, {RECALLED}",
        "convolutional D, augmentation, regularizers of its classes; 800,000 images",
    ),
    "fashion_ssl1000": Target(
        None,
        "papers on few labels rarely use Fashion-MNIST, and with other numbers of labels",
        "that of `mnist_ssl100`, with mirrored images",
    ),
    "digits_to_mnist": Target(
        None,
        "Zhu et al. 2017 have no result for these domains",
        "16 channels, 2 blocks, 2,000 steps of batches of 8",
    ),
    "spoken_digit_specgan": Target(
        "inception score 6.03 (another data set)",
        f"Donahue et al. 2019 {_SC09}, where listeners recognize 66% of the digits, {RECALLED}",
        "4,096 samples at 8,000 Hz, 2,500 clips, conditional, DCGAN with R1 and random delays",
    ),
    "spoken_digit_wavegan": Target(
        "inception score 4.67 (another data set)",
        f"Donahue et al. 2019 {_SC09}, where listeners recognize 58% of the digits, {RECALLED}",
        "4,096 samples at 8,000 Hz, 2,500 clips, a quarter of the channels, R1",
    ),
    "spoken_digit_vocoder": Target(
        None,
        "Kong et al. 2020 let listeners judge speech of 22,050 Hz",
        "a small form of V3 and of D; 3,500 steps of the published 2,500,000",
    ),
    "names_gan": Target(
        None,
        "Gulrajani et al. 2017, whose D it has, write sentences of 32 characters",
        "an LSTM with straight-through gradients and a weight of 0.2 for maximum likelihood; D of "
        "width 64 and 3 blocks that also recognizes the sex, relativistic loss with R1 and R2 "
        "instead of WGAN-GP",
    ),
    "scan_gan": Target(
        None,
        "no paper writes SCAN with a GAN",
        "an LSTM with straight-through gradients after maximum likelihood; D of width 64 and 3 "
        "blocks, relativistic loss with R1 and R2",
    ),
    "captions_stackgan1": Target(
        None,
        "Zhang et al. 2017 publish inception scores on CUB, Oxford-102 and COCO",
        "captions made from labels, with their encoder trained in the game; 16x16, R1",
    ),
    "captions_stackgan": Target(
        None,
        "Zhang et al. 2017 publish inception scores on CUB, Oxford-102 and COCO",
        "captions made from labels, with their encoder trained in the game; 32x32, R1",
    ),
    "cifar10_sngan": Target(
        "FID 17.5; 9.01 by StudioGAN",
        "Miyato & Koyama 2018, as mimicry and StudioGAN quote it; StudioGAN's own run: 50,000 "
        "samples, training images, best checkpoint, one seed; mimicry's: 10.84",
        "none known",
        GPU,
    ),
    "cifar10_r3gan": Target(
        "FID 1.96",
        "Huang et al. 2024, as listed by third parties",
        "ends after 80 M images; the authors stop by eye",
        GPU,
    ),
    "cifar10_stylegan2_ada": Target(
        "FID 2.42",
        "Karras et al. 2020 and the authors' repository: mean of five runs, 50,000 samples, all "
        "training images; 2.92 without labels",
        "none known",
        GPU,
    ),
    "cifar10_biggan": Target(
        "FID 14.73; 4.16 by StudioGAN",
        "Brock et al. 2019; StudioGAN's own run: 50,000 samples, training images, best checkpoint, "
        "one seed",
        "the settings of the authors' PyTorch code, not of the paper",
        GPU,
    ),
    "folder32_dcgan": Target(None, "images of the user", "none to compare with"),
    "emoji64_stylegan2_ada": Target(
        None,
        "Karras et al. 2020 train on no emoji",
        "64 channels at most, no path length regularization, no style mixing, 768,000 images",
    ),
    "folder256_stylegan2": Target(
        "FID 3.99 on FFHQ",
        "MMGeneration's training of these networks on 70,000 faces",
        "no augmentation; the weight of R1 must be tuned for each data set",
        f"{GPU}, and a data set of that size",
    ),
    "folder_wavegan": Target(
        "inception score 4.67 on SC09",
        f"Donahue et al. 2019, with phase shuffle; 4.12 without; real clips reach 8.01 (test) and "
        f"9.18 (training), {RECALLED}",
        "none known",
        "a GPU, and SC09",
    ),
    "ring8_mlp": Target(
        None, "papers count modes under many protocols", "equal settings were never published"
    ),
    "grid25_mlp": Target(
        None, "papers count modes under many protocols", "equal settings were never published"
    ),
    "stacked_dcgan": Target(
        "1,000 modes, KL 0.029",
        "R3GAN, Huang et al. 2024, at full length, 25,600 samples; KL 0.078 for this loss in their "
        f"ablation, {RECALLED}",
        "a small DCGAN instead of R3GAN's networks, 1,024,000 images",
    ),
    "stacked_r3gan": Target(
        "1,000 modes, KL 0.029",
        f"Huang et al. 2024, at full length, 25,600 samples, {RECALLED}",
        "64 channels at most in G and 32 in D, 1 block, 236,800 images",
    ),
}
