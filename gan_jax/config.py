"""One experiment as a frozen value of plain numbers and names, with a strict JSON round trip.

Names are turned into objects by `gan_jax.build` alone; this module imports neither jax nor the rest
of the package.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Annotated, Any

import tyro

from gan_jax.errors import ConfigError, one_of


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number that changes: from ``start`` to ``end`` within ``steps`` updates of G, then
    constant.

    On the command line ``linear/START/END/STEPS``, ``cosine/START/END/STEPS``, either with
    ``/WARMUP`` behind, or ``warmup/VALUE/WARMUP``.
    """

    start: float
    end: float
    steps: int
    shape: str = "linear"
    """The way from start to end: linear, or cosine (half a period)."""
    warmup: int = 0
    """Updates of G over which the number first rises from zero."""


SHAPES = ("linear", "cosine")


def scalar_from_text(text: str) -> float | Schedule:
    """A number, or a `Schedule` as the command line writes it.

    Raises:
      ValueError: for anything else.
    """
    shape, *parts = text.split("/")
    if not parts:
        return float(shape)
    if shape == "warmup" and len(parts) == 2:
        return Schedule(float(parts[0]), float(parts[0]), 1, warmup=int(parts[1]))
    if shape in SHAPES and len(parts) in (3, 4):
        return Schedule(
            float(parts[0]), float(parts[1]), int(parts[2]), shape, *(int(p) for p in parts[3:])
        )
    raise ValueError(
        f"{text!r} is neither a number nor SHAPE/START/END/STEPS[/WARMUP] nor warmup/VALUE/WARMUP"
    )


def scalar_to_text(value: float | Schedule) -> str:
    """The inverse of `scalar_from_text`."""
    if not isinstance(value, Schedule):
        return f"{value:g}"
    warmup = f"/{value.warmup}" if value.warmup else ""
    if value.start == value.end and warmup:
        return f"warmup/{value.start:g}{warmup}"
    return f"{value.shape}/{value.start:g}/{value.end:g}/{value.steps}{warmup}"


_SCALAR_TEXT = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="NUMBER|SCHEDULE",
    instance_from_str=lambda texts: None if texts[0] == "None" else scalar_from_text(texts[0]),
    is_instance=lambda value: value is None or isinstance(value, (float, int, Schedule)),
    str_from_instance=lambda value: ["None" if value is None else scalar_to_text(value)],
)
Scalar = Annotated[float | Schedule, _SCALAR_TEXT]
"""A number of the training step that may change over time: data of the compiled program, never a
constant in it.
"""
OptionalScalar = Annotated[float | Schedule | None, _SCALAR_TEXT]


