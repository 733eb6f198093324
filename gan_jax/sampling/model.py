"""Exports a trained GAN as a model folder (`gan_jax.runs.model`), usable without this library."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp

from gan_jax import pictures
from gan_jax.config import Config, to_dict
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, frozen_variables, prepared
from gan_jax.errors import ConfigError
from gan_jax.files import replacing
from gan_jax.runs import model
from gan_jax.runs.provenance import provenance
from gan_jax.sampling.draw import generated
from gan_jax.sampling.export import check
from gan_jax.sampling.samples import fixed_inputs, painter
from gan_jax.types import Fake, GanState, PyTree

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
      ConfigError: for a folder in use, or one that cannot be written.
    """
    check(folder, "export_model")
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
            samples = generated(gan, state, *fixed_inputs(gan, config))
            pictures.save(new / model.GRID, painter(config, gan)(samples))
    except OSError as error:
        raise ConfigError(
            f"export_model: {folder} cannot be written ({error.strerror})."
        ) from error


def inputs(gan: Gan) -> list[PyTree]:
    """What an exported G takes, for one example: shapes and dtypes of the latents, if the prior has
    any, and of labels or another condition, if G is conditional; as networks see them.
    """
    z = jax.eval_shape(lambda: gan.prior.draw(jax.random.key(0), 1))
    given = [z] if jax.tree.leaves(z) else []
    if gan.condition is not None:
        seen = functools.partial(prepared, gan, frozen_variables(gan))
        return [*given, jax.eval_shape(seen, gan.source.abstract_batch((1,)), jax.random.key(0)).y]
    labels = [jax.ShapeDtypeStruct((1,), jnp.int32)] if gan.num_classes else []
    return given + labels


def program(gan: Gan, state: GanState) -> bytes:
    """G as a serialized `jax.export.Exported`: ``(weights by name, *inputs) -> examples`` for any
    batch size, on all of `PLATFORMS`; for the inputs see `inputs`.

    The weights are those written by `gan_jax.runs.model.write_weights`; scalars of the network,
    such as a temperature, have their values at the state's step.
    """
    now = scalars.bind(gan, state.scalars, state.step).generator
    numbers, like = jax.device_get(now.numbers or {}), inputs(gan)
    conditional = gan.condition is not None or gan.num_classes > 0

    def generate(weights: dict[str, Any], *given: PyTree) -> jax.Array:
        (*latents, y) = given if conditional else (*given, None)
        z = latents[0] if latents else ()
        if not conditional:
            y = jnp.zeros(jax.tree.leaves(z)[0].shape[:1], jnp.int32)
        made = now.network.apply(model.nested(weights), z, y, train=False, **numbers)
        return gan.modality.restored(made.x if isinstance(made, Fake) else made)

    weights = jax.eval_shape(lambda: model.flat(state.generator.variables(averaged=True)))
    (b,) = jax.export.symbolic_shape("b")
    any_number = lambda a: jax.ShapeDtypeStruct((b, *a.shape[1:]), a.dtype)
    exported = jax.export.export(jax.jit(generate), platforms=PLATFORMS)(
        weights, *jax.tree.map(any_number, like)
    )
    return bytes(exported.serialize())
