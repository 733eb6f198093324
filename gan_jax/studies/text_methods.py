"""The methods that the study of texts compares, as configs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from gan_jax.config import Config, Network, Optimizer, Penalty
from gan_jax.grammar import Schedule
from gan_jax.recipes import recipe


class Method(NamedTuple):
    """A method of training a generator.

    ``title``: for the table, with its source. ``changes(steps)``: the fields of the config that
    differ from those of the recipe ``names_gan``. ``taught``: whether G begins with maximum
    likelihood.
    """

    title: str
    changes: Callable[[int], dict[str, Any]]
    taught: bool = True

    def config(self, base: Config, steps: int) -> Config:
        """The method on the dataset of ``base``, for ``steps`` steps."""
        config = dataclasses.replace(base, steps=steps, **self.changes(steps))
        if not self.taught:
            return config
        fading = Penalty("likelihood", Schedule(1.0, 0.0, max(1, steps // 3), "cosine"))
        return dataclasses.replace(config, g_penalties=(fading, *config.g_penalties))


def base_of(dataset: str, tokens: str | None, field: str | None, labelled: bool) -> Config:
    """The recipe ``names_gan`` on another dataset, conditional if it has labels."""
    return dataclasses.replace(
        recipe("names_gan"),
        dataset=dataset,
        tokens=tokens,
        field=field,
        conditioning="projection" if labelled else "none",
    )


_LSTM = "scratchgan"
_FAST = Optimizer(lr=1e-3, b1=0.0, b2=0.99)


def _likelihood(steps: int) -> dict[str, Any]:
    return {
        "generator": Network(_LSTM),
        "discriminator": Network("mlp", width=1, depth=1),
        "loss": "none",
        "penalties": (),
        "g_penalties": (Penalty("likelihood", 1.0),),
        "g_optimizer": _FAST,
    }


def _straight_through(steps: int) -> dict[str, Any]:
    return {"generator": Network(_LSTM, estimator="straight_through"), "g_optimizer": _FAST}


def _relaxed(steps: int) -> dict[str, Any]:
    softness = Schedule(1.0, 0.1, steps)
    g = Network(_LSTM, estimator="relaxed", softness=softness)
    return {"generator": g, "g_optimizer": _FAST}


def _reinforce(steps: int) -> dict[str, Any]:
    return {
        "generator": Network(_LSTM),
        "discriminator": Network(_LSTM, dropout=0.1),
        "loss": "nonsaturating",
        "penalties": (),
        "g_penalties": (Penalty("reinforce", 1.0, discount=0.23, decay=0.08),),
        "d_optimizer": _FAST,
    }


METHODS = {
    "mle": Method("maximum likelihood, LSTM", _likelihood, taught=False),
    "straight_through": Method(
        "straight-through Gumbel-softmax, LSTM and convolutional D", _straight_through
    ),
    "relaxed": Method("Gumbel-softmax, softness 1 to 0.1, LSTM and convolutional D", _relaxed),
    "reinforce": Method("ScratchGAN's networks and rewards, after likelihood", _reinforce),
    "scratchgan": Method("ScratchGAN (de Masson d'Autume et al. 2019)", _reinforce, taught=False),
    "iwgan": Method(
        "convolutions, D sees probabilities (Gulrajani et al. 2017)", lambda steps: {}, taught=False
    ),
}
"""By name."""
