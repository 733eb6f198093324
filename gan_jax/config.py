"""One experiment as a frozen value of plain numbers and names, with a strict JSON round trip.

Names are turned into objects by `gan_jax.build` alone, which also knows the options of the parts;
this module imports neither jax nor a command-line parser.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, ClassVar

from gan_jax.errors import ConfigError, one_of
from gan_jax.grammar import Feedback, Part, Scalar, Schedule, Value

VERSION = 2
"""Of the JSON form."""


class Network(Part):
    """An architecture; its options are listed in its file in `gan_jax.models`."""

    NAME, POSITIONAL = "dcgan", ("width",)


class Optimizer(Part):
    """An optimizer of optax by its name there; ``lr`` is its learning rate, other options have
    optax's names.
    """

    NAME, POSITIONAL, DEFAULTS = "adam", ("lr",), {"lr": 2e-4}
    SCALARS = ("lr", "b1", "b2", "eps", "momentum", "decay", "weight_decay")

    def scalars(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.SCALARS, *dict(self.options)]))


class Dynamics(Part):
    """How the players move in a step."""

    NAME, POSITIONAL, SCALARS = "alternating", ("weight",), ("weight",)


class Penalty(Part):
    """A regularizer with its weight, taken at each ``every``-th update; ``r1:1:4`` is
    ``r1:1:every=4``.
    """

    POSITIONAL, REQUIRED, SCALARS = ("weight", "every"), ("weight",), ("weight",)
    DEFAULTS: ClassVar[dict[str, Value]] = {"every": 1}


class Augmentation(Part):
    """A random change of all that D sees, with its strength."""

    POSITIONAL, REQUIRED, SCALARS = ("strength",), ("strength",), ("strength",)


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment: what is learned, by which networks, with which objective, for how long."""

    dataset: str = "digits"
    """Data set by its TFDS name (mnist, fashion_mnist, cifar10, svhn_cropped, emnist/letters, ...),
    an embedded one (digits; points; stacked_mnist, made from MNIST), or the path of a folder that
    TFDS or eval.py --export wrote.
    """
    split: str = "train"
    """Split to train on, in TFDS's slicing language, for instance train[:90%]."""
    size: int | None = None
    """Side that smaller images are padded to with black (28 -> 32); None leaves them as they are.
    """
    flip: bool = False
    """Show each image mirrored in half of the epochs."""
    labels: int = 0
    """Examples in all, as many of each class, whose labels are known (conditioning
    semi_supervised); 0: all are.
    """
    label_seed: int = 0
    """Determines which examples these are."""
    labelled_batch: int = 0
    """How many of the real examples of an update are from those; the others come from the whole
    set, without a label.
    """
    conditioning: str = "none"
    """How labels enter."""
    latents: int = 100
    """Length of the latent vector."""
    prior: str = "normal"
    """Distribution of the latents: N(0, 1), or uniform on [-1, 1]."""
    fake_labels: str = "batch"
    """Labels of the generated examples of an update: those of its real examples (batch), or drawn
    anew, as frequent as in the data set (dataset) or all equally likely (uniform).
    """
    generator: Network = Network()
    """The generator G, for instance dcgan:width=32:base=4."""
    discriminator: Network = Network()
    """The discriminator D."""
    loss: str = "nonsaturating"
    """Objective of both players."""
    penalties: tuple[Penalty, ...] = ()
    """Regularizers of D, for instance r1:1:4 (R1 at every fourth update) or gp:10:target=0."""
    g_penalties: tuple[Penalty, ...] = ()
    """Regularizers of G, likewise."""
    g_loss_weight: Scalar | None = None
    """Weight of the loss in G's objective, beside its regularizers: 0 leaves these alone; None is
    1.
    """
    augmentations: tuple[Augmentation, ...] = ()
    """Random changes of all that D sees, for instance translation:0.125 (a share of the sides),
    rotation:15 (degrees) or instance_noise:linear/0.1/0/10000.
    """
    clip: Scalar | None = None
    """Bound on every weight of D after each of its updates (Arjovsky et al. 2017, algorithm 1);
    None sets none.
    """
    top_k: Scalar | None = None
    """Share of its samples, those that D takes most for real, from which G learns (Sinha et al.
    2020); None is all.
    """
    joint: bool = False
    """Real and fake images go through D as one batch, so that batch normalization sees both;
    otherwise apart.
    """
    d_steps: int = 1
    """Updates of D in a step, each on real examples of its own."""
    g_steps: Scalar = 1.0
    """Updates of G in a step; a schedule or a feedback is rounded."""
    fresh_batch: bool = False
    """G's updates see real examples of their own, as in R3GAN (Huang et al. 2024); otherwise those
    that D saw last.
    """
    batch_size: int = 64
    """Real images an update, over all devices together."""
    micro_batches: int = 1
    """Parts of a batch that gradients are taken of in turn, to save memory; batch norm then
    normalizes over a part.
    """
    precision: str = "fp32"
    """Arithmetic of convolutions and products: fp32 or bf16. Weights, statistics, losses and
    penalties stay in fp32.
    """
    g_optimizer: Optimizer = Optimizer()
    """Optimizer of G, for instance adam:2e-4:b1=0.5."""
    d_optimizer: Optimizer = Optimizer()
    """Optimizer of D."""
    freeze_d: int = 0
    """Layers of D, from the example on, that are not trained (Mo et al. 2020, "Freeze the
    discriminator", with --init-from); 0: none.
    """
    dynamics: Dynamics = Dynamics()
    """In which order and by which gradients the players move, for instance consensus:0.1."""
    lookahead: int = 0
    """Steps after which both players return part of the way to where they were (Chavdarova et al.
    2021); 0: never.
    """
    lookahead_rate: Scalar = 0.5
    """Part of the way that is kept."""
    ema: Scalar = 10_000.0
    """Half-life of G's moving average, in real images seen; 0 keeps none."""
    d_ema: Scalar = 0.0
    """As ema, of D: the one that is judged as a classifier; 0 keeps none."""
    ema_warm_up: Scalar | None = 0.05
    """Largest half-life of both averages as a share of the images seen, so that early weights fade
    early (Karras et al. 2020, whose code has 0.05); None sets no bound.
    """
    steps: int = 5_000
    """Updates of G."""
    seed: int = 0
    """Determines initial weights, order of the data, latents: everything random."""
    log_every: int = 100
    """Steps between two lines of metrics."""
    diagnose_every: int = 200
    """Steps between two diagnoses (gradients, D's accuracies, diversity, ...): the first line after
    each has them. 0: never.
    """
    diagnose_modes: int = 0
    """Samples in which a recognizer then counts the classes. 0: none."""
    eval_every: int = 0
    """Steps between two evaluations, as eval.py does them by default; the last step has one too. 0:
    never.
    """
    sample_every: int = 1_000
    """Steps between two pictures of samples."""
    checkpoint_every: int = 1_000
    """Steps between two checkpoints."""
    keep: int = 3
    """Newest checkpoints kept."""

    @property
    def minibatches(self) -> int:
        """Minibatches of real examples in a step."""
        return self.d_steps + self.fresh_batch


