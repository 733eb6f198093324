"""`gan_jax.train`: the training loop for programs and notebooks."""

from __future__ import annotations

import dataclasses
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax.build import assemble
from gan_jax.config import Config
from gan_jax.data import describe, frame_of
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, has_option
from gan_jax.recipes import recipe
from gan_jax.runs.run import SETTINGS
from gan_jax.training import loop
from gan_jax.training.loop import Callback
from gan_jax.types import GanState


class Trained(NamedTuple):
    """The result of `train`.

    ``state``: the state after ``step`` steps, fewer than ``config.steps`` if training was stopped.
    ``config``: the config to pass to `gan_jax.evaluate`. ``seconds``: wall time of all starts.
    """

    gan: Gan
    state: GanState
    config: Config
    workdir: Path
    step: int
    seconds: float


def train(
    gan: Gan | Config | str,
    dataset: str | os.PathLike | None = None,
    *,
    workdir: str | os.PathLike | None = None,
    callbacks: Sequence[Callback] = (),
    overwrite: bool = False,
    on_divergence: str = "stop",
    **settings: Any,
) -> Trained:
    """Trains a GAN, or resumes its training, like ``train.py``: same loop, files and progress bar.

    A run folder with the same run is resumed bit-exactly. Interrupting the notebook's kernel saves
    and returns. The folder of a `Gan` made of objects holds a description instead of a config: to
    resume it, or to load it with ``gan_jax.load(workdir, gan=gan)``, pass the same `Gan` again.
    ``eval.py`` cannot evaluate it, but `gan_jax.evaluate` and ``eval_every`` can.

    >>> trained = gan_jax.train("digits_dcgan", steps=1_000, workdir="runs/mine")
    >>> images = gan_jax.sample(trained.gan, trained.state, jax.random.key(1), n=100)

    Args:
      gan: a config, the name of a recipe, or a `Gan` made of objects.
      dataset: a name or a path, as `Config.dataset`; by default the config's.
      workdir: the run folder; by default a new temporary folder.
      callbacks: functions ``(step, state, metrics)``, called after each line of metrics. The next
        step reuses the memory of ``state``.
      overwrite: delete another run in the folder.
      on_divergence: ``stop`` or ``rollback``, as in ``train.py``.
      settings: fields of `Config`, such as ``steps=1_000``; for a `Gan` made of objects only the
        fields of the data and the run (`gan_jax.runs.run.SETTINGS`).

    Raises:
      ConfigError: for invalid settings, GAN, folder or data; nothing was written then.
      gan_jax.training.divergence.Diverged: if training diverged.
      KeyboardInterrupt: if it was interrupted before the first step.
    """
    own = gan if isinstance(gan, Gan) else None
    changes = settings if dataset is None else settings | {"dataset": dataset}
    config = _config(gan, changes)
    if own is not None:
        _check(own, config)
    folder = _temporary() if workdir is None else Path(workdir)
    outcome = loop.train(
        config, folder, overwrite=overwrite, on_divergence=on_divergence, gan=own,
        callbacks=callbacks,
    )  # fmt: skip
    made = assemble(config) if own is None else own
    return Trained(made, outcome.state, config, folder, outcome.step, outcome.seconds)


def _temporary() -> Path:
    """The path of a new temporary folder, which is created once nothing can be refused any more."""
    return Path(tempfile.gettempdir()) / f"gan_jax-{secrets.token_hex(8)}"


def _config(gan: Gan | Config | str, changes: dict[str, Any]) -> Config:
    known = [f.name for f in dataclasses.fields(Config)]
    if isinstance(gan, (Config, str)):
        config, owner = recipe(gan) if isinstance(gan, str) else gan, "Config"
    elif isinstance(gan, Gan):
        config = Config(fresh_batch=gan.turns.fresh, micro_batches=gan.micro_batches)
        known = [name for name in SETTINGS if name not in ("fresh_batch", "micro_batches")]
        owner = "the training of a Gan made of objects"
    else:
        raise ConfigError(
            "gan must be a gan_jax.Config, the name of a recipe or a gan_jax.Gan, not an object of "
            f"type {type(gan).__name__}."
        )
    for name in changes:
        has_option("train", owner, name, known)
    return dataclasses.replace(config, **changes)


def _check(gan: Gan, config: Config) -> None:
    """Refuses a GAN made of objects that does not match the dataset."""
    about = describe(config.dataset)
    shape = frame_of(about, config.framing).modality.shape
    if gan.frozen:
        raise ConfigError("frozen networks work with gan_jax.train_steps, not with gan_jax.train.")
    if gan.modality.represented.shape != shape:
        raise ConfigError(
            f"dataset {config.dataset!r} has examples of shape {list(shape)}, but the GAN makes "
            f"{gan.modality}."
        )
    if gan.num_classes and gan.num_classes != about.num_classes:
        raise ConfigError(
            f"dataset {config.dataset!r} has {about.num_classes} classes, but the GAN has "
            f"{gan.num_classes}."
        )
