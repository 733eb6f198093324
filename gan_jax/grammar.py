"""The values of a config: numbers that may change during training, and parts with options.

All are frozen, and each has a text form that reads back as an equal value: ``0.1``,
``cosine/START/END/STEPS``, ``feedback/METRIC/TARGET/RATE``; ``NAME[:NUMBER][:KEY=VALUE...]``.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, ClassVar, Self

from gan_jax.errors import ConfigError, at_least, one_of, within

SHAPES = ("linear", "cosine", "exponential")
FEEDBACKS = ("feedback", "proportional")


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number that changes: from ``start`` to ``end`` within ``steps`` updates of G, then
    constant.

    As text ``SHAPE/START/END/STEPS[/WARMUP[/BEGIN]]`` or ``warmup/VALUE/WARMUP``.
    """

    start: float
    end: float
    steps: int
    shape: str = "linear"
    """The course from start to end: linear, cosine (half a period), or exponential (both ends above
    0).
    """
    warmup: int = 0
    """Updates of G over which the number first rises from zero."""
    begin: int = 0
    """Updates of G before the change starts."""


@dataclasses.dataclass(frozen=True)
class Feedback:
    """A number controlled by a metric of the training step.

    After every ``every`` steps it moves by ``rate * sign(mean - target)``, or by ``rate * (mean -
    target)`` if ``proportional``, where ``mean`` is the mean of the metric over these steps; it
    stays within ``[low, high]``. As text ``feedback/METRIC/TARGET/RATE[/LOW/HIGH[/START[/EVERY]]]``
    or ``proportional/...``; METRIC may contain slashes.
    """

    metric: str
    target: float
    rate: float
    low: float = 0.0
    high: float = 1.0
    start: float = 0.0
    every: int = 1
    proportional: bool = False


Scalar = float | Schedule | Feedback
"""A number of the training step that may change over time. It is an input of the compiled program,
never a constant in it.
"""
Value = bool | int | str | Scalar
"""The type of an option of a `Part`."""


def scalar_from_text(text: str) -> Scalar:
    """Reads the text form of a number, a `Schedule` or a `Feedback`.

    Raises:
      ValueError: for anything else.
    """
    kind, *parts = text.split("/")
    if not parts:
        return float(kind)
    if kind == "warmup" and len(parts) == 2:
        return Schedule(float(parts[0]), float(parts[0]), 1, warmup=int(parts[1]))
    if kind in SHAPES and len(parts) in (3, 4, 5):
        return Schedule(float(parts[0]), float(parts[1]), int(parts[2]), kind, *map(int, parts[3:]))
    for count in (6, 5, 4, 2) if kind in FEEDBACKS else ():
        metric, numbers = parts[:-count], parts[-count:]
        if metric:
            with contextlib.suppress(ValueError):  # fewer numbers follow
                return Feedback(
                    "/".join(metric), *map(float, numbers[:5]), *map(int, numbers[5:]),
                    proportional=kind == "proportional",
                )  # fmt: skip
    raise ValueError(
        f"{text!r} is neither a number nor SHAPE/START/END/STEPS[/WARMUP[/BEGIN]] nor "
        "warmup/VALUE/WARMUP nor feedback/METRIC/TARGET/RATE[/LOW/HIGH[/START[/EVERY]]]"
    )


def scalar_to_text(value: Scalar) -> str:
    """The inverse of `scalar_from_text`."""
    if isinstance(value, Schedule):
        if value.warmup and value == Schedule(value.start, value.start, 1, warmup=value.warmup):
            return f"warmup/{scalar_to_text(value.start)}/{value.warmup}"
        numbers = [value.start, value.end, value.steps]
        late = [value.warmup, value.begin] if value.begin else [value.warmup] * bool(value.warmup)
        return "/".join([value.shape, *map(scalar_to_text, numbers + late)])
    if isinstance(value, Feedback):
        numbers = [value.target, value.rate, value.low, value.high, value.start, value.every]
        short = dataclasses.replace(value, low=0.0, high=1.0, start=0.0, every=1)
        numbers = numbers[:2] if value == short else numbers
        kind = FEEDBACKS[value.proportional]
        return "/".join([kind, value.metric, *map(scalar_to_text, numbers)])
    short = f"{value:g}"
    return short if isinstance(value, float) and float(short) == value else str(value)


