"""Compare our scores with established implementations on the same features.

This takes two environments, as the other packages need PyTorch. The first command, where gan_jax is
installed, writes features and our scores to a folder. The second, in an environment with numpy,
scipy and the packages below, reads them and prints the table; it does not import gan_jax.

  uv run gan-jax study metric_agreement ours FOLDER
  python gan_jax/studies/metric_agreement.py theirs FOLDER

Packages: torch, pytorch-fid, torch-fidelity, clean-fid, prdc, scikit-learn. torchvision is not
needed: a stub replaces it if it is missing. Missing packages are reported and skipped. Features
(images against a reference):

  gaussian    10,000 x 64, float32: two Gaussians of different means and covariances
  wide        3,000 x 512: rectified Gaussians, like the features of a network, whose covariances
              decay over six decades
  mnist       classifier features of the 10,000 test images against 10,000 training images
  mnist_soft  the same for blurred test images
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.machinery
import io
import json
import pathlib
import sys
import types
from collections.abc import Callable, Iterator

import numpy as np

SEED = 2020
"""The seed of the subsets of the kernel distance, as in torch-fidelity."""
SUBSETS, SUBSET_SIZE = 100, 1000
WHOLE = 3000
"""Images in the comparison of the full kernel distance, whose reference stores every pair."""
NEEDED = 1e-4
TORCHVISION = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.models",
    "torchvision.models.inception",
    "torchvision.models.utils",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)

Pair = tuple[np.ndarray, np.ndarray]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("side", choices=["ours", "theirs"])
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args(argv)
    if options.side == "ours":
        return ours(options.folder)
    return theirs(options.folder)


def subsets(n: int, m: int) -> Iterator[Pair]:
    """The subsets that torch-fidelity draws, and clean-fid from the same seed."""
    rng = np.random.RandomState(SEED)
    for _ in range(SUBSETS):
        yield rng.choice(n, SUBSET_SIZE, replace=False), rng.choice(m, SUBSET_SIZE, replace=False)


def ours(folder: pathlib.Path) -> int:
    from gan_jax import metrics
    from gan_jax.files import replacing, write

    scores, arrays = {}, {}
    for case, (a, b, logits) in cases().items():
        arrays |= {f"{case}/a": a, f"{case}/b": b, f"{case}/logits": logits}
        found = {
            "frechet_distance": metrics.frechet_estimate(a, b).value,
            "kernel_distance_of_subsets": metrics.kernel_distance_of_subsets(
                a, b, subsets(len(a), len(b))
            ).value,
            "kernel_distance": metrics.kernel_distance(a[:WHOLE], b[:WHOLE]).value,
            "inception_score": metrics.inception_score(logits).value,
            "inception_score of 10 splits": metrics.inception_score(logits, splits=10).value,
        }
        pairs = {
            "precision, recall": metrics.precision_recall(a, b),
            "density, coverage": metrics.density_coverage(a, b),
        }
        for names, estimates in pairs.items():
            found |= {
                name: estimate.value
                for name, estimate in zip(names.split(", "), estimates, strict=True)
            }
        scores[case] = found
        print(case, json.dumps(found), flush=True)
    with replacing(folder / "features.npz") as unfinished:
        np.savez(unfinished, **arrays)
    write(folder / "ours.json", json.dumps(scores, indent=2) + "\n")
    return 0


def cases() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Features of the images, of the reference, and logits of the images, all float32."""
    rng = np.random.default_rng(0)
    f = 64
    a = rng.standard_normal((10_000, f)) @ (np.eye(f) + 0.1 * rng.standard_normal((f, f)))
    b = rng.standard_normal((10_000, f)) + 0.05
    wide = rng.standard_normal((256, 512)) / 16 * np.logspace(0, -3, 512)
    wide = [
        np.maximum(rng.standard_normal((3000, 256)) @ wide + s * np.logspace(-1, -3, 512), 0)
        for s in (1, 1.2)
    ]
    found = {
        "gaussian": (a, b, 2 * rng.standard_normal((10_000, 10))),
        "wide": (*wide, 3 * rng.standard_normal((3000, 1000))),
    }
    found |= mnist()
    return {case: tuple(x.astype(np.float32) for x in arrays) for case, arrays in found.items()}


def mnist() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    from gan_jax.data import load
    from gan_jax.errors import ConfigError
    from gan_jax.recognizers import recognizer

    try:
        network = recognizer("mnist")
        test, train = (load("mnist", split).examples for split in ("test", "train"))
    except ConfigError as error:
        print(f"MNIST is left out: {error}", file=sys.stderr)
        return {}
    reference, _ = network.features(train[:10_000])
    pixels = np.pad(test.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)))
    soft = sum(pixels[:, i : i + 28, j : j + 28] for i in range(3) for j in range(3)) / 9
    features, logits = network.features(test[:])
    soft_features, soft_logits = network.features(soft.round().astype(np.uint8))
    return {
        "mnist": (features, reference, logits),
        "mnist_soft": (soft_features, reference, soft_logits),
    }


