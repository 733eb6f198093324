"""The nouns of the library: what flows between data, networks, losses and the training step.

Arrays are written ``[b, ...]`` by shape: ``b`` examples, ``k`` classes, ``f`` features. Examples
``x``, conditions ``y`` and latents ``z`` are pytrees of arrays that lead with the same ``b``; a
single array is the usual case.
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
"""A number of a `Gan` that is data of the step: it lies in the state and may change over time."""


def scalar(default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field for a `Scalar`, or a mapping of them; None where it is not set.

    GANs that differ in such fields alone are equal, so that they share their compilations.
    """
    return dataclasses.field(default=default, compare=False, metadata={"scalar": True})


class Batch(NamedTuple):
    """Real examples; the leaves of a training batch lead with ``[minibatches, b]``.

    ``x``: examples as stored or as networks see them, see `gan_jax.modality`.
    ``y``: what they are conditioned on: ``[b]`` int32 class labels, -1 where an example has none;
    or any other pytree, such as images or features.
    """

    x: PyTree
    y: PyTree


class Fake(NamedTuple):
    """What a generator made: examples, their conditions, and whatever else it gives by name.

    A generator returns ``x``, or ``Fake(x, extras={...})``, whose ``y`` the engine fills in.
    """

    x: PyTree
    y: PyTree = None
    extras: dict[str, PyTree] = {}  # noqa: RUF012  (never written to)


class Critique(NamedTuple):
    """What a discriminator says of ``b`` examples.

    ``score``: ``[b, ...]`` float32 logits (log-odds of "real"), one or several per example:
    patches, scales, positions of a sequence.
    ``extras``: by name, such as ``class_logits [b, k]`` and ``features [b, f]``, what the head saw.
    """

    score: Array
    extras: dict[str, PyTree] = {}  # noqa: RUF012

    def extra(self, name: str, wanted_by: str) -> PyTree:
        """An entry of ``extras``.

        Raises:
          ConfigError: if the discriminator does not give it.
        """
        if name not in self.extras:
            raise ConfigError(
                f"{wanted_by}: this discriminator gives no {name}; accepted: one whose critique "
                f"has them, not only {', '.join(sorted(self.extras)) or 'scores'}."
            )
        return self.extras[name]


class Pair(NamedTuple):
    """Something of both players, indexed by `G` or `D`."""

    generator: Any
    discriminator: Any

    def put(self, side: int, value: Any) -> Pair:
        """The same with another value on one side."""
        return Pair(*(value if i == side else own for i, own in enumerate(self)))

    def replace(self, side: int, **changes: Any) -> Pair:
        """The same with other fields of the value on one side."""
        return self.put(side, self[side].replace(**changes))


G, D = 0, 1
"""The sides of the game, as indices of a `Pair`."""

Scores = Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class Loss:
    """A GAN objective: two pure functions ``(real_scores, fake_scores, **numbers) -> losses``.

    Both are to be minimized. Scores are ``[b, ...]``, losses have their shape and are never
    reduced: the engine averages, so that nothing broadcasts by accident.
    """

    d: Scores
    g: Scores
    numbers: Mapping[str, Scalar] | None = scalar(None)


@dataclasses.dataclass(frozen=True)
class Context:
    """What a regularizer of either player sees, at the parameters being differentiated. Networks
    run in training mode and keep their statistics.

    Attributes:
      generate: ``(z, y) -> Fake``; with ``method="NAME"``, that method of the network; with
        ``capture=True``, the result and the intermediate values.
      discriminate: ``(x, y) -> Critique`` in an augmented view of its own; likewise.
      see_real, see_fake: ``x -> Critique`` in the augmented view and noise of the scores, so that
        the compiler shares the forward pass.
      frozen: networks that do not learn, by name, as functions.
      modality: of the examples.
      params: the player's own parameters.
      latents: ``z`` of the fakes.
      real, fake: examples as networks see them, with their conditions.
      real_critique, fake_critique: D's results for them.
      key: the term's own random key of this update.
    """

    generate: Callable[..., Any]
    discriminate: Callable[..., Any]
    see_real: Callable[[PyTree], Critique]
    see_fake: Callable[[PyTree], Critique]
    frozen: Mapping[str, Callable[..., Any]]
    modality: Any
    params: PyTree
    latents: PyTree
    real: Batch
    fake: Fake
    real_critique: Critique
    fake_critique: Critique
    key: Array


DContext = GContext = Context
"""Regularizers of both players see the same."""


@dataclasses.dataclass(frozen=True)
class Regularizer:
    """A penalty in the manner of optax: ``init()`` and ``apply(memory, context)``.

    ``apply`` returns ``(penalty [b, ...], memory)``: per example, like a loss. ``memory`` is any
    pytree of arrays, ``()`` for none.
    """

    init: Callable[[], PyTree]
    apply: Callable[[PyTree, Context], tuple[Array, PyTree]]


