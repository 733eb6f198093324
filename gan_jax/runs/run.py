"""What a run is a run of: a config, and the GANs that it trains at once."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax

from gan_jax import config as configs
from gan_jax import sweeps
from gan_jax.build import abstract_batch, build_members
from gan_jax.config import Config
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.population import init_population, member
from gan_jax.sweeps import Population
from gan_jax.types import GanState


@dataclasses.dataclass(frozen=True)
class Run:
    """A config and a population of it. `Population()` stands for a single GAN, whose state has no
    axis of members and whose JSON does not mention a population.

    What is built is built on first use, once; it raises `ConfigError` as `build` and
    `Population.members`.
    """

    config: Config
    population: Population = Population()

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
        return build_members(self.configs)

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
        """As JSON holds it: the config, with a key ``population`` unless it is a single GAN."""
        population = {} if self.single else {"population": sweeps.to_dict(self.population)}
        return configs.to_dict(self.config) | population


def from_dict(values: Any) -> Run:
    """The inverse of `Run.to_dict`.

    Raises:
      ConfigError: for what this version does not understand.
    """
    if not isinstance(values, dict) or "population" not in values:
        return Run(configs.from_dict(values))
    config = {name: value for name, value in values.items() if name != "population"}
    return Run(configs.from_dict(config), sweeps.from_dict(values["population"]))
