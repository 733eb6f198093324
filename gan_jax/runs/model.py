"""A model folder: the networks of one state for use elsewhere, without the state of the training.

model.json                 the config, the step, and the origin of the weights
generator.safetensors      weights and statistics of G, or of its EMA if it has one
discriminator.safetensors  the same for D
generator.stablehlo        G as a program of `jax.export`, for CPU, CUDA and TPU
load.py                    G as a Python function that only needs jax
README.md, grid.png        the model card
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from gan_jax.build import abstract_batch, build
from gan_jax.config import from_dict
from gan_jax.engine.gan import Gan, init_state
from gan_jax.errors import ConfigError
from gan_jax.types import SIDES, GanState, PlayerState, PyTree

MODEL, CARD, GRID = "model.json", "README.md", "grid.png"
PROGRAM, LOADER = "generator.stablehlo", "load.py"


def weights_file(side: str) -> str:
    """The name of the file that holds the weights of ``generator`` or ``discriminator``."""
    return f"{side}.safetensors"


def flat(variables: PyTree) -> dict[str, Any]:
    """The variables of a network under names such as ``params.Dense_0.kernel``."""
    return flatten_dict(variables, sep=".")


def nested(weights: dict[str, Any]) -> PyTree:
    """The inverse of `flat`."""
    return unflatten_dict(weights, sep=".")


def write_weights(folder: Path, state: GanState) -> None:
    """Writes the weights of both players."""
    for side in SIDES:
        variables = jax.device_get(getattr(state, side).variables(averaged=True))
        save_file(flat(variables), folder / weights_file(side))


def is_model(folder: str | Path) -> bool:
    """Whether this is a model folder."""
    return (Path(folder) / MODEL).is_file()


def load(folder: str | Path) -> tuple[Gan, GanState]:
    """The GAN of a model folder, and a state with its weights, on the default device.

    Optimizers and regularizers are in their initial state: training can start from such a state,
    but it does not continue the original run.

    Raises:
      ConfigError: if files are missing, damaged, or do not match each other.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / MODEL).read_text())
        config, step = from_dict(about["config"]), int(about["step"])
    except ConfigError as error:
        raise ConfigError(f"{folder / MODEL}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"workdir: {folder / MODEL} cannot be read ({error}).") from error
    gan = build(config)
    first = init_state(gan, jax.random.key(config.seed), abstract_batch(config, gan.source))
    players = {side: _with_weights(folder, side, getattr(first, side)) for side in SIDES}
    return gan, first.replace(step=first.step + step, **players)


def _with_weights(folder: Path, side: str, player: PlayerState) -> PlayerState:
    path = folder / weights_file(side)
    try:
        given = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"workdir: {path} cannot be read ({error}).") from error
    shapes = lambda arrays: {name: (a.shape, str(a.dtype)) for name, a in arrays.items()}
    if shapes(given) != shapes(flat(player.variables())):
        raise ConfigError(f"workdir: {path} does not match the networks of {MODEL}.")
    variables = jax.tree.map(jax.numpy.asarray, nested(given))
    params = variables.pop("params", {})
    average = player.average and {"params": params, **variables}
    return player.replace(params=params, stats=variables, average=average)
