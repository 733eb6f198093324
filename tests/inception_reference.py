"""Weights and images made by a formula, and what PyTorch's FID Inception (torch-fidelity) makes of
them.

The weights have PyTorch's names and orders. As a script, in an environment with numpy, torch and
torch-fidelity (0.4.0; ``pip install --no-deps torch-fidelity`` spares torchvision), it writes the
activations that the tests compare with ::

  python tests/inception_reference.py tests/inception_reference.json
"""

import importlib.util
import json
import sys
import types
import zlib

import numpy as np

EVERY = 16  # features and logits of which one is stored


def integers(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uint32 that look random: MurmurHash3's finalizer of the position, xor the checksum of the
    name.
    """
    x = np.arange(np.prod(shape, dtype=int), dtype=np.uint32) ^ np.uint32(zlib.crc32(name.encode()))
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return (x ^ (x >> np.uint32(16))).reshape(shape)


def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Float32 by a PyTorch name: kernels that keep the variance of what a ReLU passes, statistics
    that do something.
    """
    x = integers(name, shape) / 2.0**31 - 1
    match name.split(".")[-2:]:
        case _, "running_var":
            x = 1 + 0.5 * x
        case "bn", "weight":
            x = 1 + 0.3 * x
        case _, "weight":
            x = x * np.sqrt(6 / np.prod(shape[1:]))
        case _:
            x = 0.3 * x
    return x.astype(np.float32)


def images() -> np.ndarray:
    """``[2, 20, 36, 3]`` uint8: noise upon two slopes."""
    noise = integers("images", (2, 20, 36, 3)) >> np.uint32(25)
    y, x = np.mgrid[:20, :36]
    slopes = np.stack([6 * y, 3 * x])[..., None]
    return (noise + slopes).astype(np.uint8)


def chosen(features: np.ndarray, logits: np.ndarray, unbiased: np.ndarray) -> dict[str, list]:
    """What is stored, to 7 digits."""
    arrays = {"features": features, "logits": logits, "unbiased": unbiased}
    return {
        name: [[float(f"{v:.7g}") for v in row] for row in a[:, ::EVERY]]
        for name, a in arrays.items()
    }


def torch_network():
    """torch-fidelity's network with the weights of the formula; its package needs torchvision, the
    module does not.
    """
    spec = importlib.util.find_spec("torch_fidelity")
    package = sys.modules["torch_fidelity"] = types.ModuleType("torch_fidelity")
    package.__path__ = list(spec.submodule_search_locations)
    import torch
    import torch_fidelity.feature_extractor_inceptionv3 as module

    module.load_state_dict_from_url = lambda *_, **__: {}

    class Network(module.FeatureExtractorInceptionV3):
        def load_state_dict(self, state, **options):
            return super().load_state_dict(state, **options) if state else None

    network = Network("formula", ["2048", "logits", "logits_unbiased"])
    counts = {n: t for n, t in network.state_dict().items() if n.endswith("num_batches_tracked")}
    made = {
        n: torch.from_numpy(weights(n, tuple(t.shape)))
        for n, t in network.state_dict().items()
        if n not in counts
    }
    network.load_state_dict({**made, **counts})
    return network


if __name__ == "__main__":
    import torch

    features, logits, unbiased = torch_network()(torch.from_numpy(images().transpose(0, 3, 1, 2)))
    with open(sys.argv[1], "w") as file:
        json.dump(chosen(features.numpy(), logits.numpy(), unbiased.numpy()), file)
