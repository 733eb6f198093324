"""Weights, latents and images made by a formula, and what the official networks make of them.

The reference values in ``tests/data/parity`` were computed by the authors' own modules in PyTorch,
in float64, with the arrays below: some values of each output, and of each parameter's gradient its
norm and its product with a direction. They are numbers alone.

``uv run python tests/parity.py`` prints the largest differences as a table, and the numbers of
parameters.
"""

import json
import os
import pathlib
import sys

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from inception_reference import integers

FOLDER = pathlib.Path(__file__).parent / "data" / "parity"
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
DIFFERENCES, COUNTS = {}, {}
"""What was compared in this process: by network and quantity the largest relative difference and
its limit, and by network the numbers of parameters of both players.
"""


def reference(family):
    return json.loads((FOLDER / f"{family}.json").read_text())


def number(name, shape, scale=1.0, shift=0.0):
    """Uniform in ``shift +- scale``, exact in float32."""
    return (shift + scale * (integers(name, shape) / 2.0**31 - 1)).astype(np.float32)


def kernel(name, shape):
    """Of mean 0 and variance ``1 / fan_in``."""
    return number(name, shape, np.sqrt(3.0 / np.prod(shape[:-1])))


def labels(n, k):
    return np.arange(n, dtype=np.int32) * 3 % max(k, 1)


def images(name, n, side, c=3):
    """``[n, side, side, c]`` in [-1, 1]: waves that are not symmetric, and a little noise."""
    y, x = np.mgrid[:side, :side] / side
    i, j = np.arange(n)[:, None, None, None], np.arange(c)[None, None, None, :]
    y, x = y[None, :, :, None], x[None, :, :, None]
    wave = np.sin(2 * np.pi * ((1 + i % 3) * x + (1 + j) * y**2) + i + 2 * j)
    return (0.7 * wave + 0.3 * (integers(name, (n, side, side, c)) / 2.0**31 - 1)).astype(
        np.float32
    )


def filled(shapes, make):
    """Variables of the shapes of a tree: ``make(path, shape)`` for each, the path with slashes."""
    flat = flatten_dict(shapes, sep="/")
    return unflatten_dict({path: make(path, a.shape) for path, a in flat.items()}, sep="/")


def assert_near(actual, stored, tolerance, what):
    """Every ``stored["every"]``-th value, relative to the largest."""
    chosen = np.asarray(actual, np.float64).ravel()[:: stored["every"]]
    wanted = np.array(stored["values"])
    assert chosen.shape == wanted.shape, what
    assert_small(np.abs(chosen - wanted).max() / np.abs(wanted).max(), tolerance, "values", what)


def assert_gradients_near(gradients, name_of, stored, tolerance):
    """Of all parameters: norm and product with a direction, relative to the norm; a parameter that
    ``stored`` lacks fails, as does one that it has beside them.
    """
    found = {}
    for path, gradient in flatten_dict(jax.device_get(gradients), sep="/").items():
        name, gradient = name_of(path, np.asarray(gradient, np.float64))
        direction = number(name + "/direction", gradient.shape)
        found[name] = [np.linalg.norm(gradient), np.sum(gradient * direction)]
    assert found.keys() == stored.keys(), found.keys() ^ stored.keys()
    for name, values in found.items():
        far = np.abs(np.subtract(values, stored[name])).max() / max(stored[name][0], 1e-12)
        assert_small(far, tolerance, "gradients", name)


def assert_small(far, tolerance, quantity, what, network=None):
    """Refuses a relative difference that is too large, and notes the largest of each network."""
    key = (network or _test(), quantity)
    largest, limit = DIFFERENCES.get(key, (0.0, 0.0))
    DIFFERENCES[key] = max(largest, float(far)), max(limit, tolerance)
    assert far <= tolerance, f"{what}: {far:.1e}"


def assert_counts(network, found, published):
    """Refuses other numbers of parameters of G and D than the published ones, and notes them."""
    COUNTS[network] = found
    assert found == published


def _test():
    """The network and number format of the test that runs, as ``r3gan_small, float32``."""
    path, name = os.environ["PYTEST_CURRENT_TEST"].split(" ")[0].split("::")
    _, _, parameters = name.rstrip("]").partition("[")
    return parameters.replace("-", ", ") or pathlib.Path(path).stem.removeprefix("test_")


def main():
    """Runs the tests that compare, and prints tables in Markdown."""
    import parity  # the module that the tests import, which this script is not
    import pytest

    files = ("biggan", "r3gan", "stylegan2", "augment_parity")
    paths = [str(pathlib.Path(__file__).parent / f"test_{name}.py") for name in files]
    code = pytest.main(["-q", "-n", "0", "-k", "authors or published", *paths])
    print("\n| network | compared | largest relative difference | limit |")
    print("| --- | --- | ---: | ---: |")
    for (network, quantity), (far, limit) in parity.DIFFERENCES.items():
        print(f"| {network} | {quantity} | {far:.1e} | {limit:.0e} |")
    print("\n| network | parameters of G | of D |\n| --- | ---: | ---: |")
    for network, (of_g, of_d) in parity.COUNTS.items():
        print(f"| {network} | {of_g:,} | {of_d:,} |")
    return code


if __name__ == "__main__":
    sys.exit(main())
