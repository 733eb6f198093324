"""Exports a trained GAN as a model folder (`gan_jax.runs.model`), usable without this library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.config import Config, to_dict
from gan_jax.data import load, some
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.files import replacing
from gan_jax.runs import model
from gan_jax.runs.provenance import provenance
from gan_jax.sampling.draw import generated
from gan_jax.sampling.export import check
from gan_jax.types import Fake, GanState

PLATFORMS = ("cpu", "cuda", "tpu")
_LOADER = Path(__file__).with_name("loader.py")


def export_model(
    gan: Gan, state: GanState, config: Config, folder: Path, *, card: str, run: str | None = None
) -> None:
    """Atomically writes the model folder.

    Args:
      gan, state, config: the GAN, state and config of a run.
      folder: a new or empty folder.
      card: the text of README.md.
      run: the origin of the GAN, for the provenance.

    Raises:
      ConfigError: for a folder in use, one that cannot be written, or a GAN whose conditions are
        made from examples.
    """
    check(folder, "export_model")
    if gan.condition is not None:
        raise ConfigError("export_model needs a GAN whose conditions are class labels.")
    about = {
        "program": "gan_jax", "step": int(state.step), "run": run, "config": to_dict(config),
        "weights": "last" if state.generator.average is None else "moving average",
        "provenance": provenance(),
    }  # fmt: skip
    try:
        with replacing(folder) as new:
            new.mkdir()
            model.write_weights(new, state)
            (new / model.PROGRAM).write_bytes(program(gan, state))
            shutil.copyfile(_LOADER, new / model.LOADER)
            (new / model.MODEL).write_text(json.dumps(about, indent=2) + "\n")
            (new / model.CARD).write_text(card, encoding="utf-8")
            pictures.save(new / model.GRID, _grid(gan, state, config))
    except OSError as error:
        raise ConfigError(
            f"export_model: {folder} cannot be written ({error.strerror})."
        ) from error


def program(gan: Gan, state: GanState) -> bytes:
    """G as a serialized `jax.export.Exported`: ``(weights by name, latents[, labels]) -> examples``
    for any batch size, on all of `PLATFORMS`. Only a conditional G takes labels.

    The weights are those written by `gan_jax.runs.model.write_weights`; scalars of the network,
    such as a temperature, have their values at the state's step.
    """
    now = scalars.bind(gan, state.scalars, state.step).generator
    numbers = jax.device_get(now.numbers or {})

    def generate(weights: dict[str, Any], latents: jax.Array, *labels: jax.Array) -> jax.Array:
        y = labels[0] if labels else jnp.zeros(latents.shape[:1], jnp.int32)
        made = now.network.apply(model.nested(weights), latents, y, train=False, **numbers)
        return gan.modality.restored(made.x if isinstance(made, Fake) else made)

    weights = jax.eval_shape(lambda: model.flat(state.generator.variables(averaged=True)))
    z = jax.eval_shape(lambda: gan.prior.draw(jax.random.key(0), 1))
    (b,) = jax.export.symbolic_shape("b")
    inputs = [jax.ShapeDtypeStruct((b, *z.shape[1:]), z.dtype)]
    if gan.num_classes:
        inputs.append(jax.ShapeDtypeStruct((b,), jnp.int32))
    exported = jax.export.export(jax.jit(generate), platforms=PLATFORMS)(weights, *inputs)
    return bytes(exported.serialize())


def _grid(gan: Gan, state: GanState, config: Config) -> np.ndarray:
    """A grid of samples ``[H, W, c]`` uint8 with the layout used in training."""
    index, labels = gan.modality.layout(gan.num_classes)
    z = gan.prior.draw(jax.random.key(config.seed), int(index.max()) + 1)
    examples, real = generated(gan, state, z[index], labels.astype(np.int32)), None
    if gan.modality.real_shown:
        real = load(config.dataset, config.split, config.size).examples
        real = some(real, gan.modality.real_shown)
    return gan.modality.picture(examples, real)
