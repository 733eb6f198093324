"""Samples of several runs side by side, from equal latents."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from gan_jax import checkpoint
from gan_jax.engine.gan import Gan
from gan_jax.modality import Modality
from gan_jax.pictures import png
from gan_jax.runs import folder as run_folder
from gan_jax.runs import restore
from gan_jax.runs.run import Run
from gan_jax.sampling.draw import generated
from gan_jax.sampling.samples import fixed_inputs, painter
from gan_jax.types import Prior


class Grid(NamedTuple):
    """A PNG file of samples, and a caption."""

    picture: bytes
    caption: str


class Kind(NamedTuple):
    """GANs of the same kind draw the same latents and labels from a seed."""

    prior: Prior
    num_classes: int
    modality: type[Modality]


def kind(gan: Gan) -> Kind:
    return Kind(gan.prior, gan.num_classes, type(gan.modality))


def at_equal_latents(members: Sequence[tuple[Path, Run, int]], seed: int = 0) -> list[Grid | None]:
    """Samples of the newest checkpoints, from the same latents and labels.

    Args:
      members: GANs, each given by its run folder, its run and its number in the run.
      seed: determines the latents.

    Returns:
      A grid for each member; None if no other member draws the same latents, if nothing was saved
      yet, and for a GAN made of objects, which cannot be restored from a run folder.

    Raises:
      ConfigError: if no checkpoint of a run can be restored.
    """
    kinds = [
        kind(run.gans[number]) if _restorable(folder, run) else None
        for folder, run, number in members
    ]
    return [
        _drawn(*member, seed) if own is not None and kinds.count(own) > 1 else None
        for own, member in zip(kinds, members, strict=True)
    ]


def _restorable(folder: Path, run: Run) -> bool:
    return run.own is None and bool(checkpoint.steps(folder / run_folder.CHECKPOINTS))


def _drawn(folder: Path, run: Run, number: int, seed: int) -> Grid:
    gan, state = run.gans[number], restore.states(folder, run)(number)
    config = dataclasses.replace(run.configs[number], seed=seed)
    samples = generated(gan, state, *jax.device_get(fixed_inputs(gan, config)))
    pixels = painter(config, gan)(samples)
    return Grid(png(pixels), f"Step {int(state.step):,}, equal latents.")