@dataclasses.dataclass(frozen=True)
class Term:
    """A weighted regularizer, evaluated at every ``every``-th update and weighted ``every``-fold
    (lazy regularization: Karras et al. 2020, "Analyzing and improving the image quality of
    StyleGAN", section 3.1).
    """

    name: str
    regularizer: Regularizer
    weight: Scalar = scalar()
    every: int = 1


@dataclasses.dataclass(frozen=True)
class Augment:
    """A random change of all that D sees: ``apply(key, x, strength ()) -> x``, differentiable."""

    name: str
    apply: Callable[[Array, PyTree, Array], PyTree]
    strength: Scalar = scalar()


@dataclasses.dataclass(frozen=True)
class Tunable:
    """An optax optimizer whose numbers are scalars: ``make(**numbers)`` is the transformation."""

    make: Callable[..., optax.GradientTransformation]
    numbers: Mapping[str, Scalar] = scalar()

    def init(self, params: PyTree) -> PyTree:
        return self.make(**self.numbers).init(params)

    def update(self, gradients: PyTree, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        return self.make(**self.numbers).update(gradients, state, params)


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a player keeps of earlier fakes, such as an image pool.

    ``init(x [2, ...]) -> memory`` from the shapes of two examples; ``apply(memory, fake, key) ->
    (Fake, memory)``: the fakes that the objective sees, from those of the whole batch.
    """

    init: Callable[[PyTree], PyTree]
    apply: Callable[[PyTree, Fake, Array], tuple[Fake, PyTree]]


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A network that does not learn: an encoder, a recognizer, an earlier stage."""

    name: str
    network: Any


class Prior(Protocol):
    """What the generator is fed."""

    def draw(self, key: Array, n: int, truncation: float | None = None) -> PyTree:
        """Latents ``z`` whose leaves are ``[n, ...]``."""


Field = Callable[[Pair], tuple[Pair, Any]]
"""Both players' gradients at a point, and what else was computed there."""
Move = Callable[[Pair, Pair, Pair], Pair]
"""``move(origin, last, gradients)``: the optimizers, in their states at ``last``, step from the
weights of ``origin``.
"""


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """How both players move at once.

    ``step(field, move, point, **numbers) -> (point, what field computed)``.
    """

    step: Callable[..., tuple[Pair, Any]]
    numbers: Mapping[str, Scalar] | None = scalar(None)


@flax.struct.dataclass
class TermState:
    """A term's memory and its regularizer's value when last evaluated, ``()`` float32."""

    memory: PyTree
    value: Array


@flax.struct.dataclass
class PlayerState:
    """One player in training.

    ``params``, ``stats``: parameters and statistics (batch norm, ...) of its network.
    ``average``: the moving average, ``{"params": ..., **statistics}``; None where none is kept.
    ``terms``: the states of its regularizers by name. ``slow``: parameters where the last lookahead
    ended; None without lookahead. ``memory``: see `Memory`; None without.
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
        """As flax takes them; those of the moving average if asked for and kept."""
        if averaged and self.average is not None:
            return self.average
        return {"params": self.params, **self.stats}


@flax.struct.dataclass
class GanState:
    """Everything a checkpoint holds. ``key`` never changes: every step folds its number into it.

    ``scalars``: every number of the step that is data, see `gan_jax.engine.scalars`.
    ``frozen``: variables of the networks that do not learn, by name.
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
"""Arrays of a tree whose shapes its description lists."""


def _outline(state: Any, without: tuple[str, ...] = ()) -> str:
    """The fields of a state that are set, each in a few words."""
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    return ", ".join(
        f"{name}={_described(value)}"
        for name, value in fields.items()
        if name not in without and jax.tree.leaves(value)
    )


def _described(tree: PyTree) -> str:
    """An array by its value or its shape; a tree by its first shapes and its size."""
    leaves = jax.tree.leaves(tree)
    if len(leaves) == 1 and leaves[0] is tree:
        return str(tree) if _is_known(tree) else f"{tree.dtype}{list(tree.shape)}"
    shapes = [str(list(np.shape(leaf))) for leaf in leaves]
    more = ["..."] if len(shapes) > SHAPES_SHOWN else []
    size = sum(math.prod(np.shape(leaf)) for leaf in leaves)
    return f"<{size:,} in {len(leaves)} arrays: {' '.join(shapes[:SHAPES_SHOWN] + more)}>"


def _is_known(array: Any) -> bool:
    """Whether this is a single number that can be read here and now."""
    if not isinstance(array, (np.ndarray, np.generic, jax.Array)) or array.shape:
        return False
    if isinstance(array, jax.core.Tracer) or not isinstance(array.dtype, np.dtype):
        return False
    return not isinstance(array, jax.Array) or (
        array.is_fully_addressable and not array.is_deleted()
    )
