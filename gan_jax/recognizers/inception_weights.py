"""The file with Inception's weights: where it lies, what must be in it, and what is said where it
is not there.

An npz file without pickles: every array of `InceptionV3`'s variables under its path
(``params/fc/kernel``), float32, and ``about``, the provenance as JSON.
`gan_jax.recognizers.convert_inception` writes it; nothing is ever downloaded from here.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path

import flax.traverse_util
import jax
import numpy as np

from gan_jax.data.cache import cache_folder
from gan_jax.errors import ConfigError
from gan_jax.recognizers import inception
from gan_jax.recognizers.inception import SIDE, Inception, InceptionV3

VARIABLE = "GAN_JAX_INCEPTION"
PYTORCH_FILE = "pt_inception-2015-12-05-6726825d.pth"
PYTORCH_URL = (
    f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{PYTORCH_FILE}"
)
GRAPH_FILE = "classify_image_graph_def.pb"
GRAPH_URL = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"


def weights_path() -> Path:
    """``$GAN_JAX_INCEPTION``, or ``inception-2015-12-05.npz`` in the cache folder."""
    chosen = os.environ.get(VARIABLE)
    return (
        Path(chosen).expanduser()
        if chosen
        else cache_folder() / "inception" / "inception-2015-12-05.npz"
    )


def load_inception(path: str | Path | None = None, *, bias: bool = False) -> Inception:
    """The feature network, with the weights of a file that the user has; their checksum is printed
    on stderr.

    Args:
      path: the file; None: `weights_path`.
      bias: whether the logits contain the final layer's bias. The inception score's own code
        (Salimans et al. 2016) and torch-fidelity leave it out; so do we, by setting it to zero.

    Raises:
      ConfigError: if the file is absent (with what to download, how to convert it and where to put
        it), damaged, or of another network.
    """
    path = weights_path() if path is None else Path(path)
    arrays = _read(path)
    about = json.loads(str(arrays.pop("about", "{}")))
    check(arrays, path)
    digest = sha256(path)
    code = hashlib.sha256(Path(inception.__file__).read_bytes()).hexdigest()
    logits = "with bias" if bias else "without bias"
    key = (
        "inception-" + hashlib.sha256(json.dumps([digest, code, logits]).encode()).hexdigest()[:16]
    )
    if not bias:
        arrays["params/fc/bias"] = np.zeros_like(arrays["params/fc/bias"])
    print(f"Inception: weights {path.name}, sha256 {digest}.", file=sys.stderr, flush=True)
    about = {
        "network": "inception",
        "weights": path.name,
        "sha256": digest,
        **about,
        "logits": logits,
        "key": key,
    }
    return Inception(flax.traverse_util.unflatten_dict(arrays, sep="/"), key, about)


def check(arrays: dict[str, np.ndarray], source: Path) -> None:
    """Nothing, if the arrays are those of `InceptionV3`'s variables by path.

    Raises:
      ConfigError: if one is missing, left over, or of another shape or type.
    """
    expected = shapes()
    missing, unknown = expected.keys() - arrays.keys(), arrays.keys() - expected.keys()
    wrong = {
        name: f"{arrays[name].dtype}{list(arrays[name].shape)} instead of float32{list(shape)}"
        for name, shape in expected.items()
        if name in arrays and (arrays[name].shape, arrays[name].dtype) != (shape, np.float32)
    }
    found = [
        f"{len(names)} arrays {what}, such as {min(names)}"
        for what, names in (("missing", missing), ("unknown", unknown))
        if names
    ]
    if wrong:
        name = min(wrong)
        found.append(
            f"{len(wrong)} arrays of another shape or type, such as {name} ({wrong[name]})"
        )
    if found:
        raise ConfigError(
            f"inception: {source} contains a different network ({'; '.join(found)}); use the "
            "weights of 2015-12-05 with 1008 classes, as published for the Fréchet Inception "
            "distance."
        )


@functools.cache
def shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every array by its path."""
    x = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), np.float32)
    variables = jax.eval_shape(InceptionV3().init, jax.random.key(0), x)
    return {
        name: leaf.shape
        for name, leaf in flax.traverse_util.flatten_dict(variables, sep="/").items()
    }


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file, as ``sha256sum`` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError as error:
        raise ConfigError(
            f"inception: the weights file {path} does not exist; download {GRAPH_URL}, unpack "
            f"{GRAPH_FILE} from it and convert it with `uv run python -m "
            f"gan_jax.recognizers.convert_inception {GRAPH_FILE} {path}`, or set {VARIABLE} to the "
            "path of a converted file."
        ) from error
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
    ) as error:
        raise ConfigError(
            f"inception: {path} is not a complete npz file of arrays; write one with "
            "`python -m gan_jax.recognizers.convert_inception`."
        ) from error
