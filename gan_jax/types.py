"""The nouns of the library: what flows between data, networks, losses and the training step.

Nothing here imports the rest of the package but its `config`. Arrays are written ``[b, ...]`` by
shape: ``b`` examples, ``k`` classes, ``f`` features, ``h, w, c`` the sides and channels of an
image. An example ``x`` is ``[..., b, *dims, c]``: an image has two spatial dimensions, ``[..., b,
h, w, c]``, and a vector of ``c`` numbers has none, ``[..., b, c]``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import optax

from gan_jax.config import Schedule

Array = jax.Array
PyTree = Any
Scalar = float | Schedule
"""A number of a `Gan` that is data of the step: it lies in the state, and does not count when GANs
are compared.
"""


def scalar(default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field for a `Scalar`: GANs that differ in it alone are equal, hence share their
    compilations.
    """
    return dataclasses.field(default=default, compare=False)


class Batch(NamedTuple):
    """Real examples.

    ``x``: ``[..., b, *dims, c]``: images, uint8 in [0, 255] or float32 in [-1, 1]; or vectors,
    float32. ``y``: ``[..., b]`` int32 class labels; -1 where an example has none. A training batch
    leads with ``[d_steps, b]``: one minibatch for each update of the discriminator.
    """

    x: Array
    y: Array


class Critique(NamedTuple):
    """What a discriminator says of ``b`` examples.

    ``score``: ``[b]`` float32 logits (log-odds of "real").
    ``class_logits``: ``[b, k]`` where the head classifies, else None.
    ``features``: ``[b, f]``, the last hidden layer, what the head saw.
    """

    score: Array
    class_logits: Array | None = None
    features: Array | None = None


Scores = Callable[[Array, Array], Array]


@dataclasses.dataclass(frozen=True)
class Loss:
    """A GAN objective: two pure functions ``(real_scores [b], fake_scores [b]) -> [b]``, both to be
    minimized.

    Per example, never reduced: the caller averages, so nothing broadcasts by accident.
    """

    d: Scores
    g: Scores


@dataclasses.dataclass(frozen=True)
class DContext:
    """What a discriminator-side regularizer may look at, at the parameters being differentiated.

    ``discriminate(x, y) -> Critique`` runs D in training mode without changing its statistics,
    ``generate(latents, y) -> x`` G likewise; ``params``: D's, those being differentiated;
    ``latents`` ``[b, n]`` made the fakes; ``real`` and ``fake`` hold float32 examples with their
    labels, images in [-1, 1]; ``key`` is the term's own random key of this step.
    """

    discriminate: Callable[[Array, Array], Critique]
    generate: Callable[[Array, Array], Array]
    params: PyTree
    latents: Array
    real: Batch
    fake: Batch
    real_critique: Critique
    fake_critique: Critique
    key: Array


@dataclasses.dataclass(frozen=True)
class GContext:
    """What a generator-side regularizer may look at: as `DContext`, but ``params`` are G's, and D's
    are constant.
    """

    discriminate: Callable[[Array, Array], Critique]
    generate: Callable[[Array, Array], Array]
    params: PyTree
    latents: Array
    real: Batch
    fake: Batch
    real_critique: Critique
    fake_critique: Critique
    key: Array


@dataclasses.dataclass(frozen=True)
class Regularizer:
    """A penalty in the manner of optax: ``init() -> memory`` and ``apply(memory, context) ->
    (penalty [b], memory)``.

    ``memory`` is any pytree of arrays (``()`` for none). The penalty is per example, like a loss.
    """

    init: Callable[[], PyTree]
    apply: Callable[[PyTree, Any], tuple[Array, PyTree]]


@dataclasses.dataclass(frozen=True)
class Term:
    """A weighted regularizer, evaluated at every ``every``-th step and then weighted
    ``every``-fold.

    Lazy regularization (Karras et al. 2020, "Analyzing and improving the image quality of
    StyleGAN", section 3.1): the mean over steps is that of ``every=1``, the cost is not.
    """

    name: str
    regularizer: Regularizer
    weight: Scalar = scalar()
    every: int = 1


@dataclasses.dataclass(frozen=True)
class Augment:
    """A random change of what D sees, real and fake, differentiable by ``x``: ``apply(key, x [b,
    ...], strength ()) -> x``.
    """

    name: str
    apply: Callable[[Array, Array, Array], Array]
    strength: Scalar = scalar()


@dataclasses.dataclass(frozen=True)
class Tunable:
    """An optimizer whose numbers are data of the step: ``make(**numbers)`` is the optax
    transformation.
    """

    make: Callable[..., optax.GradientTransformation]
    numbers: Mapping[str, Scalar] = scalar()


class Gradients(NamedTuple):
    """Of both players' objectives, each by its own parameters."""

    generator: PyTree
    discriminator: PyTree


Field = Callable[["Point"], tuple[Gradients, Any]]
"""The gradients at a point, and what else was computed there: new statistics, terms' states,
metrics.
"""
Move = Callable[["Point", "Point", Gradients], "Point"]
"""``move(origin, last, gradients)``: the optimizers, in their state at ``last``, step from the
weights of ``origin``.
"""


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """How both players move at once: ``step(field, move, point, **numbers) -> (point, what field
    computed)``.
    """

    step: Callable[..., tuple[Point, Any]]
    numbers: Mapping[str, Scalar] = scalar(None)


@flax.struct.dataclass
class Player:
    """One network in training: parameters, statistics (batch norm, ...) and optimizer state."""

    params: PyTree
    stats: PyTree
    opt_state: PyTree


class Point(NamedTuple):
    """Where the game stands: both players."""

    generator: Player
    discriminator: Player


@flax.struct.dataclass
class TermState:
    """A term's memory and the value that its regularizer had when last evaluated, ``()`` float32."""

    memory: PyTree
    value: Array


@flax.struct.dataclass
class GanState:
    """Everything a checkpoint holds. ``key`` never changes: every step folds its number into it.

    ``ema``: the generator's moving average, ``{"params": ..., **statistics}``; None where none is
    kept. ``terms``: the states of the regularizers, ``{"d": {name: ...}, "g": {name: ...}}``.
    ``scalars``: every number of the step that is data, as `gan_jax.engine.scalars.encode` makes it.
    ``d_ema``: the discriminator's moving average, likewise. ``slow``: the weights of both players
    where the last lookahead ended, `Gradients`-shaped; None without lookahead.
    """

    step: Array
    key: Array
    generator: Player
    discriminator: Player
    ema: PyTree
    terms: dict[str, dict[str, TermState]]
    scalars: PyTree
    slow: PyTree = None
    d_ema: PyTree = None


Metrics = dict[str, Array]
