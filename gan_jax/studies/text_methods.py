"""The methods that the study of texts compares, as configs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from gan_jax.config import Config, Network, Optimizer, Penalty
from gan_jax.grammar import Schedule

_LSTM = "scratchgan"
_SLOW, _FAST = (Optimizer(lr=lr, b1=0.0, b2=0.99) for lr in (5e-4, 1e-3))
_REGULARIZED = (Penalty("r1", 0.1), Penalty("r2", 0.1))


class Method(NamedTuple):
    """A method of training a generator.

    ``title``: for the table, with its source. ``changes(steps)``: the fields of the config that
    differ from a game of an LSTM and the convolutional D of Gulrajani et al. 2017. ``likelihood``:
    the weights of maximum likelihood at the beginning, and after a third of the training; None:
    without.
    """

    title: str
    changes: Callable[[int], dict[str, Any]] = lambda steps: {}
    likelihood: tuple[float, float] | None = (1.0, 0.0)

    def config(self, dataset: dict[str, Any], steps: int) -> Config:
        """The method for ``steps`` steps; ``dataset``: the fields of the data."""
        base = Config(
            latents=64,
            generator=Network(_LSTM, estimator="straight_through"),
            discriminator=Network("iwgan", width=64, blocks=3),
            loss="relativistic",
            penalties=_REGULARIZED,
            batch_size=64,
            g_optimizer=_FAST,
            d_optimizer=_SLOW,
            steps=steps,
        )
        config = dataclasses.replace(base, **dataset, **self.changes(steps))
        if self.likelihood is None:
            return config
        weight = Schedule(*self.likelihood, max(1, steps // 3), "cosine")
        terms = (Penalty("likelihood", weight), *config.g_penalties)
        return dataclasses.replace(config, g_penalties=terms)


def _likelihood(steps: int) -> dict[str, Any]:
    still = Network("mlp", width=1, depth=1)
    return {"generator": Network(_LSTM), "discriminator": still, "loss": "none", "penalties": ()}


def _relaxed(steps: int) -> dict[str, Any]:
    softness = Schedule(1.0, 0.1, steps, "exponential")
    return {"generator": Network(_LSTM, estimator="relaxed", softness=softness)}


def _reinforce(steps: int) -> dict[str, Any]:
    return {
        "generator": Network(_LSTM),
        "discriminator": Network(_LSTM, dropout=0.1),
        "loss": "nonsaturating",
        "penalties": (),
        "g_penalties": (Penalty("reinforce", 1.0, discount=0.23, decay=0.08),),
        "g_optimizer": _SLOW,
        "d_optimizer": _FAST,
    }


def _probabilities(steps: int) -> dict[str, Any]:
    g = Network("iwgan", width=64, blocks=3)
    return {"generator": g, "g_optimizer": _SLOW}


METHODS = {
    "mle": Method("maximum likelihood alone, LSTM", _likelihood, (1.0, 1.0)),
    "both": Method("as straight_through, and maximum likelihood to the end", likelihood=(1.0, 0.2)),
    "straight_through": Method("straight-through Gumbel-softmax, LSTM and convolutional D"),
    "relaxed": Method("Gumbel-softmax, softness 1 to 0.1, LSTM and convolutional D", _relaxed),
    "reinforce": Method("ScratchGAN's networks and rewards, after likelihood", _reinforce),
    "scratchgan": Method("ScratchGAN (de Masson d'Autume et al. 2019)", _reinforce, None),
    "iwgan": Method(
        "convolutions, D sees probabilities (Gulrajani et al. 2017)", _probabilities, None
    ),
}
"""By name."""
