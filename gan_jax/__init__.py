"""Generative adversarial networks in JAX: build one, train it step by step, sample from it.

>>> config = gan_jax.recipe("digits_dcgan")
>>> gan = gan_jax.build(config)
>>> data = gan_jax.batches(config)
>>> state = gan_jax.init_state(gan, jax.random.key(0), next(data))
>>> state, metrics = gan_jax.train_step(gan, state, next(data))
>>> images = gan_jax.sample(gan, state, jax.random.key(1), n=100)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_jax import latents
    from gan_jax.build import build, build_members
    from gan_jax.command_line import fast_cpu
    from gan_jax.config import Augmentation, Config, Feedback, Network, Optimizer, Penalty, Schedule
    from gan_jax.data import batches, describe, resident
    from gan_jax.data.arrays import dataset
    from gan_jax.engine.gan import Gan, Player, Turns, init_state
    from gan_jax.engine.population import init_population, member, train_population, with_seeds
    from gan_jax.engine.train_step import train_step, train_steps
    from gan_jax.engine.trained import discriminate, generate, sample
    from gan_jax.enlarging.enlarge import Enlarged, enlarge
    from gan_jax.errors import ConfigError
    from gan_jax.evaluation.evaluator import evaluate
    from gan_jax.evaluation.result import Evaluation
    from gan_jax.modality import Images, Modality, Sounds, Vectors
    from gan_jax.recipes import recipe
    from gan_jax.runs.restore import load
    from gan_jax.runs.saved import save
    from gan_jax.sweeps import Population
    from gan_jax.training.library import Trained, train
    from gan_jax.types import (
        Augment,
        Batch,
        Context,
        Critique,
        DContext,
        Fake,
        Frozen,
        GanState,
        GContext,
        Loss,
        Memory,
        Mixing,
        PlayerState,
        Regularizer,
        Term,
        Tunable,
    )

__version__ = "0.1.0"

__all__ = [
    "Augment", "Augmentation", "Batch", "Config", "ConfigError", "Context", "Critique", "DContext",
    "Enlarged", "Evaluation", "Fake", "Feedback", "Frozen", "GContext", "Gan", "GanState", "Images",
    "Loss", "Memory", "Mixing", "Modality", "Network", "Optimizer", "Penalty", "Player",
    "PlayerState", "Population", "Regularizer", "Schedule", "Sounds", "Term", "Trained", "Tunable",
    "Turns", "Vectors", "batches", "build", "build_members", "dataset", "describe", "discriminate",
    "enlarge", "evaluate", "fast_cpu", "generate", "init_population", "init_state", "latents",
    "load", "member", "recipe", "resident", "sample", "save", "train", "train_population",
    "train_step", "train_steps", "with_seeds",
]  # fmt: skip

_MODULES = {
    "build": "build build_members",
    "command_line": "fast_cpu",
    "config": "Augmentation Config Feedback Network Optimizer Penalty Schedule",
    "data": "batches describe resident",
    "data.arrays": "dataset",
    "engine.gan": "Gan Player Turns init_state",
    "engine.population": "init_population member train_population with_seeds",
    "engine.train_step": "train_step train_steps",
    "engine.trained": "discriminate generate sample",
    "enlarging.enlarge": "Enlarged enlarge",
    "errors": "ConfigError",
    "evaluation.evaluator": "evaluate",
    "evaluation.result": "Evaluation",
    "modality": "Images Modality Sounds Vectors",
    "recipes": "recipe",
    "runs.restore": "load",
    "runs.saved": "save",
    "sweeps": "Population",
    "training.library": "Trained train",
    "types": (
        "Augment Batch Context Critique DContext Fake Frozen GContext GanState Loss Memory Mixing "
        "PlayerState Regularizer Term Tunable"
    ),
}
"""The public names, by the module that defines them: it is loaded when a name is first used."""
_CHAPTERS = ("latents",)
"""Public chapters, whose names are not repeated here."""
_PLACES = {name: module for module, names in _MODULES.items() for name in names.split()}


class _Package(ModuleType):
    """This package, which loads its names on first use (PEP 562). A module that has the name of a
    function, as `gan_jax.build`, does not take its place.
    """

    def __getattr__(self, name: str) -> Any:
        if name in _CHAPTERS:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PLACES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
