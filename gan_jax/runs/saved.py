"""A single state in a folder, written from a program or a notebook."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jax

from gan_jax import checkpoint
from gan_jax.engine.gan import Gan, init_state
from gan_jax.errors import ConfigError
from gan_jax.files import replacing
from gan_jax.runs.convert import VERSION
from gan_jax.types import GanState

MARK = "state.json"
"""The file that marks such a folder; it holds the step."""


def save(state: GanState, path: str | os.PathLike) -> None:
    """Atomically writes a state; ``gan_jax.load(path, gan=gan)`` restores it bit-exactly.

    Args:
      state: the state of one GAN or of a population.
      path: the folder; it must be new, empty, or written by this function before.

    Raises:
      ConfigError: for a folder with other content, or one that cannot be written.
    """
    path, step = Path(path), int(state.step)
    if path.exists() and not is_saved(path) and not (path.is_dir() and not any(path.iterdir())):
        raise ConfigError(f"path: {path} is not empty and not a saved state.")
    try:
        with replacing(path) as new:
            with checkpoint.Writer(new, keep=1, version=VERSION) as writer:
                writer.save(step, state)
            (new / MARK).write_text(json.dumps({"program": "gan_jax", "step": step}) + "\n")
    except OSError as error:
        raise ConfigError(f"path: {path} cannot be written ({error.strerror}).") from error


def is_saved(path: str | os.PathLike) -> bool:
    """Whether `save` wrote this folder."""
    return (Path(path) / MARK).is_file()


def restore(path: str | os.PathLike, gan: Gan, like: GanState | None = None) -> GanState:
    """The state that `save` wrote, on the default device.

    Args:
      path: the folder.
      gan: the GAN of the state.
      like: any state of the same shapes, such as the result of `init_state`; by default one for
        labelled examples of the GAN's modality.

    Raises:
      ConfigError: for a state that is damaged or has other shapes.
    """
    path = Path(path)
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = abstract_state(gan) if like is None else like
    like = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=here), like)
    (step,) = checkpoint.steps(path)
    try:
        return checkpoint.restore(path, step, like)
    except checkpoint.Damaged as error:
        raise ConfigError(
            f"path: {path} cannot be restored as a state of this GAN: {error}."
        ) from error


def abstract_state(gan: Gan) -> GanState:
    """Shapes and dtypes of the state of a GAN for labelled examples."""
    batch = gan.source.abstract_batch((1, 2))
    return jax.eval_shape(lambda key: init_state(gan, key, batch), jax.random.key(0))