def theirs(folder: pathlib.Path) -> int:
    try:
        scores = json.loads((folder / "ours.json").read_text())
        arrays = np.load(folder / "features.npz")
    except (OSError, ValueError) as error:
        print(f"metric_agreement: {folder} has not what `ours` writes ({error}).", file=sys.stderr)
        return 2
    stand_in_for_torchvision()
    packages = {name: package for name in PACKAGES if (package := imported(name)) is not None}
    if not packages:
        return 2
    print("| features | score | package | theirs | ours | relative difference |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    worst = 0.0
    for case, found in scores.items():
        a, b, logits = (arrays[f"{case}/{part}"] for part in ("a", "b", "logits"))
        for name, package in packages.items():
            with contextlib.redirect_stdout(io.StringIO()):
                values = PACKAGES[name][1](package, a, b, logits)
            for score, value in values.items():
                difference = abs(found[score] - value) / abs(value)
                worst = max(worst, difference)
                numbers = f"{value:.9g} | {found[score]:.9g} | {difference:.1e}"
                print(f"| {case} | {score} | {name} | {numbers} |", flush=True)
    print(f"\nLargest relative difference: {worst:.1e}; {NEEDED:g} is asked for.")
    return int(worst > NEEDED)


def imported(name: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(PACKAGES[name][0])
    except ImportError as error:
        print(f"{name} is left out, as it cannot be imported here ({error}).", file=sys.stderr)
        return None


def stand_in_for_torchvision() -> None:
    """Allows importing packages that need torchvision only for networks that are not used here."""
    with contextlib.suppress(ImportError):
        importlib.import_module("torchvision")
        return
    for name in TORCHVISION:
        module = types.ModuleType(name)
        module.__path__, module.__spec__ = [], importlib.machinery.ModuleSpec(name, None)
        module.__getattr__ = _any_class
        sys.modules[name] = module
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, module)


def _any_class(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


def statistics(x: np.ndarray) -> Pair:
    x = x.astype(np.float64)
    return x.mean(axis=0), np.cov(x, rowvar=False)


def pytorch_fid(package, a, b, logits) -> dict[str, float]:
    import scipy.linalg

    # pytorch-fid 0.3.0 asks scipy's root for `disp`, which newer versions of scipy no longer have.
    root = scipy.linalg.sqrtm
    package.linalg = types.SimpleNamespace(
        sqrtm=lambda x, disp=True: root(x) if disp else (root(x), None)
    )
    return {"frechet_distance": package.calculate_frechet_distance(*statistics(a), *statistics(b))}


def torch_fidelity(package, a, b, logits) -> dict[str, float]:
    torch = importlib.import_module("torch")
    part = lambda name: importlib.import_module(f"torch_fidelity.metric_{name}")
    fitted = [dict(zip(("mu", "sigma"), statistics(x), strict=True)) for x in (a, b)]
    one, two = (torch.from_numpy(x.astype(np.float64)) for x in (a, b))
    logits = torch.from_numpy(logits)
    kid = lambda x, y, n, size: part("kid").kid_features_to_metric(
        x, y, kid_subsets=n, kid_subset_size=size, rng_seed=SEED, verbose=False
    )["kernel_inception_distance_mean"]
    manifold = part("prc").prc_features_to_metric(one, two, verbose=False)
    score = lambda splits: part("isc").isc_features_to_metric(logits, splits, shuffle=False)[
        "inception_score_mean"
    ]
    return {
        "frechet_distance": part("fid").fid_statistics_to_metric(*fitted, False)[
            "frechet_inception_distance"
        ],
        "kernel_distance_of_subsets": kid(one, two, SUBSETS, SUBSET_SIZE),
        "kernel_distance": kid(one[:WHOLE], two[:WHOLE], 1, WHOLE),
        "precision": manifold["precision"],
        "recall": manifold["recall"],
        "inception_score": score(1),
        "inception_score of 10 splits": score(10),
    }


def clean_fid(package, a, b, logits) -> dict[str, float]:
    np.random.seed(SEED)  # noqa: NPY002 (the generator of the package)
    a, b = a.astype(np.float64), b.astype(np.float64)
    # It draws from its second set first.
    return {"kernel_distance_of_subsets": package.kernel_distance(b, a, num_subsets=SUBSETS)}


def prdc(package, a, b, logits) -> dict[str, float]:
    compute = lambda k: package.compute_prdc(real_features=b, fake_features=a, nearest_k=k)
    three, five = compute(3), compute(5)
    return {name: (three if name in ("precision", "recall") else five)[name] for name in three}


PACKAGES: dict[str, tuple[str, Callable[..., dict[str, float]]]] = {
    "pytorch-fid": ("pytorch_fid.fid_score", pytorch_fid),
    "torch-fidelity": ("torch_fidelity", torch_fidelity),
    "clean-fid": ("cleanfid.fid", clean_fid),
    "prdc": ("prdc", prdc),
}
"""The module to import, and a function that returns its scores for features of images, features of
a reference, and logits.
"""


if __name__ == "__main__":
    sys.exit(main())
