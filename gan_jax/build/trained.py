"""What networks take from earlier trainings: classifiers, and the generators of run folders."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from gan_jax import checkpoint
from gan_jax.build.networks import chosen
from gan_jax.config import FILE, Config, from_dict, with_value
from gan_jax.data import load, some
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.trained import sample
from gan_jax.errors import ConfigError, one_of
from gan_jax.models.options import options_of
from gan_jax.parts import pairs
from gan_jax.recognizers.networks import Recognizer
from gan_jax.recognizers.pretrained import pretrained
from gan_jax.types import Array, GanState, PyTree


class TrainedGenerator:
    """The generator of a run folder, with its EMA weights; ``key`` changes with them.

    It is no dataclass, as the scalars of its GAN are not those of the GAN that it is a part of
    (`gan_jax.engine.scalars` collects those of dataclasses).
    """

    def __init__(self, gan: Gan, state: GanState, key: str):
        self.gan, self.state, self.key = gan, state, key

    @property
    def network(self) -> nn.Module:
        return self.gan.generator.network

    @property
    def variables(self) -> PyTree:
        return self.state.generator.variables(averaged=True)

    def sample(self, conditions: PyTree, key: Array) -> PyTree:
        """Examples ``[n, ...]`` of conditions ``[n, ...]``, as networks return them."""
        return sample(self.gan, self.state, key, conditions)


class Trained(NamedTuple):
    """What the networks of a config may take. ``build``: `gan_jax.build.build`."""

    config: Config
    build: Callable[[Config], Gan]

    def classifier(self, dataset: str, network: str, task: str) -> Recognizer:
        """See `gan_jax.recognizers.pretrained.pretrained`."""
        return pretrained(self.config.dataset, self.config.framing, dataset, network, task)

    def examples(self, most: int) -> np.ndarray:
        """At most so many stored examples of the training split, a fixed selection."""
        config = self.config
        return some(load(config.dataset, config.split, config.framing).examples, most)

    def generator(self, option: str, folder: str, digest: str) -> TrainedGenerator:
        """The generator of the newest checkpoint of a run folder.

        Args:
          option: the option that names the folder, for errors.
          folder: a run folder of a single GAN.
          digest: that of the checkpoint, as `pinned` writes it; empty: any.

        Raises:
          ConfigError: for a folder without such a run or checkpoint, a damaged checkpoint, or
            another digest.
        """
        found = digest_of(option, folder)
        if digest not in ("", found):
            raise ConfigError(
                f"{option} {folder!r} has been trained further or anew since this run was made "
                "from it; train this run anew, too."
            )
        if found not in _FOUND:
            _FOUND[found] = self._restored(option, pathlib.Path(folder), found)
        return _FOUND[found]

    def _restored(self, option: str, folder: pathlib.Path, digest: str) -> TrainedGenerator:
        config = _config(option, folder)
        gan = self.build(config)
        batch = gan.source.abstract_batch((config.minibatches, config.batch_size))
        here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        like = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=here),
            jax.eval_shape(lambda key: init_state(gan, key, batch), jax.random.key(0)),
        )
        checkpoints = folder / checkpoint.FOLDER
        try:
            state = checkpoint.restore(checkpoints, checkpoint.steps(checkpoints)[-1], like)
        except checkpoint.Damaged as error:
            raise ConfigError(
                f"{option}: the newest checkpoint of {folder} cannot be restored ({error})."
            ) from error
        return TrainedGenerator(gan, state, digest)


_FOUND: dict[str, TrainedGenerator] = {}


def digest_of(option: str, folder: str) -> str:
    """The digest of the newest checkpoint of a run folder.

    Raises:
      ConfigError: if there is none, naming the option.
    """
    checkpoints = pathlib.Path(str(folder)) / checkpoint.FOLDER
    steps = checkpoint.steps(checkpoints) if folder else []
    if not steps:
        raise ConfigError(
            f"{option} must be the run folder of a trained generator, but {folder!r} has no "
            "checkpoint; train it first."
        )
    try:
        return checkpoint.digest(checkpoints, steps[-1])
    except checkpoint.Damaged as error:
        raise ConfigError(
            f"{option}: the newest checkpoint of {folder} is damaged ({error})."
        ) from error


def pinned(config: Config) -> Config:
    """The config with the digests of the run folders that its options name, so that another run in
    such a folder is noticed. An option ``NAME`` names one if there is an option ``NAME_digest``.

    Raises:
      ConfigError: for a run folder without a checkpoint.
    """
    options = {
        player: options_of(getattr(chosen(player, config), player))
        for player in ("generator", "discriminator")
    } | {"pairs": pairs.options_of(one_of("pairs", config.pairs.name, pairs.PAIRS))}
    for field, known in options.items():
        own = dict(getattr(config, field).options)
        for name in own.keys() & known.keys():
            if f"{name}_digest" in known and own[name] and not own.get(f"{name}_digest"):
                path = f"{field}.{name}"
                config = with_value(config, f"{path}_digest", digest_of(path, own[name]))
    return config


def _config(option: str, folder: pathlib.Path) -> Config:
    try:
        return from_dict(json.loads((folder / FILE).read_text()))
    except (OSError, ValueError, ConfigError) as error:
        raise ConfigError(
            f"{option}: {folder / FILE} is not the config of a single GAN ({error})."
        ) from error