def to_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts and lists that JSON can hold, with the version of this form."""
    return {"version": VERSION} | {
        f.name: value_to_json(getattr(config, f.name)) for f in dataclasses.fields(config)
    }


def value_to_json(value: Any) -> Any:
    """A field of a config, or a scalar, as JSON holds it."""
    if isinstance(value, Part):
        return {"name": value.name} | {key: value_to_json(v) for key, v in value.options}
    if isinstance(value, tuple):
        return [value_to_json(v) for v in value]
    return dataclasses.asdict(value) if isinstance(value, (Schedule, Feedback)) else value


def from_dict(values: dict[str, Any]) -> Config:
    """The inverse of `to_dict`, also of its first version; absent fields take their defaults.

    Raises:
      ConfigError: for an unknown field or a value of the wrong type, naming its path.
    """
    return _object(Config, _of_this_version(values), "config")


def scalar_from_json(value: Any, path: str) -> Scalar:
    """A scalar as `value_to_json` writes it.

    Raises:
      ConfigError: for anything else, naming the path.
    """
    return _value(Scalar, value, path)


def leaves(config: Config) -> dict[str, Any]:
    """What the config holds, by path: ``g_optimizer`` is the name of a part, ``g_optimizer.lr`` its
    option, ``penalties.r1.weight`` that of one of several; what is not set is left out.
    """

    def walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, Part):
            yield path, value.name
            yield from ((f"{path}.{key}", own) for key, own in value.options)
        elif isinstance(value, tuple):
            for part in value:
                yield from walk(part, f"{path}.{part.name}")
        elif value is not None:
            yield path, value

    fields = dataclasses.fields(config)
    return dict(leaf for f in fields for leaf in walk(getattr(config, f.name), f.name))


def differences(a: Config, b: Config) -> list[str]:
    """Paths of the fields in which two configs differ, such as ``generator.width``."""

    def walk(x: Any, y: Any, path: str) -> Iterator[str]:
        if isinstance(x, Part) and isinstance(y, Part):
            x, y = ({"name": part.name} | dict(part.options) for part in (x, y))
            yield from (f"{path}.{key}" for key in x | y if x.get(key) != y.get(key))
        elif x != y:
            yield path

    names = [f.name for f in dataclasses.fields(a)]
    return [path for name in names for path in walk(getattr(a, name), getattr(b, name), name)]


def with_value(config: Any, path: str, value: Any) -> Any:
    """The config with another value of the field or option at a path, such as ``g_optimizer.lr`` or
    ``penalties.0.weight``.
    """
    first, _, rest = path.partition(".")
    if isinstance(config, Part) and first != "name":
        return dataclasses.replace(config, options=(*config.options, (path, value)))
    if isinstance(config, tuple):
        i = int(first)
        return (*config[:i], with_value(config[i], rest, value), *config[i + 1 :])
    changed = with_value(getattr(config, first), rest, value) if rest else value
    return dataclasses.replace(config, **{first: changed})


def _of_this_version(values: Any) -> Any:
    """The JSON form of version 1 had no version; parts had all options, null where they were not
    set, and a penalty had its own ones in a list ``numbers``.
    """
    if not isinstance(values, dict):
        return values
    values = dict(values)
    version = values.pop("version", 1)
    if version not in (1, VERSION):
        raise ConfigError(f"config.version: unknown {version!r}; accepted: 1, {VERSION}.")
    for field in ("penalties", "g_penalties") if version == 1 else ():
        penalties = values.get(field)
        if isinstance(penalties, list) and all(isinstance(p, dict) for p in penalties):
            values[field] = [
                {k: v for k, v in p.items() if k != "numbers"} | dict(p.get("numbers") or ())
                for p in penalties
            ]
    return values


def _value(kind: Any, value: Any, path: str) -> Any:
    args = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{path}: {value!r} is not a list.")
        return tuple(_value(args[0], v, f"{path}.{i}") for i, v in enumerate(value))
    if args:  # a union
        if value is None and types.NoneType in args:
            return None
        if isinstance(value, dict) and Schedule in args:
            return _object(Feedback if "metric" in value else Schedule, value, path)
        return _value(args[0], value, path)
    if issubclass(kind, Part):
        return _object(kind, value, path)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{path}: {value!r} is not of type {kind.__name__}.")
    return value


def _object(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {value!r} is not an object with fields.")
    if issubclass(kind, Part):
        read = lambda v, path: scalar_from_json(v, path) if isinstance(v, dict) else v
        options = {key: read(v, f"{path}.{key}") for key, v in value.items()}
        try:
            return kind(options.pop("name", None), options=options.items())
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
    hints = typing.get_type_hints(kind)
    for name in value:
        one_of(f"{path}.{name}", name, hints)
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in value:
            raise ConfigError(f"{path}: the field {field.name!r} is missing.")
    return kind(**{k: _value(hints[k], v, f"{path}.{k}") for k, v in value.items()})
