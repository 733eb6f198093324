"""The generator in this folder as a function. It needs jax, and flatbuffers for jax.export:
``pip install jax flatbuffers``. README.md lists shapes and ranges.

>>> from load import generate
"""

import json
import pathlib

import jax.export
import numpy as np

folder = pathlib.Path(__file__).parent
data = (folder / "generator.safetensors").read_bytes()
begin = 8 + int.from_bytes(data[:8], "little")
arrays = json.loads(data[8:begin])
arrays.pop("__metadata__", None)
weights = {
    name: np.frombuffer(data[begin:][slice(*of["data_offsets"])], "<f4").reshape(of["shape"])
    for name, of in arrays.items()
}
program = jax.export.deserialize((folder / "generator.stablehlo").read_bytes())


def generate(*inputs):
    """Examples from latents and, for a conditional generator, labels or other conditions; any
    batch size.
    """
    return program.call(weights, *inputs)
