"""One experiment as a frozen value of plain numbers and names, with a strict JSON round trip.

Names are turned into objects by `gan_jax.build` alone, which also knows the options of the parts;
this module imports neither jax nor a command-line parser.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import os
import types
import typing
from collections.abc import Iterator
from typing import Any

from gan_jax.errors import ConfigError, one_of
from gan_jax.framing import Framing
from gan_jax.grammar import (
    Augmentation,
    Dynamics,
    Feedback,
    Mixing,
    Network,
    Optimizer,
    Pairs,
    Part,
    Penalty,
    Prior,
    Scalar,
    Schedule,
)

FILE = "config.json"
"""The name of its file in a run folder."""
VERSION = 2
"""Version of the JSON form."""


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment: the data, the networks, the objective and the length of the training."""

    dataset: str = "digits"
    """Dataset: a TFDS name (mnist, fashion_mnist, cifar10, emnist/letters, spoken_digit, ...), a
    built-in dataset (digits; names; points; stacked_mnist and coloured_mnist, made from MNIST), or
    the path of a folder or .zip of images or sounds, of a .txt file with one text a line, or of a
    set written by TFDS or eval.py --export.
    """
    unpaired: str | None = None
    """Second dataset, to translate between both domains (with pairs domains)."""
    paired: str | None = None
    """Second dataset, whose images are the conditions of those of the dataset (with pairs given),
    both in the order of their files."""
    split: str = "train"
    """Split to train on, in TFDS slicing syntax, such as train[:90%]; train[:90% stratified] takes
    a random 90% of each class.
    """
    size: int | None = None
    """Side length of the square images; None keeps the size of the dataset."""
    fit: str | None = None
    """How to bring images to that size. crop: resize the central square; pad: shrink if too large,
    then centre in a border; stretch: resize, ignoring proportions. None: pad for arrays and TFDS
    datasets with one image size, crop for folders and images that vary in size.
    """
    channels: int | None = None
    """Image channels: 1 (grey), 3 (colour) or 4 (colour and alpha). None keeps the stored ones; a
    folder gets 1 if all its images are grey, else 3.
    """
    background: str | None = None
    """Colour behind transparent pixels and of borders, a name or #rrggbb; None: white behind
    transparent pixels, black borders.
    """
    length: int | None = None
    """Samples per sound; longer ones are cut, shorter ones end with silence. Tokens per text, at
    least those of the longest. None keeps all.
    """
    rate: int | None = None
    """Samples per second to which sounds are resampled; None keeps the dataset's rate."""
    normalize: bool = True
    """Subtract the mean of each sound and divide by its peak, so that all are equally loud."""
    tokens: str | None = None
    """What texts are made of: characters or words; words:1000 keeps the 1,000 commonest. None:
    words, or characters if no text has two words.
    """
    field: str | None = None
    """Text feature of a TFDS dataset that has several."""
    strict: bool = False
    """Refuse a folder that contains broken files, instead of skipping and reporting them."""
    flip: bool = False
    """Flip images horizontally in half of the epochs."""
    labels: int = 0
    """Total number of labelled examples, balanced over classes (semi_supervised only); 0 uses all
    labels.
    """
    label_seed: int = 0
    """Seed that selects the labelled examples."""
    labelled_batch: int = 0
    """Labelled examples per batch; the rest of the batch is drawn from the whole dataset, without
    labels. With labels 0: examples whose label the dataset knows.
    """
    pairs: Pairs = Pairs()
    """What examples are conditioned on: their labels; images made from them (edges, grey,
    downsample:4, mask:0.25); given, images of your own (see paired); captions of their labels;
    features, a hidden layer of a classifier; or domains, images of another dataset (see unpaired).
    """
    conditioning: str = "none"
    """How labels condition G and D."""
    class_weight: Scalar | None = None
    """Weight of the class term in G's objective (acgan only); None is 1. Gulrajani et al. 2017 use
    0.1.
    """
    latents: int = 100
    """Latent dimension."""
    prior: Prior = Prior()
    """Distribution of the latents: N(0, 1), uniform on [-1, 1], or noise and codes that D learns to
    recover, such as infogan:10:continuous=2 (Chen et al. 2016).
    """
    fake_labels: str = "batch"
    """Labels of generated examples: those of the real batch (batch), or drawn with the dataset's
    class frequencies (dataset) or uniformly (uniform).
    """
    generator: Network = Network()
    """Generator, such as dcgan:width=32:base=4."""
    discriminator: Network = Network()
    """Discriminator."""
    loss: str = "nonsaturating"
    """Adversarial loss."""
    penalties: tuple[Penalty, ...] = ()
    """Regularizers of D, such as r1:1:4 (R1 every fourth update) or gp:10:target=0."""
    g_penalties: tuple[Penalty, ...] = ()
    """Regularizers of G."""
    g_loss_weight: Scalar | None = None
    """Weight of the adversarial loss in G's objective; 0 leaves only the regularizers, None is 1.
    """
    augmentations: tuple[Augmentation, ...] = ()
    """Augmentations of all examples that D sees, such as ada, diffaugment:colour=False,
    translation:0.125 (fraction of the side), rotation:15 (degrees) or
    instance_noise:linear/0.1/0/10000.
    """
    pool: int = 0
    """Earlier fakes among which D sees the current ones (image pool, Shrivastava et al. 2017;
    CycleGAN uses 50), if it does not look at conditions; 0: none.
    """
    mixing: Mixing = Mixing()
    """Fakes that D sees as real examples; apa (Jiang et al. 2021, "Deceive D") shows so many that D
    stays unsure, apa:0.1 a constant share.
    """
    clip: Scalar | None = None
    """Bound for weight clipping of D (Arjovsky et al. 2017, algorithm 1); None disables it."""
    top_k: Scalar | None = None
    """Fraction of generated samples, highest D score first, used to update G (top-k training, Sinha
    et al. 2020); None uses all.
    """
    joint: bool = False
    """Pass real and fake images through D in one batch, so that batch norm statistics cover both.
    """
    d_steps: int = 1
    """D updates per step, each on its own real batch."""
    g_steps: Scalar = 1.0
    """G updates per step; schedules and feedbacks are rounded."""
    fresh_batch: bool = False
    """Give G's updates their own real batch, as in R3GAN (Huang et al. 2024), instead of D's last
    one.
    """
    batch_size: int = 64
    """Real images per update, over all devices together."""
    micro_batches: int = 1
    """Number of micro-batches for gradient accumulation; batch norm statistics are per micro-batch.
    """
    precision: str = "fp32"
    """Precision of convolutions and matmuls; weights, statistics, losses and regularizers stay in
    fp32.
    """
    g_optimizer: Optimizer = Optimizer()
    """Optimizer of G, such as adam:2e-4:b1=0.5."""
    d_optimizer: Optimizer = Optimizer()
    """Optimizer of D."""
    freeze_d: int = 0
    """Number of D's first layers, counted from the input, to freeze (Mo et al. 2020, "Freeze the
    discriminator"; use with --init-from); 0 freezes none.
    """
    dynamics: Dynamics = Dynamics()
    """Update rule of the players, such as consensus:0.1."""
    lookahead: int = 0
    """Steps between lookahead updates of both players (Chavdarova et al. 2021); 0 disables them."""
    lookahead_rate: Scalar = 0.5
    """Interpolation factor of lookahead: the fraction of the progress that is kept."""
    ema: Scalar = 10_000.0
    """Half-life of G's EMA in real images; 0 disables it."""
    d_ema: Scalar = 0.0
    """Half-life of D's EMA in real images, the D that eval tests as a classifier; 0 disables it."""
    ema_warm_up: Scalar | None = 0.05
    """Upper bound of both half-lives as a fraction of the images seen so far (0.05 in the code of
    Karras et al. 2020); None sets no bound.
    """
    steps: int = 5_000
    """Number of training steps."""
    diagnose_every: int = 200
    """Log diagnostics (gradient norms, D accuracy, diversity, ...) every N steps; 0 disables it."""
    diagnose_modes: int = 0
    """Samples to classify at each diagnostics line, to count the classes; 0 disables it."""
    eval_every: int = 0
    """Evaluate every N steps and after the last one, as the command eval does; 0 disables it."""
    sample_every: int = 1_000
    """Save sample images every N steps."""
    seed: int = 0
    """Random seed of everything: initial weights, data order, latents."""
    log_every: int = 100
    """Log metrics every N steps."""
    checkpoint_every: int = 1_000
    """Save a checkpoint every N steps."""
    keep: int = 3
    """Number of newest checkpoints to keep."""

    def __post_init__(self):
        """Parts may be given as text, and tuples as lists.

        Raises:
          ConfigError: for a value of the wrong type, naming the field.
        """
        for name, kind in _field_types().items():
            object.__setattr__(self, name, _value(kind, getattr(self, name), name))

    @property
    def framing(self) -> Framing:
        """The fields that say how examples are brought to one shape."""
        return Framing(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Framing)})

    @property
    def minibatches(self) -> int:
        """Minibatches of real examples in a step."""
        return self.d_steps + self.fresh_batch


