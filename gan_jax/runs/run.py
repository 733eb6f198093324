"""A run: a config, and the GANs that are trained in parallel."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

import jax

from gan_jax import config as configs
from gan_jax import sweeps
from gan_jax.build import abstract_batch, assemble, build_members
from gan_jax.build.trained import pinned
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
"""Fields of a config that concern the data and the run, not the GAN."""


@dataclasses.dataclass(frozen=True)
class OwnGan:
    """A GAN made of objects, which no config describes.

    ``description``: its parts as text, by field. A run folder holds only this; a program that makes
    the same GAN again can resume and restore the run. ``gan``: None if only the description is
    known.
    """

    description: tuple[tuple[str, str], ...]
    gan: Gan | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def of(cls, gan: Gan) -> OwnGan:
        # Functions are identified by their names; their addresses differ between processes.
        text = lambda value: re.sub(r" at 0x[0-9a-f]+", "", repr(value))
        fields = ((f.name, getattr(gan, f.name)) for f in dataclasses.fields(gan))
        return cls(tuple((name, text(value)) for name, value in fields), gan)

    def differences(self, other: OwnGan) -> list[str]:
        """The fields in which two descriptions differ."""
        ours, theirs = dict(self.description), dict(other.description)
        return sorted(f"gan.{n}" for n in ours | theirs if ours.get(n) != theirs.get(n))


@dataclasses.dataclass(frozen=True)
class Run:
    """A config, with the digests of the runs that its networks name, and its population.
    `Population()` stands for a single GAN, whose state has no
    member axis and whose JSON has no population.

    With ``own``, only the `SETTINGS` of the config are used, and the run has a single GAN.

    GANs are assembled once, on first use, which raises `ConfigError` as `assemble` and
    `Population.members`.
    """

    config: Config
    population: Population = Population()
    own: OwnGan | None = None

    def __post_init__(self):
        if self.own is None:
            object.__setattr__(self, "config", pinned(self.config))

    @property
    def single(self) -> bool:
        """Whether this is a run of a single GAN, whose state has no member axis."""
        return self.population == Population()

    @functools.cached_property
    def configs(self) -> tuple[Config, ...]:
        """The members' configs."""
        return (self.config,) if self.single else self.population.members(self.config)

    @functools.cached_property
    def gans(self) -> tuple[Gan, ...]:
        """The members' GANs, which differ only in scalars."""
        if self.own is None:
            return build_members(self.configs, assemble)
        if self.own.gan is None:
            raise ConfigError(
                "config: this run trained a Gan made of objects, which no file can describe; make "
                "the same Gan in a program and use gan_jax.load(workdir, gan=gan) and "
                "gan_jax.evaluate."
            )
        return (self.own.gan,)

    @property
    def gan(self) -> Gan:
        """The first member's GAN; networks, shapes and labels are the same for all members."""
        return self.gans[0]

    @property
    def pictures(self) -> tuple[str, ...]:
        """Names of the sample pictures of a step; the only picture has an empty name. A population
        shows the best, the median and the worst member by a cheap measure.
        """
        return ("",) if self.single else ("best", "median", "worst")

    def abstract_state(self) -> GanState:
        """Shapes and dtypes of the run's state, without computing it."""
        batch = abstract_batch(self.config, self.gan.source)
        if self.single:
            init = functools.partial(init_state, self.gan)
            return jax.eval_shape(init, jax.random.key(0), batch)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), len(self.gans)))
        init = functools.partial(init_population, self.gans, batch=batch)
        return jax.eval_shape(init, keys)

    def member(self, state: GanState, number: int) -> GanState:
        """The state of a member by its number, starting at 0."""
        return state if self.single else member(state, number)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: the config, with a key ``population`` unless it is a single GAN; for a GAN
        made of objects the `SETTINGS` and its description, ``own_gan``.
        """
        values = configs.to_dict(self.config)
        if self.own is not None:
            kept = {name: values[name] for name in ("version", *SETTINGS)}
            return kept | {"own_gan": dict(self.own.description)}
        population = {} if self.single else {"population": sweeps.to_dict(self.population)}
        return values | population

    def differences(self, other: Run) -> list[str]:
        """Paths of the differences between two runs."""
        found = configs.differences(self.config, other.config)
        found += ["seeds or sweep"] if self.population != other.population else []
        nothing = OwnGan(())
        return found + (self.own or nothing).differences(other.own or nothing)


def from_dict(values: Any) -> Run:
    """The inverse of `Run.to_dict`.

    Raises:
      ConfigError: if this version cannot read it.
    """
    if isinstance(values, dict) and isinstance(values.get("own_gan"), Mapping):
        config = {name: value for name, value in values.items() if name != "own_gan"}
        description = tuple((str(n), str(v)) for n, v in values["own_gan"].items())
        return Run(configs.from_dict(config), own=OwnGan(description))
    if not isinstance(values, dict) or "population" not in values:
        return Run(configs.from_dict(values))
    config = {name: value for name, value in values.items() if name != "population"}
    return Run(configs.from_dict(config), sweeps.from_dict(values["population"]))
