"""Published methods of training GANs, as changes of a config, for the convergence study."""

from __future__ import annotations

import dataclasses
from typing import Any

from gan_jax.config import Augmentation, Config, Dynamics, Penalty, Schedule

STEPS = 3_000
"""G steps on the mixtures, which is also the length of schedules."""


@dataclasses.dataclass(frozen=True)
class Method:
    """A method: its publication, its theory on the Dirac-GAN, and its changes of a config.

    ``converges``: whether the Dirac-GAN converges, with constant learning rates and finite
    ``d_steps``; None if we know no theorem. ``changes``: of the config, for all problems;
    ``dirac``, ``mixtures``: additional changes for one kind of problem; None: not tried there.
    Names that begin with ``optimizer.`` are fields of both optimizers.
    """

    title: str
    source: str
    converges: bool | None
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    dirac: dict[str, Any] | None = dataclasses.field(default_factory=dict)
    mixtures: dict[str, Any] | None = dataclasses.field(default_factory=dict)

    def config(self, base: Config, own: dict[str, Any]) -> Config:
        """The base config with the changes of the method."""
        changes = self.changes | own
        fields = {name.partition(".")[2]: value for name, value in changes.items() if "." in name}
        changed = dataclasses.replace(
            base, **{name: value for name, value in changes.items() if "." not in name}
        )
        return dataclasses.replace(
            changed,
            g_optimizer=dataclasses.replace(changed.g_optimizer, **fields),
            d_optimizer=dataclasses.replace(changed.d_optimizer, **fields),
        )


def _penalties(*names: str, weight: float) -> dict[str, Any]:
    return {"penalties": tuple(Penalty(name, weight) for name in names)}


def _at(name: str, dirac: float, mixtures: float, *more: str) -> dict[str, Any]:
    """One or more regularizers, with one weight per kind of problem."""
    return {
        "dirac": _penalties(name, *more, weight=dirac),
        "mixtures": _penalties(name, *more, weight=mixtures),
    }


_SIMULTANEOUS = {"dynamics": Dynamics("simultaneous")}

METHODS = {
    "minimax": Method("minimax", "Goodfellow et al. 2014", False, {"loss": "minimax"}),
    "minimax_simultaneous": Method(
        "minimax, simultaneous", "Goodfellow et al. 2014", False,
        {"loss": "minimax"} | _SIMULTANEOUS,
    ),
    "nonsaturating": Method("nonsaturating", "Goodfellow et al. 2014", False),
    "nonsaturating_simultaneous": Method(
        "nonsaturating, simultaneous", "Goodfellow et al. 2014", False, _SIMULTANEOUS
    ),
    "wgan_clip": Method(
        "WGAN, clipping", "Arjovsky et al. 2017", False,
        {"loss": "wasserstein", "d_steps": 5}, {"clip": 1.0}, {"clip": 0.1},
    ),
    "wgan_gp": Method(
        "WGAN-GP", "Gulrajani et al. 2017", False,
        {"loss": "wasserstein", "d_steps": 5}, **_at("gp", 1.0, 1.0),
    ),
    "r1": Method("R1", "Mescheder et al. 2018", True, **_at("r1", 0.3, 0.02)),
    "r2": Method("R2", "Mescheder et al. 2018", True, **_at("r2", 0.3, 0.02)),
    "r1_r2": Method("R1 + R2", "Mescheder et al. 2018", True, **_at("r1", 0.3, 0.02, "r2")),
    "relativistic": Method(
        "paired relativistic", "Jolicoeur-Martineau 2018", False, {"loss": "relativistic"}
    ),
    "relativistic_r1_r2": Method(
        "paired relativistic, R1 + R2", "Huang et al. 2024 (R3GAN)", True, {"loss": "relativistic"},
        **_at("r1", 0.3, 0.02, "r2"),
    ),
    "zero_centred": Method(
        "zero-centred interpolation", "Thanh-Tung et al. 2019", True,
        **_at("zero_centred", 0.3, 0.02),
    ),
    "dragan": Method(
        "DRAGAN", "Kodali et al. 2017", None,
        dirac=None, mixtures=_penalties("dragan", weight=1.0),
    ),
    "hinge_spectral": Method(
        "hinge, spectral normalization", "Miyato et al. 2018", None,
        {"loss": "hinge"}, None, {"spectral": True},
    ),
    "minibatch_std": Method(
        "minibatch standard deviation", "Karras et al. 2018", None, {}, None, {"minibatch_std": 16}
    ),
    "instance_noise": Method(
        "instance noise", "Sonderby et al. 2017", True, {},
        {"augmentations": (Augmentation("instance_noise", 1.0),)},
        {"augmentations": (Augmentation("instance_noise", Schedule(0.2, 0.0, STEPS)),)},
    ),
    "consensus": Method(
        "consensus optimization", "Mescheder et al. 2017", True, {},
        {"dynamics": Dynamics("consensus", 1.0)}, {"dynamics": Dynamics("consensus", 0.1)},
    ),
    "extragradient": Method(
        "extragradient (ExtraAdam)", "Gidel et al. 2019", True,
        {"dynamics": Dynamics("extragradient")},
    ),
    "optimistic": Method(
        "optimistic gradient (Adam)", "Daskalakis et al. 2018", True, _SIMULTANEOUS,
        {"optimizer.name": "optimistic_gradient_descent"},
        {"optimizer.name": "optimistic_adam_v2"},
    ),
    "negative_momentum": Method(
        "negative momentum", "Gidel et al. 2019b", True, {}, {"optimizer.momentum": -0.5}, None
    ),
    "lookahead": Method(
        "lookahead-minimax", "Chavdarova et al. 2021", True, {"lookahead": 20} | _SIMULTANEOUS,
        {}, {"lookahead": 5},
    ),
}  # fmt: skip
