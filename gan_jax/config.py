"""One experiment as a frozen value of plain numbers and names, with a strict JSON round trip.

Names are turned into objects by `gan_jax.build` alone; this module imports neither jax nor the rest of the package.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any

import tyro


class ConfigError(ValueError):
    """A wrong input, said in one sentence: the field, the value, and what would be accepted."""


def one_of(field: str, value: str, accepted: Iterable[str]) -> str:
    """Returns ``value`` if it is accepted.

    Raises:
      ConfigError: with the nearest accepted name.
    """
    accepted = list(accepted)
    if value in accepted:
        return value
    near = difflib.get_close_matches(value, accepted, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"{field}: unknown {value!r}; {hint}accepted: {', '.join(sorted(accepted))}.")


@dataclasses.dataclass(frozen=True)
class Network:
    """An architecture by name; a field left at None takes the architecture's own default."""

    name: str = "dcgan"
    """Architecture: mlp, dcgan or sngan."""
    width: int | None = None
    """Channels of the layer next to the image (dcgan; doubled at every halving of the side), of all (sngan), or units a layer (mlp)."""
    depth: int | None = None
    """Hidden layers (mlp)."""
    norm: str | None = None
    """Normalization of the hidden layers (dcgan; sngan's G): batch or none."""
    base: int | None = None
    """Smallest side of the feature maps (dcgan, sngan)."""
    spectral: bool | None = None
    """Spectral normalization of all weights (D; by default of sngan alone; Miyato et al. 2018)."""


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """Adam's numbers (Kingma & Ba 2015)."""

    lr: float = 2e-4
    """Learning rate."""
    b1: float = 0.5
    """Decay of the first moment (momentum)."""
    b2: float = 0.999
    """Decay of the second moment."""
    eps: float = 1e-8
    """Added to the root of the second moment."""


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A regularizer of the discriminator by name; on the command line ``NAME:WEIGHT[:EVERY]``."""

    name: str
    weight: float
    every: int = 1


def _penalty_from_text(texts: list[str]) -> Penalty:
    name, weight, *every = texts[0].split(":")
    if len(every) > 1:
        raise ValueError("more than three parts")
    return Penalty(name, float(weight), *(int(e) for e in every))


_PENALTY_TEXT = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="NAME:WEIGHT[:EVERY]",
    instance_from_str=_penalty_from_text,
    is_instance=lambda value: isinstance(value, Penalty),
    str_from_instance=lambda p: [f"{p.name}:{p.weight:g}" + (f":{p.every}" if p.every != 1 else "")],
)


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment: what is learned, by which networks, with which objective, for how long."""

    dataset: str = "digits"
    """Data set by its TFDS name (mnist, fashion_mnist, cifar10, svhn_cropped, emnist/letters, ...), or the embedded digits."""
    split: str = "train"
    """Split to train on, in TFDS's slicing language, for instance train[:90%]."""
    size: int | None = None
    """Side that smaller images are padded to with black (28 -> 32); None leaves them as they are."""
    flip: bool = False
    """Show each image mirrored in half of the epochs."""
    conditioning: str = "none"
    """How labels enter: none, concat (Mirza & Osindero 2014), projection (Miyato & Koyama 2018), acgan (Odena et al. 2017)."""
    latents: int = 100
    """Length of the latent vector, drawn from N(0, 1)."""
    generator: Network = Network()
    """The generator G."""
    discriminator: Network = Network()
    """The discriminator D."""
    loss: str = "nonsaturating"
    """Objective: minimax, nonsaturating (Goodfellow et al. 2014) or hinge (Lim & Ye 2017)."""
    penalties: tuple[Annotated[Penalty, _PENALTY_TEXT], ...] = ()
    """Regularizers of D, each NAME:WEIGHT[:EVERY], for instance r1:1:4 (R1 of Mescheder et al. 2018 at every fourth step)."""
    joint: bool = False
    """Real and fake images go through D as one batch, so that batch normalization sees both; otherwise apart."""
    d_steps: int = 1
    """Updates of D for one of G."""
    batch_size: int = 64
    """Real images an update, over all devices together."""
    micro_batches: int = 1
    """Parts of a batch that gradients are taken of in turn, to save memory; batch norm then normalizes over a part."""
    precision: str = "fp32"
    """Arithmetic of convolutions and products: fp32 or bf16. Weights, statistics, losses and penalties stay in fp32."""
    g_optimizer: Optimizer = Optimizer()
    """Optimizer of G."""
    d_optimizer: Optimizer = Optimizer()
    """Optimizer of D."""
    ema: float = 10_000.0
    """Half-life of G's moving average, in real images seen; 0 keeps none."""
    steps: int = 5_000
    """Updates of G."""
    seed: int = 0
    """Determines initial weights, order of the data, latents: everything random."""
    log_every: int = 100
    """Steps between two lines of metrics."""
    sample_every: int = 1_000
    """Steps between two pictures of samples."""
    checkpoint_every: int = 1_000
    """Steps between two checkpoints."""
    keep: int = 3
    """Newest checkpoints kept."""


def to_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts and lists that JSON can hold."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> Config:
    """The inverse of `to_dict`; absent fields take their defaults.

    Raises:
      ConfigError: for an unknown field or a value of the wrong type, naming its path.
    """
    return _parse(Config, values, "config")


def differences(a: Config, b: Config) -> list[str]:
    """Paths of the fields in which two configs differ, such as ``generator.width``."""

    def walk(x, y, path):
        if dataclasses.is_dataclass(x) and type(x) is type(y):
            for f in dataclasses.fields(x):
                yield from walk(getattr(x, f.name), getattr(y, f.name), [*path, f.name])
        elif x != y:
            yield ".".join(path)

    return list(walk(a, b, []))


def _parse(kind: Any, value: Any, path: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _parse(args[0], value, path)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return _parse(next(a for a in args if a is not type(None)), value, path)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{path}: {value!r} is not a list.")
        return tuple(_parse(args[0], v, f"{path}.{i}") for i, v in enumerate(value))
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: {value!r} is not an object with fields.")
        hints = typing.get_type_hints(kind, include_extras=True)
        for name in value:
            one_of(f"{path}.{name}", name, hints)
        missing = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING and f.name not in value]
        if missing:
            raise ConfigError(f"{path}: the field {missing[0]!r} is missing.")
        return kind(**{name: _parse(hints[name], v, f"{path}.{name}") for name, v in value.items()})
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{path}: {value!r} is not of type {kind.__name__}.")
    return value
