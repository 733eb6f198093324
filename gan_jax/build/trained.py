"""What networks take from earlier trainings: classifiers, and the generators of run folders."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from gan_jax import checkpoint
from gan_jax.build.networks import chosen
from gan_jax.config import FILE, Config, from_dict, with_value
from gan_jax.engine.gan import Gan, init_state
from gan_jax.errors import ConfigError
from gan_jax.models.options import options_of
from gan_jax.recognizers.networks import Recognizer
from gan_jax.recognizers.pretrained import pretrained
from gan_jax.types import Array, Batch, Fake, Prior, PyTree

PLAYERS = ("generator", "discriminator")
ABOVE = "above"
"""The option of pairs that names a run folder."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedGenerator:
    """The generator of a run folder, with its EMA weights; ``key`` changes with them. ``frozen``:
    the variables by name of the networks that its run did not train.
    """

    network: nn.Module
    variables: PyTree
    key: str
    prior: Prior
    frozen: dict[str, PyTree]

    def sample(self, labels: Array, key: Array) -> PyTree:
        """Examples ``[n, ...]`` of conditions ``[n, ...]``, as networks return them."""
        z = self.prior.draw(key, len(jax.tree.leaves(labels)[0]))
        made = self.network.apply(self.variables, z, labels, train=False)
        return made.x if isinstance(made, Fake) else made


class Trained(NamedTuple):
    """What the networks of a config may take. ``build``: `gan_jax.build.build`; ``batch``: the
    shapes of a training batch of a config.
    """

    config: Config
    build: Callable[[Config], Gan]
    batch: Callable[[Config], Batch]

    def classifier(self, dataset: str, network: str, task: str) -> Recognizer:
        """See `gan_jax.recognizers.pretrained.pretrained`."""
        return pretrained(self.config.dataset, self.config.framing, dataset, network, task)

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
        gan, batch = self.build(config), self.batch(config)
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
        variables = state.generator.variables(averaged=True)
        return TrainedGenerator(gan.generator.network, variables, digest, gan.prior, state.frozen)


_FOUND: dict[str, TrainedGenerator] = {}


def digest_of(option: str, folder: str) -> str:
    """The digest of the newest checkpoint of a run folder.

    Raises:
      ConfigError: if there is none, naming the option.
    """
    checkpoints = pathlib.Path(folder) / checkpoint.FOLDER
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
    """The config with the digests of the run folders that its networks name, so that another run in
    such a folder is noticed.

    Raises:
      ConfigError: for a run folder without a checkpoint.
    """
    for field, option in _runs(config):
        own: dict[str, Any] = dict(getattr(config, field).options)
        path = f"{field}.{option}"
        if not own.get(f"{option}_digest"):
            config = with_value(config, f"{path}_digest", digest_of(path, own.get(option, "")))
    return config


def _runs(config: Config) -> Iterator[tuple[str, str]]:
    """The fields and options of a config that name run folders."""
    for player in PLAYERS:
        architecture = chosen(player, config)
        known = options_of(getattr(architecture, player))
        yield from ((player, option) for option in architecture.runs if option in known)
    if dict(config.pairs.options).get(ABOVE):
        yield "pairs", ABOVE


def _config(option: str, folder: pathlib.Path) -> Config:
    try:
        return from_dict(json.loads((folder / FILE).read_text()))
    except (OSError, ValueError, ConfigError) as error:
        raise ConfigError(
            f"{option}: {folder / FILE} is not the config of a single GAN ({error})."
        ) from error
