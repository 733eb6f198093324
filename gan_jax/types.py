"""The basic types of the library: what data, networks, losses and the training step exchange.

Arrays are written ``[b, ...]`` by shape: ``b`` examples, ``k`` classes, ``f`` features. Examples
``x``, conditions ``y`` and latents ``z`` are pytrees of arrays with the same leading ``b``; usually
each is a single array.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import flax.struct
import jax
import numpy as np
import optax

from gan_jax.config import Feedback, Schedule
from gan_jax.errors import ConfigError

Array = jax.Array
PyTree = Any
Metrics = dict[str, Array]
Scalar = float | Schedule | Feedback
"""A number of a `Gan` that the step reads from the state, so that it may change over time."""


def scalar(default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field for a `Scalar`, or a mapping of them; None if it is not set.

    GANs that differ only in such fields compare equal, so that they share compiled programs.
    """
    return dataclasses.field(default=default, compare=False, metadata={"scalar": True})


class Batch(NamedTuple):
    """Real examples; the leading axes of a training batch are ``[minibatches, b]``.

    ``x``: examples as stored or as networks see them, see `gan_jax.modality`.
    ``y``: their conditions: ``[b]`` int32 class labels, -1 for an example without a label; or any
    other pytree, such as images or features.
    """

    x: PyTree
    y: PyTree


class Fake(NamedTuple):
    """Output of a generator: examples, their conditions, and other outputs by name.

    A generator returns ``x``, or ``Fake(x, extras={...})``, whose ``y`` the engine fills in.
    """

    x: PyTree
    y: PyTree = None
    extras: dict[str, PyTree] = {}  # noqa: RUF012  (never written to)


class Critique(NamedTuple):
    """Output of a discriminator for ``b`` examples.

    ``score``: ``[b, ...]`` float32 logits (log-odds of "real"), one or several per example:
    patches, scales, positions of a sequence.
    ``extras``: other outputs by name, such as ``class_logits [b, k]`` and ``features [b, f]``, the
    input of the head.
    """

    score: Array
    extras: dict[str, PyTree] = {}  # noqa: RUF012

    def extra(self, name: str, wanted_by: str) -> PyTree:
        """An entry of ``extras``.

        Raises:
          ConfigError: if the discriminator does not return it.
        """
        if name not in self.extras:
            raise ConfigError(
                f"{wanted_by} needs {name} from the discriminator, whose Critique has only "
                f"{', '.join(['score', *sorted(self.extras)])}."
            )
        return self.extras[name]


class Pair(NamedTuple):
    """A value for each player, indexed by `G` or `D`."""

    generator: Any
    discriminator: Any

    def put(self, side: int, value: Any) -> Pair:
        """A copy with another value on one side."""
        return Pair(*(value if i == side else own for i, own in enumerate(self)))

    def replace(self, side: int, **changes: Any) -> Pair:
        """A copy in which fields of the value on one side are replaced."""
        return self.put(side, self[side].replace(**changes))


G, D = 0, 1
"""The sides of the game, as indices of a `Pair`."""

Scores = Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class Loss:
    """A GAN objective: two pure functions ``(real_scores, fake_scores, **numbers) -> losses``.

    Both are minimized. Scores are ``[b, ...]``; losses have the same shape and are not reduced: the
    engine averages them, so that nothing broadcasts by accident.
    """

    d: Scores
    g: Scores
    numbers: Mapping[str, Scalar] | None = scalar(None)


@dataclasses.dataclass(frozen=True)
class Context:
    """What a regularizer of either player sees, at the parameters being differentiated. Networks
    run in training mode without updating their statistics.

    Attributes:
      generate: ``(z, y) -> Fake``; with ``method="NAME"``, that method of the network; with
        ``capture=True``, the result and the intermediate values.
      discriminate: ``(x, y) -> Critique`` with a separate draw of the augmentation; likewise.
      see_real, see_fake: ``x -> Critique`` with the augmentation and noise of the scores, so that
        the compiler shares the forward pass.
      frozen: networks that are not trained, by name, as functions.
      modality: the modality of the examples.
      prior: the distribution of the latents.
      params: the player's own parameters.
      latents: ``z`` of the fakes.
      real, fake: examples as networks see them, with their conditions.
      real_critique, fake_critique: D's results for them.
      key: the random key of this term and update.
    """

    generate: Callable[..., Any]
    discriminate: Callable[..., Any]
    see_real: Callable[[PyTree], Critique]
    see_fake: Callable[[PyTree], Critique]
    frozen: Mapping[str, Callable[..., Any]]
    modality: Any
    prior: Prior
    params: PyTree
    latents: PyTree
    real: Batch
    fake: Fake
    real_critique: Critique
    fake_critique: Critique
    key: Array


