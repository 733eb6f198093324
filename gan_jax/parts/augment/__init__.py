"""Random changes of what D sees by name: pure functions ``(key, x [b, ...], strength ()) -> x``,
differentiable by ``x``, that change each example by a draw of its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gan_jax.errors import ConfigError, either, has_option, one_of, true_or_false, within
from gan_jax.grammar import check_scalar
from gan_jax.modality import Images, Modality
from gan_jax.parts.augment import ada as adaptive
from gan_jax.parts.augment.ada import ada
from gan_jax.parts.augment.diffaugment import diffaugment, random_cutout
from gan_jax.parts.augment.plain import (
    instance_noise,
    random_flip,
    random_shift,
    rotation,
    translation,
)
from gan_jax.types import Augment, Scalar

__all__ = [
    "AUGMENTS",
    "Change",
    "ada",
    "augment",
    "diffaugment",
    "instance_noise",
    "random_cutout",
    "random_flip",
    "random_shift",
    "rotation",
    "translation",
]


class Change(NamedTuple):
    """An augmentation by name.

    Attributes:
      apply: ``(key, x, strength, **options) -> x``; its keyword-only arguments are the options.
      strengths: the interval of its strength.
      modalities: what it changes.
      strength: where a config gives none, the strength of a GAN whose D sees so many real examples
        in a step; None where a config must give one.
    """

    apply: Callable[..., Any]
    strengths: str = "[0, inf)"
    modalities: tuple[type[Modality], ...] = (Modality,)
    strength: Callable[[int], Scalar] | None = None

    @property
    def options(self) -> dict[str, bool | float]:
        """The options with their defaults."""
        parameters = inspect.signature(self.apply).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def with_options(self, **options: bool | float) -> Callable[..., Any]:
        """``(key, x, strength) -> x``; equal options give the same object, so that equal GANs share
        their compilations.
        """
        changed = {name: v for name, v in options.items() if v != self.options[name]}
        return _fixed(self.apply, tuple(sorted(changed.items()))) if changed else self.apply


@functools.cache
def _fixed(apply: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    return functools.partial(apply, **dict(options))


AUGMENTS = {
    "instance_noise": Change(instance_noise),
    "translation": Change(translation, "[0, 1]", (Images,)),
    "rotation": Change(rotation, "[0, 90]", (Images,)),
    "diffaugment": Change(diffaugment, "[0, 1]", (Images,), lambda images: 1.0),
    "ada": Change(ada, "[0, inf)", (Images,), adaptive.feedback),
}


def augment(
    field: str, name: str, modality: Modality, images: int, options: Mapping[str, Any]
) -> Augment:
    """An augmentation by its name.

    Args:
      field: its path in the config, for errors.
      name: an entry of `AUGMENTS`.
      modality: of the examples.
      images: real examples that D sees in a step.
      options: ``strength`` and options of the entry.

    Raises:
      ConfigError: for an unknown name or option, a modality that it cannot change, or an option
        that is not accepted.
    """
    change, options = AUGMENTS[one_of(field, name, AUGMENTS)], dict(options)
    if not isinstance(modality, change.modalities):
        raise ConfigError(
            f"{field}: {name} is for {either(kind.name for kind in change.modalities)} and "
            f"cannot be applied to {modality.name}."
        )
    strength = options.pop("strength", change.strength and change.strength(images))
    if strength is None:
        raise ConfigError(f"{field}: {name} needs a strength; write {name}:STRENGTH.")
    check_scalar(f"{field}.strength", strength, change.strengths)
    for key, value in options.items():
        has_option(field, name, key, ["strength", *change.options])
        if isinstance(change.options[key], bool):
            true_or_false(f"{field}.{key}", value)
        else:
            within(f"{field}.{key}", value, "[0, inf)")
    return Augment(name, change.with_options(**options), strength)