@dataclasses.dataclass(frozen=True)
class Network:
    """An architecture by name; a field left at None takes the architecture's own default."""

    name: str = "dcgan"
    """Architecture: mlp, dcgan or sngan."""
    width: int | None = None
    """Channels of the layer next to the image (dcgan; doubled at every halving of the side), of all
    (sngan), or units a layer (mlp).
    """
    depth: int | None = None
    """Hidden layers (mlp)."""
    norm: str | None = None
    """Normalization of the hidden layers (dcgan; sngan's G): batch or none."""
    base: int | None = None
    """Smallest side of the feature maps (dcgan, sngan)."""
    spectral: bool | None = None
    """Spectral normalization of all weights (D; by default of sngan alone; Miyato et al. 2018)."""
    minibatch_std: int | None = None
    """Examples in a group of minibatch standard deviation (D; without by default; Karras et al.
    2018, section 3, whose code has 4).
    """
    dropout: float | None = None
    """Share of the units of each hidden layer that is dropped in training (D of dcgan and mlp;
    Srivastava et al. 2014).
    """
    noise: float | None = None
    """Standard deviation of Gaussian noise that is added to them (D of dcgan and mlp; Salimans et
    al. 2016 have 0.5).
    """


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimizer by name with its numbers; one left at None takes the optimizer's own default."""

    name: str = "adam"
    """adam (with b1 0.5, as DCGAN), or any optimizer of optax by its name there: sgd, rmsprop,
    adamw, optimistic_adam_v2, lion, ...
    """
    lr: Scalar = 2e-4
    """Learning rate."""
    b1: OptionalScalar = None
    """Decay of the first moment (momentum), of optimizers such as Adam (Kingma & Ba 2015)."""
    b2: OptionalScalar = None
    """Decay of the second moment."""
    eps: OptionalScalar = None
    """Added to the root of the second moment."""
    momentum: OptionalScalar = None
    """Momentum of sgd and rmsprop; sgd's may be negative (Gidel et al. 2019, "Negative momentum for
    improved game dynamics").
    """
    decay: OptionalScalar = None
    """Decay of rmsprop's second moment."""
    weight_decay: OptionalScalar = None
    """Weight decay, of optimizers such as adamw."""


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """How the players move in a step."""

    name: str = "alternating"
    """alternating, simultaneous, extragradient (with adam: ExtraAdam, Gidel et al. 2019), consensus
    (Mescheder et al. 2017).
    """
    weight: OptionalScalar = None
    """Of consensus: the weight of the squared norm of both gradients."""


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A regularizer by name; on the command line ``NAME:WEIGHT[:EVERY][:NUMBER=VALUE]``, for
    instance ``gp:10:target=0``.
    """

    name: str
    weight: float | Schedule
    every: int = 1
    numbers: tuple[tuple[str, float], ...] = ()
    """The penalty's own numbers, where they are not the default."""


def _penalty_from_text(texts: list[str]) -> Penalty:
    name, weight, *rest = texts[0].split(":")
    every = [int(part) for part in rest if "=" not in part]
    numbers = [part.split("=") for part in rest if "=" in part]
    if len(every) > 1:
        raise ValueError("more than one number of steps")
    return Penalty(
        name,
        scalar_from_text(weight),
        *(every or [1]),
        tuple((key, float(value)) for key, value in numbers),
    )


def _penalty_to_text(penalty: Penalty) -> list[str]:
    every = [str(penalty.every)] if penalty.every != 1 else []
    numbers = [f"{key}={value:g}" for key, value in penalty.numbers]
    return [":".join([penalty.name, scalar_to_text(penalty.weight), *every, *numbers])]