DContext = GContext = Context
"""Regularizers of both players see the same context."""


@dataclasses.dataclass(frozen=True)
class Regularizer:
    """A regularizer in the style of optax: ``init()`` and ``apply(memory, context)``.

    ``apply`` returns ``(value [b, ...], memory)``: one value per example, like a loss. ``memory``
    is any pytree of arrays, ``()`` if none is needed.
    """

    init: Callable[[], PyTree]
    apply: Callable[[PyTree, Context], tuple[Array, PyTree]]


@dataclasses.dataclass(frozen=True)
class Term:
    """A weighted regularizer, evaluated every ``every`` updates and weighted ``every``-fold
    (lazy regularization: Karras et al. 2020, "Analyzing and improving the image quality of
    StyleGAN", section 3.1).
    """

    name: str
    regularizer: Regularizer
    weight: Scalar = scalar()
    every: int = 1


@dataclasses.dataclass(frozen=True)
class Augment:
    """A random transformation of all inputs of D: ``apply(key, x, strength ()) -> x``;
    differentiable.
    """

    name: str
    apply: Callable[[Array, PyTree, Array], PyTree]
    strength: Scalar = scalar()


@dataclasses.dataclass(frozen=True)
class Tunable:
    """An optax optimizer whose hyperparameters are scalars: ``make(**numbers)`` builds it."""

    make: Callable[..., optax.GradientTransformation]
    numbers: Mapping[str, Scalar] = scalar()

    def init(self, params: PyTree) -> PyTree:
        return self.make(**self.numbers).init(params)

    def update(self, gradients: PyTree, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        return self.make(**self.numbers).update(gradients, state, params)


@dataclasses.dataclass(frozen=True)
class Memory:
    """A memory of earlier fakes, such as an image pool.

    ``init(x [2, ...]) -> memory`` from the shapes of two examples; ``apply(memory, fake, key) ->
    (Fake, memory)`` takes the fakes of the whole batch and returns those that the objective sees.
    """

    init: Callable[[PyTree], PyTree]
    apply: Callable[[PyTree, Fake, Array], tuple[Fake, PyTree]]


@dataclasses.dataclass(frozen=True)
class Mixing:
    """Fakes among the real examples: ``apply(key, real, fake, strength ()) -> real`` takes the real
    examples and fakes of a minibatch and returns what the objective sees as real. Under ``pmap``,
    both are the rows of one device.
    """

    name: str
    apply: Callable[[Array, Batch, Fake, Array], Batch]
    strength: Scalar = scalar()


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A network that is not trained: an encoder, a classifier, an earlier stage.

    ``trained``: an object whose ``variables`` are those of the network, hashed and compared by what
    they are, such as `gan_jax.recognizers.Recognizer`; None: they are passed to `init_state`.
    """

    name: str
    network: Any
    trained: Any = None


class Prior(Protocol):
    """The distribution of the latents; if some are discrete, it also has ``hold``, see `held`."""

    def draw(self, key: Array, n: int, truncation: float | None = None) -> PyTree:
        """Latents ``z`` whose leaves are ``[n, ...]``."""


def held(prior: Prior, z: PyTree, origin: PyTree) -> PyTree:
    """Moved latents ``z``, except that what is discrete in them stays as in the latents ``origin``
    that they come from: ``prior.hold(z, origin)``, or ``z`` for a prior without this method.

    Args:
      prior: the prior of the latents.
      z, origin: leaves ``[n, ..., size]``, such as paths, and ``[n, size]``.
    """
    hold = getattr(prior, "hold", None)
    return z if hold is None else hold(z, origin)


Field = Callable[[Pair], tuple[Pair, Any]]
"""The gradients of both players at a point, and other results computed there."""
Move = Callable[[Pair, Pair, Pair], Pair]
"""``move(origin, last, gradients)``: an optimizer step from the weights of ``origin``, with the
optimizer states of ``last``.
"""


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """An update rule for simultaneous updates of both players.

    ``step(field, move, point, **numbers) -> (point, other results of field)``.
    """

    step: Callable[..., tuple[Pair, Any]]
    numbers: Mapping[str, Scalar] | None = scalar(None)


@flax.struct.dataclass
class TermState:
    """The memory of a term, and the last value of its regularizer, ``()`` float32."""

    memory: PyTree
    value: Array


@flax.struct.dataclass
class PlayerState:
    """One player in training.

    ``params``, ``stats``: parameters and statistics (batch norm, ...) of its network.
    ``average``: the EMA, ``{"params": ..., **statistics}``; None if none is kept.
    ``terms``: the states of its regularizers by name. ``slow``: parameters at the end of the last
    lookahead; None without lookahead. ``memory``: see `Memory`; None without one.
    """

    params: PyTree
    stats: PyTree
    opt_state: PyTree
    average: PyTree = None
    terms: dict[str, TermState] = flax.struct.field(default_factory=dict)
    slow: PyTree = None
    memory: PyTree = None

    def __repr__(self) -> str:
        return f"PlayerState({_outline(self)})"

    def variables(self, averaged: bool = False) -> PyTree:
        """The variables as flax takes them; those of the EMA if ``averaged`` and it is kept."""
        if averaged and self.average is not None:
            return self.average
        return {"params": self.params, **self.stats}


@flax.struct.dataclass
class GanState:
    """Everything in a checkpoint. ``key`` never changes: every step folds its number into it.

    ``scalars``: all scalars of the step, see `gan_jax.engine.scalars`.
    ``frozen``: variables of the networks that are not trained, by name.
    """

    step: Array
    key: Array
    generator: PlayerState
    discriminator: PlayerState
    scalars: PyTree
    frozen: dict[str, PyTree] = flax.struct.field(default_factory=dict)

    def __repr__(self) -> str:
        players = ",".join(f"\n  {side}={getattr(self, side)!r}" for side in SIDES)
        others = _outline(self, without=SIDES)
        return f"GanState({others},{players})"

    @property
    def players(self) -> Pair:
        return Pair(self.generator, self.discriminator)


SIDES = ("generator", "discriminator")
SHAPES_SHOWN = 3
"""How many shapes the description of a tree lists."""


def _outline(state: Any, without: tuple[str, ...] = ()) -> str:
    """A short description of each field that is set."""
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    return ", ".join(
        f"{name}={_described(value)}"
        for name, value in fields.items()
        if name not in without and jax.tree.leaves(value)
    )


def _described(tree: PyTree) -> str:
    """The value or shape of an array; the first shapes and the size of a tree."""
    leaves = jax.tree.leaves(tree)
    if len(leaves) == 1 and leaves[0] is tree:
        return str(tree) if _is_known(tree) else f"{tree.dtype}{list(tree.shape)}"
    shapes = [str(list(np.shape(leaf))) for leaf in leaves]
    more = ["..."] if len(shapes) > SHAPES_SHOWN else []
    size = sum(math.prod(np.shape(leaf)) for leaf in leaves)
    return f"<{size:,} in {len(leaves)} arrays: {' '.join(shapes[:SHAPES_SHOWN] + more)}>"


def _is_known(array: Any) -> bool:
    """Whether this is a single number that can be read without tracing or communication."""
    if not isinstance(array, (np.ndarray, np.generic, jax.Array)) or array.shape:
        return False
    if isinstance(array, jax.core.Tracer) or not isinstance(array.dtype, np.dtype):
        return False
    return not isinstance(array, jax.Array) or (
        array.is_fully_addressable and not array.is_deleted()
    )
