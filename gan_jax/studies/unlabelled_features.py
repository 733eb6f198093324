"""Compare features for images without labels: does the Fréchet distance rise with the damage?

  uv run gan-jax study unlabelled_features
  uv run gan-jax study unlabelled_features --dataset mnist --samples 1000

Increasingly damaged test images of a data set are compared with its training images in three kinds
of features: pixels averaged to 8x8, an untrained network, and the network that evaluations use for
images without labels, which was trained to predict by how many quarter turns an image was rotated.
The data set must have labels, which are used only to drop classes.

Prints each distance as a multiple of that of the undamaged test images. Features are suitable if
the multiples rise along a line and start above 1.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gan_jax import command_line
from gan_jax.errors import at_least
from gan_jax.recognizers.recipes import UNLABELLED
from gan_jax.studies import command

if TYPE_CHECKING:
    from gan_jax.metrics import Sample
    from gan_jax.recognizers import FeatureNetwork, RecognizerConfig

REFERENCE = 4_000
"""Number of training images in the reference."""

Damage = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def noisy(x: np.ndarray, _: np.ndarray, deviation: float) -> np.ndarray:
    """Adds Gaussian noise whose standard deviation is in units of 255 levels."""
    noise = np.random.default_rng(0).normal(scale=deviation, size=x.shape)
    return np.clip(np.rint(x + noise), 0, 255).astype(np.uint8)


def blurred(x: np.ndarray, _: np.ndarray, sigma: float) -> np.ndarray:
    """Blurs with a Gaussian of ``sigma`` pixels."""
    from scipy import ndimage

    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0))


def dropped(x: np.ndarray, y: np.ndarray, classes: float) -> np.ndarray:
    """Drops the last ``classes`` classes."""
    return x[y <= y.max() - classes]


def exchanged(x: np.ndarray, _: np.ndarray, share: float) -> np.ndarray:
    """Replaces the upper half of a share of the images by that of another image."""
    n, half, x = int(share * len(x)), x.shape[1] // 2, x.copy()
    x[:n, :half] = np.roll(x[:n, :half], 1, axis=0)
    return x


def rolled(x: np.ndarray, _: np.ndarray, share: float) -> np.ndarray:
    """Exchanges opposite quadrants of a share of the images."""
    n, (h, w), x = int(share * len(x)), x.shape[1:3], x.copy()
    x[:n] = np.roll(x[:n], (h // 2, w // 2), axis=(1, 2))
    return x


DAMAGES: dict[str, tuple[Damage, tuple[float, ...]]] = {
    "noise, levels": (noisy, (13, 26, 51)),
    "blur, pixels": (blurred, (0.5, 0.75, 1)),
    "classes dropped": (dropped, (1, 3, 5)),
    "halves exchanged": (exchanged, (0.1, 0.3, 1)),
    "quadrants exchanged": (rolled, (0.1, 0.3, 1)),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "fashion_mnist"
    """Labelled images of one size."""
    samples: int = 1_500
    """Test images."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("unlabelled_features", __doc__, argv, Options) as options:
        from gan_jax.data.dataset import describe_labelled

        at_least("samples", options.samples, 100)
        describe_labelled(options.dataset)
        command_line.fast_cpu()
        command_line.keep_compilations()
        show(multiples(options.dataset, options.samples, UNLABELLED))
    return 0


def networks(dataset: str, shape: tuple[int, ...], config: RecognizerConfig) -> dict:
    """Feature networks by name."""
    import jax

    from gan_jax.recognizers import Pixels, Recognizer, recognizer
    from gan_jax.recognizers.architectures import classifier
    from gan_jax.recognizers.training import init_state

    turns = recognizer(dataset, None, config)
    state = init_state(classifier(config, turns.network.num_classes), jax.random.key(0), shape)
    untrained = Recognizer(turns.network, state.average, "untrained", {})
    return {"pixels 8x8": Pixels(), "untrained": untrained, "turns": turns}


def multiples(
    dataset: str, samples: int, config: RecognizerConfig
) -> dict[tuple[str, str], list[float]]:
    """For each damage and network, the distances of increasingly damaged images, each divided by
    the distance of the undamaged ones.
    """
    from gan_jax.data import load, some
    from gan_jax.data.splits import train_and_test_of

    train, test = (load(dataset, split) for split in train_and_test_of(dataset))
    reference = some(train.examples, REFERENCE)
    x, y = some(test.examples, samples), some(test.labels, samples)
    found = {}
    for name, network in networks(dataset, x.shape[1:], config).items():
        real = look(network, reference)
        whole = distance(look(network, x), real)
        for title, (damage, amounts) in DAMAGES.items():
            seen = (look(network, damage(x, y, amount)) for amount in amounts)
            found[title, name] = [distance(own, real) / whole for own in seen]
    return found


def look(network: FeatureNetwork, x: np.ndarray) -> Sample:
    from gan_jax.metrics import Sample

    return Sample(network.features(x)[0])


def distance(images: Sample, real: Sample) -> float:
    """The Fréchet distance."""
    from gan_jax.metrics import Inputs, measure

    return measure(Inputs(images, real))["frechet_distance"].value


def show(found: dict[tuple[str, str], list[float]]) -> None:
    print(f"{'damage':21}{'features':12}{'multiples of the undamaged distance':>36}")
    for (title, name), values in found.items():
        amounts = ", ".join(f"{amount:g}" for amount in DAMAGES[title][1])
        print(f"{title:21}{name:12}{amounts:>14}:" + "".join(f"{v:9.2f}" for v in values))


if __name__ == "__main__":
    sys.exit(main())