def check_scalar(field: str, value: Scalar, interval: str) -> None:
    """Refuses what is not a `Scalar`, and a scalar that can leave an interval.

    Args:
      field: the path of the scalar in the config.
      value: the scalar; if it changes over time, both of its ends must lie in the interval.
      interval: as `gan_jax.errors.within` takes it.

    Raises:
      ConfigError: naming the field, the value and the interval.
    """
    if isinstance(value, Schedule):
        one_of(f"{field}.shape", value.shape, SHAPES)
        for name, least in (("steps", 1), ("warmup", 0), ("begin", 0)):
            within(f"{field}.{name}", getattr(value, name), "(-inf, inf)")
            at_least(f"{field}.{name}", getattr(value, name), least)
        numbers = (value.start, value.end)
        if value.shape == "exponential":
            within(f"{field}.start", value.start, "(0, inf)")
            within(f"{field}.end", value.end, "(0, inf)")
    elif isinstance(value, Feedback):
        within(f"{field}.every", value.every, "(-inf, inf)")
        at_least(f"{field}.every", value.every, 1)
        for name in ("target", "rate"):
            within(f"{field}.{name}", getattr(value, name), "(-inf, inf)")
        numbers = (value.low, value.high)
        within(f"{field}.start", value.start, f"[{value.low}, {value.high}]")
    else:
        numbers = (value,)
    for number in numbers:
        within(field, number, interval)


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Part:
    """A named part, such as a network or an optimizer, with its options; hashable.

    As text ``NAME[:NUMBER][:KEY=VALUE...]``; numbers without a key are the options that
    `POSITIONAL` names, in that order. Options are attributes, and are changed by
    `dataclasses.replace`; None unsets an option, so that its default applies.

    >>> Penalty("gp", 10.0, target=0.0) == Penalty.from_text("gp:10:target=0")
    True

    Raises:
      ConfigError: for a missing name or number, and a value that no option can have.
    """

    name: str
    options: tuple[tuple[str, Value], ...]
    """Pairs of key and value, sorted by key."""

    NAME: ClassVar[str | None] = None
    """The default name."""
    POSITIONAL: ClassVar[tuple[str, ...]] = ()
    REQUIRED: ClassVar[tuple[str, ...]] = ()
    DEFAULTS: ClassVar[dict[str, Value]] = {}
    """Options that are always set."""
    SCALARS: ClassVar[tuple[str, ...]] = ()
    """Options that are a `Scalar` of the training step."""

    def __init__(self, name: str | None = None, *numbers: Any, options: Any = (), **changes: Any):
        name = name or self.NAME
        if numbers and isinstance(numbers[-1], tuple):
            *numbers, options = numbers
        if not isinstance(name, str):
            raise ConfigError(f"the name must be a string, not {name!r}.")
        if len(numbers) > len(self.POSITIONAL):
            keys = ", ".join(self.POSITIONAL)
            raise ConfigError(
                f"{name} has {len(numbers)} numbers without a key; the only ones are {keys}."
            )
        given = dict(options) | dict(zip(self.POSITIONAL, numbers, strict=False)) | changes
        given = self.DEFAULTS | {key: value for key, value in given.items() if value is not None}
        for key in self.REQUIRED:
            if key not in given:
                raise ConfigError(f"{name} needs a {key}; write {name}:{key.upper()}.")
        for key, value in given.items():
            if not isinstance(value, Value):
                raise ConfigError(
                    f"{key} of {name} must be a number, a schedule, a feedback, a string, True, "
                    f"False or None, not {value!r}."
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", tuple(sorted(given.items())))

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(frozen=True, init=False, repr=False)(cls)  # frozen is not inherited

    def __getattr__(self, key: str) -> Any:
        options = dict(self.__dict__.get("options", ()))
        if key in options or key in self.POSITIONAL:
            return options.get(key)
        raise AttributeError(f"{type(self).__name__} has no value for option {key!r}")

    def __repr__(self) -> str:
        options = [f"{key}={value!r}" for key, value in self.options]
        return f"{type(self).__name__}({', '.join([repr(self.name), *options])})"

    def __str__(self) -> str:
        first, *_ = self.POSITIONAL
        given = {k: _to_text(v) for k, v in self.options if v != self.DEFAULTS.get(k)}
        number = [given.pop(first)] if first in given else []
        return ":".join([self.name, *number, *(f"{key}={text}" for key, text in given.items())])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `str`.

        Raises:
          ConfigError: for a text of any other form, or an option that is given twice.
        """
        name, *parts = text.split(":")
        options = [part.split("=", 1) for part in parts if "=" in part]
        numbers = [value_from_text(part) for part in parts if "=" not in part]
        keys = [key for key, _ in options] + list(cls.POSITIONAL[: len(numbers)])
        if len(set(keys)) < len(keys) or not all([name, *parts, *keys]):
            raise ConfigError(
                f"{text!r} does not have the form NAME[:NUMBER][:KEY=VALUE...] with unique keys."
            )
        return cls(name, *numbers, options=[(key, value_from_text(v)) for key, v in options])

    def scalars(self) -> tuple[str, ...]:
        """The options that are a `Scalar` of the training step, set or not."""
        return self.SCALARS


class Network(Part):
    """An architecture; its options are listed in its file in `gan_jax.models`."""

    NAME, POSITIONAL, SCALARS = "dcgan", ("width",), ("temperature", "softness")


class Optimizer(Part):
    """An optax optimizer by its optax name; ``lr`` is the learning rate, other options have their
    optax names.
    """

    NAME, POSITIONAL, DEFAULTS = "adam", ("lr",), {"lr": 2e-4}
    SCALARS = ("lr", "b1", "b2", "eps", "momentum", "decay", "weight_decay")

    def scalars(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.SCALARS, *dict(self.options)]))


class Dynamics(Part):
    """The update rule of the players."""

    NAME, POSITIONAL, SCALARS = "alternating", ("weight",), ("weight",)


class Penalty(Part):
    """A regularizer with its weight, applied at every ``every``-th update; ``r1:1:4`` means
    ``r1:1:every=4``.
    """

    POSITIONAL, REQUIRED, SCALARS = ("weight", "every"), ("weight",), ("weight",)
    DEFAULTS: ClassVar[dict[str, Value]] = {"every": 1}


class Augmentation(Part):
    """An augmentation of all examples that D sees, with its strength, unless it has a default."""

    POSITIONAL, SCALARS = ("strength",), ("strength",)


class Mixing(Part):
    """Fakes among the examples that D sees as real, with their share, unless it has a default."""

    NAME, POSITIONAL, SCALARS = "none", ("strength",), ("strength",)


class Pairs(Part):
    """What examples are paired with, with the amount by which a rule changes them."""

    NAME, POSITIONAL = "labels", ("amount",)


class Prior(Part):
    """The distribution of the latents, with the numbers of its codes if it has some."""

    NAME, POSITIONAL = "normal", ("categories",)
    SCALARS = ("weight", "continuous_weight")


def value_from_text(text: str) -> Value | None:
    """Reads the text form of an option's value: a number, a schedule, a feedback, True, False or
    None; anything else is a string.
    """
    words = {"None": None, "True": True, "False": False, "true": True, "false": False}
    if text in words:
        return words[text]
    for read in (int, scalar_from_text):
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def _to_text(value: Value) -> str:
    return str(value) if isinstance(value, (bool, str)) else scalar_to_text(value)
