"""What a run is a run of: a config, and the GANs that it trains at once."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

import jax

from gan_jax import config as configs
from gan_jax import sweeps
from gan_jax.build import abstract_batch, build_members
from gan_jax.config import Config
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.population import init_population, member
from gan_jax.errors import ConfigError
from gan_jax.sweeps import Population
from gan_jax.types import GanState

SETTINGS = (
    "dataset", "split", "size", "fit", "channels", "background", "strict", "flip", "labels",
    "label_seed", "labelled_batch", "d_steps", "fresh_batch", "batch_size", "micro_batches",
    "steps", "seed", "log_every", "diagnose_every", "diagnose_modes", "eval_every", "sample_every",
    "checkpoint_every", "keep",
)  # fmt: skip
"""Fields of a config that are about data and the run, not about the GAN."""


@dataclasses.dataclass(frozen=True)
class OwnGan:
    """A GAN made of objects, which no config describes.

    ``description``: its parts as text, by field; a run folder holds this alone, so that the run
    can be resumed and restored by a program that makes the same GAN again. ``gan``: None where
    only the description is known.
    """

    description: tuple[tuple[str, str], ...]
    gan: Gan | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def of(cls, gan: Gan) -> OwnGan:
        # Functions are known by their names; where they lie in memory differs between processes.
        text = lambda value: re.sub(r" at 0x[0-9a-f]+", "", repr(value))
        fields = ((f.name, getattr(gan, f.name)) for f in dataclasses.fields(gan))
        return cls(tuple((name, text(value)) for name, value in fields), gan)

    def differences(self, other: OwnGan) -> list[str]:
        """The fields in which two descriptions differ."""
        ours, theirs = dict(self.description), dict(other.description)
        return sorted(f"gan.{n}" for n in ours | theirs if ours.get(n) != theirs.get(n))


@dataclasses.dataclass(frozen=True)
class Run:
    """A config and a population of it. `Population()` stands for a single GAN, whose state has no
    axis of members and whose JSON does not mention a population.

    With ``own``, of a single GAN, the config's `SETTINGS` alone are looked at.

    What is built is built on first use, once; it raises `ConfigError` as `build` and
    `Population.members`.
    """

    config: Config
    population: Population = Population()
    own: OwnGan | None = None

    @property
    def single(self) -> bool:
        """Whether this is a run of one GAN, whose state has no axis of members."""
        return self.population == Population()

    @functools.cached_property
    def configs(self) -> tuple[Config, ...]:
        """The members' configs."""
        return (self.config,) if self.single else self.population.members(self.config)

    @functools.cached_property
    def gans(self) -> tuple[Gan, ...]:
        """The members' GANs, which differ in scalars alone."""
        if self.own is None:
            return build_members(self.configs)
        if self.own.gan is None:
            raise ConfigError(
                "config: this run trained a Gan made of objects, which a file cannot hold; in a "
                "program that makes the same Gan, gan_jax.load(workdir, gan=gan) restores it and "
                "gan_jax.evaluate evaluates it."
            )
        return (self.own.gan,)

    @property
    def gan(self) -> Gan:
        """The first member's GAN: networks, shapes and labels are those of all."""
        return self.gans[0]

    @property
    def pictures(self) -> tuple[str, ...]:
        """Names of the pictures of samples after a step; empty for the only one. A population shows
        the members that are the best, the median and the worst by a cheap measure.
        """
        return ("",) if self.single else ("best", "median", "worst")

    def abstract_state(self) -> GanState:
        """Shapes and dtypes of the run's state, without computing it."""
        if self.single:
            batch = abstract_batch(self.config, self.gan.modality.shape)
            init = functools.partial(init_state, self.gan)
            return jax.eval_shape(init, jax.random.key(0), batch)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), len(self.gans)))
        return jax.eval_shape(functools.partial(init_population, self.gans), keys)

    def member(self, state: GanState, number: int) -> GanState:
        """The state of a member, by its number from 0, out of the run's."""
        return state if self.single else member(state, number)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: the config, with a key ``population`` unless it is a single GAN; with
        a GAN made of objects the `SETTINGS` and its description, ``own_gan``.
        """
        values = configs.to_dict(self.config)
        if self.own is not None:
            kept = {name: values[name] for name in ("version", *SETTINGS)}
            return kept | {"own_gan": dict(self.own.description)}
        population = {} if self.single else {"population": sweeps.to_dict(self.population)}
        return values | population

    def differences(self, other: Run) -> list[str]:
        """Paths of what differs between two runs."""
        found = configs.differences(self.config, other.config)
        found += ["seeds or sweep"] if self.population != other.population else []
        nothing = OwnGan(())
        return found + (self.own or nothing).differences(other.own or nothing)


def from_dict(values: Any) -> Run:
    """The inverse of `Run.to_dict`.

    Raises:
      ConfigError: for what this version does not understand.
    """
    if isinstance(values, dict) and isinstance(values.get("own_gan"), Mapping):
        config = {name: value for name, value in values.items() if name != "own_gan"}
        description = tuple((str(n), str(v)) for n, v in values["own_gan"].items())
        return Run(configs.from_dict(config), own=OwnGan(description))
    if not isinstance(values, dict) or "population" not in values:
        return Run(configs.from_dict(values))
    config = {name: value for name, value in values.items() if name != "population"}
    return Run(configs.from_dict(config), sweeps.from_dict(values["population"]))