_PENALTY_TEXT = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="NAME:WEIGHT[:EVERY][:NUMBER=VALUE]",
    instance_from_str=_penalty_from_text,
    is_instance=lambda value: isinstance(value, Penalty),
    str_from_instance=_penalty_to_text,
)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A random change of all that D sees, by name; on the command line ``NAME:STRENGTH``."""

    name: str
    strength: float | Schedule


def _augmentation_from_text(texts: list[str]) -> Augmentation:
    name, strength = texts[0].split(":")
    return Augmentation(name, scalar_from_text(strength))


_AUGMENTATION_TEXT = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="NAME:STRENGTH",
    instance_from_str=_augmentation_from_text,
    is_instance=lambda value: isinstance(value, Augmentation),
    str_from_instance=lambda a: [f"{a.name}:{scalar_to_text(a.strength)}"],
)


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment: what is learned, by which networks, with which objective, for how long."""

    dataset: str = "digits"
    """Data set by its TFDS name (mnist, fashion_mnist, cifar10, svhn_cropped, emnist/letters, ...),
    or an embedded one: digits; dirac, ring8, grid25, swiss_roll, checkerboard (points);
    stacked_mnist (made from MNIST); or the path of a folder that TFDS or eval.py --export wrote.
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
    """How labels enter: none, concat (Mirza & Osindero 2014), projection (Miyato & Koyama 2018),
    acgan (Odena et al. 2017), or through a D that learns to classify from few of them,
    semi_supervised (Salimans et al. 2016, section 5).
    """
    latents: int = 100
    """Length of the latent vector, drawn from N(0, 1)."""
    generator: Network = Network()
    """The generator G."""
    discriminator: Network = Network()
    """The discriminator D."""
    loss: str = "nonsaturating"
    """Objective: minimax, nonsaturating (Goodfellow et al. 2014), hinge (Lim & Ye 2017),
    least_squares (Mao et al. 2017), wasserstein (Arjovsky et al. 2017), relativistic,
    relativistic_average (Jolicoeur-Martineau 2018) or dual_contrastive (Yu et al. 2021).
    """
    penalties: tuple[Annotated[Penalty, _PENALTY_TEXT], ...] = ()
    """Regularizers of D, for instance r1:1:4 (R1 at every fourth update) or gp:10:target=0: r1, r2
    (Mescheder et al. 2018), gp, gp_one_sided (Gulrajani et al. 2017), zero_centred (Thanh-Tung et
    al. 2019), max_gp (Zhou et al. 2019), dragan (Kodali et al. 2017), lecam (Tseng et al. 2021), cr
    (Zhang et al. 2020), bcr, zcr (Zhao et al. 2021), orthogonal (Brock et al. 2017), drift (Karras
    et al. 2018), entropy (of the classes that D sees; Dai et al. 2017), class_consistency (Laine &
    Aila 2017).
    """
    g_penalties: tuple[Annotated[Penalty, _PENALTY_TEXT], ...] = ()
    """Regularizers of G: feature_matching (Salimans et al. 2016), pull_away (Zhao et al. 2017), zcr
    (Zhao et al. 2021), orthogonal.
    """
    g_loss_weight: OptionalScalar = None
    """Weight of the loss in G's objective, beside its regularizers: 0 leaves these alone; None is
    1.
    """
    augmentations: tuple[Annotated[Augmentation, _AUGMENTATION_TEXT], ...] = ()
    """Random changes of all that D sees: instance_noise (Sonderby et al. 2017), translation:0.125
    (a share of the sides; Zhao et al. 2020), rotation:15 (degrees); for instance
    instance_noise:linear/0.1/0/10000.
    """
    clip: OptionalScalar = None
    """Bound on every weight of D after each of its updates (Arjovsky et al. 2017, algorithm 1);
    None sets none.
    """
    top_k: OptionalScalar = None
    """Share of its samples, those that D takes most for real, from which G learns (Sinha et al.
    2020); None is all.
    """
    joint: bool = False
    """Real and fake images go through D as one batch, so that batch normalization sees both;
    otherwise apart.
    """
    d_steps: int = 1
    """Updates of D for one of G."""
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
    """Optimizer of G."""
    d_optimizer: Optimizer = Optimizer()
    """Optimizer of D."""
    dynamics: Dynamics = Dynamics()
    """In which order and by which gradients the players move."""
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
        alternatives = [a for a in args if a is not type(None)]
        objects = [a for a in alternatives if dataclasses.is_dataclass(a)]
        return _parse(
            objects[0] if objects and isinstance(value, dict) else alternatives[0], value, path
        )
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{path}: {value!r} is not a list.")
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) != len(value):
            raise ConfigError(f"{path}: {value!r} is not a list of {len(kinds)}.")
        return tuple(
            _parse(kind, v, f"{path}.{i}")
            for i, (kind, v) in enumerate(zip(kinds, value, strict=True))
        )
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: {value!r} is not an object with fields.")
        hints = typing.get_type_hints(kind, include_extras=True)
        for name in value:
            one_of(f"{path}.{name}", name, hints)
        missing = [
            f.name
            for f in dataclasses.fields(kind)
            if f.default is dataclasses.MISSING and f.name not in value
        ]
        if missing:
            raise ConfigError(f"{path}: the field {missing[0]!r} is missing.")
        return kind(**{name: _parse(hints[name], v, f"{path}.{name}") for name, v in value.items()})
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{path}: {value!r} is not of type {kind.__name__}.")
    return value
