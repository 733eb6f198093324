"""Convert published weights of the FID Inception network into the file that gan_jax reads.

From the graph itself (``classify_image_graph_def.pb`` in inception-2015-12-05.tgz), with nothing
else installed:

  uv run python -m gan_jax.recognizers.convert_inception classify_image_graph_def.pb

or from the file of pytorch-fid, which requires PyTorch:

  uv run --with torch python -m gan_jax.recognizers.convert_inception \\
    pt_inception-2015-12-05-6726825d.pth
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from gan_jax import arguments, command_line
from gan_jax.arguments import Positional
from gan_jax.errors import ConfigError
from gan_jax.files import replacing
from gan_jax.recognizers.inception_weights import PYTORCH_URL, check, sha256, shapes, weights_path

Arrays = dict[str, np.ndarray]

PYTORCH = {
    "conv.weight": ("params", "conv/kernel"),
    "bn.weight": ("params", "bn/scale"),
    "bn.bias": ("params", "bn/bias"),
    "bn.running_mean": ("batch_stats", "bn/mean"),
    "bn.running_var": ("batch_stats", "bn/var"),
    "fc.weight": ("params", "fc/kernel"),
    "fc.bias": ("params", "fc/bias"),
}
GRAPH = {
    "conv/kernel": "conv2d_params",
    "bn/scale": "batchnorm/gamma",
    "bn/bias": "batchnorm/beta",
    "bn/mean": "batchnorm/moving_mean",
    "bn/var": "batchnorm/moving_variance",
    "fc/kernel": "softmax/weights",
    "fc/bias": "softmax/biases",
}
STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
TOWERS_A = ("branch5x5", "branch3x3dbl", "branch_pool")
TOWERS_C = ("branch7x7", "branch7x7dbl", "branch_pool")
TOWERS_E = ("branch3x3", "branch3x3dbl", "branch_pool")
TOWERS = {  # for each block in graph order, the branches that are its tower, tower_1, ...
    "Mixed_5b": TOWERS_A,
    "Mixed_5c": TOWERS_A,
    "Mixed_5d": TOWERS_A,
    "Mixed_6a": ("branch3x3dbl",),
    "Mixed_6b": TOWERS_C,
    "Mixed_6c": TOWERS_C,
    "Mixed_6d": TOWERS_C,
    "Mixed_6e": TOWERS_C,
    "Mixed_7a": ("branch3x3", "branch7x7x3"),
    "Mixed_7b": TOWERS_E,
    "Mixed_7c": TOWERS_E,
}


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    source: Positional[Path]
    """The published file: .pb (TensorFlow's graph) or .pth (pytorch-fid, torch-fidelity)."""
    out: Positional[Path | None] = None
    """The npz file to write; by default the path from which gan_jax reads it."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: written; 2: wrong input, and nothing was written."""
    argv = sys.argv[1:] if argv is None else argv
    with command_line.running("convert_inception"):
        (options,) = arguments.parse("convert_inception", __doc__, argv, Options)
        out = options.out or weights_path()
        print(f"read:    {options.source}, sha256 {_digest(options.source)}")
        convert(options.source, out)
        print(f"written: {out}, sha256 {sha256(out)}")
    return 0


def convert(source: Path, out: Path) -> None:
    """Writes the arrays of a published file, with its name and checksum, atomically to a new npz
    file.

    Raises:
      ConfigError: if the source does not exist, has an unknown type or contains a different
        network, if PyTorch is required but not installed, or if ``out`` exists or cannot be
        written.
    """
    if source.suffix not in READERS:
        raise ConfigError(f"source {source} has an unknown type; use {' or '.join(READERS)}.")
    if out.exists():
        raise ConfigError(f"out {out} exists; name a new file.")
    digest = _digest(source)
    arrays = READERS[source.suffix](source)
    check(arrays, source)
    about = np.array(json.dumps({"source": source.name, "source_sha256": digest}))
    try:
        with replacing(out) as unfinished, unfinished.open("wb") as file:
            np.savez(file, **dict(sorted(arrays.items())), about=about)
    except OSError as error:
        raise ConfigError(f"out {out} cannot be written ({error}).") from error


def from_pytorch(state: Mapping[str, np.ndarray]) -> Arrays:
    """Arrays by path from a PyTorch state dict; a name of no known ending stays as it is, for
    `check` to refuse.
    """
    arrays = {}
    for name, array in state.items():
        if name.endswith(".num_batches_tracked"):
            continue
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif array.ndim == 2:
            array = array.T
        arrays[_path(name)] = np.ascontiguousarray(array)
    return arrays


def _path(name: str) -> str:
    *layer, kind, end = ["", *name.split(".")]
    if f"{kind}.{end}" not in PYTORCH:
        return name
    collection, path = PYTORCH[f"{kind}.{end}"]
    return "/".join((collection, *layer[1:], path))


def from_graph(constants: Mapping[str, np.ndarray]) -> Arrays:
    """Arrays by path from the constants of TensorFlow's graph by node name; others of its constants
    are no weights.
    """
    names = {path: graph_name(path) for path in shapes()}
    return {path: constants[name] for path, name in names.items() if name in constants}


def graph_name(path: str) -> str:
    """The graph's name of an array: ``params/Mixed_5b/branch5x5_2/conv/kernel`` is
    mixed/tower/conv_1/conv2d_params.
    """
    _, *layer, kind, end = path.split("/")
    return "/".join((*_scope(*layer), GRAPH[f"{kind}/{end}"])) if layer else GRAPH[f"{kind}/{end}"]


def _scope(block: str, layer: str | None = None) -> tuple[str, ...]:
    if layer is None:
        return (_numbered("conv", STEM.index(block)),)
    mixed, towers = _numbered("mixed", list(TOWERS).index(block)), TOWERS[block]
    branch, place, fork = re.fullmatch(
        r"(branch_pool|branch[^_]+)(?:_(\d)([ab]?))?", layer
    ).groups()
    if branch not in towers:
        return mixed, "conv"
    tower = _numbered("tower", towers.index(branch))
    if fork:
        return mixed, tower, "mixed", _numbered("conv", "ab".index(fork))
    return mixed, tower, _numbered("conv", int(place or 1) - 1)


def _numbered(name: str, i: int) -> str:
    return f"{name}_{i}" if i else name


def _read_pytorch(path: Path) -> Arrays:
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            f"source {path} requires PyTorch; prefix the command with `uv run --with torch`, or "
            "use TensorFlow's graph (.pb), which requires nothing else."
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return from_pytorch({name: tensor.numpy() for name, tensor in state.items()})
    except (
        OSError,
        RuntimeError,
        EOFError,
        AttributeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise ConfigError(
            f"source {path} is not a PyTorch state dict; use {PYTORCH_URL}."
        ) from error


def _read_graph(path: Path) -> Arrays:
    from google.protobuf.message import DecodeError
    from tensorboardX.proto.graph_pb2 import (
        GraphDef,
    )  # TensorFlow's own definition, without TensorFlow
    from tensorboardX.proto.types_pb2 import DT_FLOAT

    graph = GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ConfigError(f"source {path} is not a TensorFlow graph ({error}).") from error
    tensors = {node.name: node.attr["value"].tensor for node in graph.node if node.op == "Const"}
    return from_graph(
        {name: _array(tensor) for name, tensor in tensors.items() if tensor.dtype == DT_FLOAT}
    )


def _array(tensor) -> np.ndarray:
    """The array of a float TensorProto: its bytes, or its values, of which the last stands for all
    that follow.
    """
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, "<f4").reshape(shape)
    values = np.array(tensor.float_val or [0.0], np.float32)
    return np.pad(values, (0, int(np.prod(shape)) - len(values)), "edge").reshape(shape)


READERS: dict[str, Callable[[Path], Arrays]] = {".pb": _read_graph, ".pth": _read_pytorch}


def _digest(source: Path) -> str:
    try:
        return sha256(source)
    except OSError as error:
        raise ConfigError(f"source {source} cannot be read ({error}).") from error


if __name__ == "__main__":
    sys.exit(main())