@functools.cache
def _field_types() -> dict[str, Any]:
    return typing.get_type_hints(Config)


def to_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts and lists that JSON can hold, with the version of this form."""
    return {"version": VERSION} | {
        f.name: value_to_json(getattr(config, f.name)) for f in dataclasses.fields(config)
    }


def value_to_json(value: Any) -> Any:
    """A field of a config, or a scalar, in its JSON form."""
    if isinstance(value, Part):
        return {"name": value.name} | {key: value_to_json(v) for key, v in value.options}
    if isinstance(value, tuple):
        return [value_to_json(v) for v in value]
    return dataclasses.asdict(value) if isinstance(value, (Schedule, Feedback)) else value


def from_dict(values: dict[str, Any]) -> Config:
    """The inverse of `to_dict`; reads both versions of the form. Missing fields get their defaults.

    Raises:
      ConfigError: for an unknown field or a value of the wrong type, naming its path.
    """
    return _object(Config, _of_this_version(values), "config")


def scalar_from_json(value: Any, path: str) -> Scalar:
    """The inverse of `value_to_json` for a scalar.

    Raises:
      ConfigError: for anything else, naming the path.
    """
    return _value(Scalar, value, path)


def leaves(config: Config) -> dict[str, Any]:
    """The values of the config by path: ``g_optimizer`` is the name of a part, ``g_optimizer.lr``
    its option, ``penalties.r1.weight`` an option of one part of a list. Unset values are left out.
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
    """The config with a new value at the path of a field or option, such as ``g_optimizer.lr`` or
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
    """Reads also version 1 of the JSON form: it had no version field, a part listed all its
    options, with null for unset ones, and a penalty had a list ``numbers`` of further options.
    """
    if not isinstance(values, dict):
        return values
    values = dict(values)
    version = values.pop("version", 1)
    if version not in (1, VERSION):
        raise ConfigError(f"config.version {version!r} is unknown; use 1 or {VERSION}.")
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
            raise ConfigError(f"{path} must be a list, not {value!r}.")
        return tuple(_value(args[0], v, f"{path}.{i}") for i, v in enumerate(value))
    if args:  # a union
        if (value is None and types.NoneType in args) or isinstance(value, (Schedule, Feedback)):
            return value
        if isinstance(value, dict) and Schedule in args:
            return _object(Feedback if "metric" in value else Schedule, value, path)
        return _value(args[0], value, path)
    if isinstance(value, kind) and type(value) is not bool:
        return value
    if issubclass(kind, Part):
        return _part(kind, value, path)
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if kind in (int, float) and isinstance(value, _NUMBERS[kind]) and type(value) is not bool:
        return kind(value)
    if type(value) is not kind:
        raise ConfigError(f"{path} must be {_TYPE_NAMES[kind]}, not {value!r}.")
    return value


_NUMBERS = {int: numbers.Integral, float: numbers.Real}
_TYPE_NAMES = {
    bool: "True or False", int: "an integer", float: "a number", str: "a string",
}  # fmt: skip


def _part(kind: type[Part], value: Any, path: str) -> Part:
    """Reads a part from its text or its JSON form."""
    read = lambda v, path: scalar_from_json(v, path) if isinstance(v, dict) else v
    try:
        if isinstance(value, str):
            return kind.from_text(value)
        if isinstance(value, dict):
            options = {key: read(v, f"{path}.{key}") for key, v in value.items()}
            return kind(options.pop("name", None), options=options.items())
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    raise ConfigError(
        f"{path} must be of type {kind.__name__} or a text NAME[:NUMBER][:KEY=VALUE...], "
        f"not {value!r}."
    )


def _object(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must be a JSON object, not {value!r}.")
    hints = typing.get_type_hints(kind)
    for name in value:
        one_of(f"{path}: field", name, hints)
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in value:
            raise ConfigError(f"{path} lacks the field {field.name!r}.")
    return kind(**{k: _value(hints[k], v, f"{path}.{k}") for k, v in value.items()})
