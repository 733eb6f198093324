"""A GAN as a frozen value, and its initial state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax.engine import checks, scalars
from gan_jax.errors import ConfigError
from gan_jax.modality import Modality
from gan_jax.parts.conditions import of_batch
from gan_jax.types import (
    Array,
    Augment,
    Batch,
    Dynamics,
    Frozen,
    GanState,
    Loss,
    Memory,
    Mixing,
    Pair,
    PlayerState,
    Prior,
    PyTree,
    Scalar,
    Term,
    TermState,
    Tunable,
    scalar,
)


@dataclasses.dataclass(frozen=True)
class Player:
    """One side of the game; both sides have the same fields.

    Attributes:
      network: a flax module; a composite one if a side has several networks. G's is
        ``(z, y, *, train) -> x`` or `Fake`, D's ``(x, y, *, train) -> Critique``.
      optimizer: an optax transformation, or a `Tunable`, whose hyperparameters are scalars.
      terms: weighted regularizers.
      average: half-life of the EMA of its weights, in images; 0 disables it. Scalar.
      warm_up: the half-life is at most this fraction of the images seen, so that early weights fade
        quickly; None: no bound. Scalar.
      copied: collections of statistics that the EMA copies instead of averaging.
      clip: bound on the absolute value of its weights; None: no bound. Scalar.
      loss_weight: weight of the loss relative to the regularizers; None is 1. Scalar.
      top_k: fraction of the fakes, highest scores first, whose loss counts; None: all. Scalar.
      numbers: keyword arguments of the network, such as a temperature. Scalars.
      memory: replaces the fakes that the objective sees; None: the current fakes.
      mixing: replaces the real examples that the objective sees; None: those of the minibatch.
    """

    network: nn.Module
    optimizer: optax.GradientTransformation | Tunable
    terms: tuple[Term, ...] = ()
    average: Scalar = scalar(0.0)
    warm_up: Scalar | None = scalar(0.05)
    copied: tuple[str, ...] = ()
    clip: Scalar | None = scalar(None)
    loss_weight: Scalar | None = scalar(None)
    top_k: Scalar | None = scalar(None)
    numbers: Mapping[str, Scalar] | None = scalar(None)
    memory: Memory | None = None
    mixing: Mixing | None = None


@dataclasses.dataclass(frozen=True)
class Turns:
    """The number of updates of each player in a step.

    Attributes:
      d: D updates, at most one per minibatch of the batch; None: one per minibatch. Scalar.
      g: G updates; None: one. Scalar.
      fresh: the last minibatch of a batch is reserved for G; otherwise G sees D's last one again.
    """

    d: Scalar | None = scalar(None)
    g: Scalar | None = scalar(None)
    fresh: bool = False


@dataclasses.dataclass(frozen=True)
class Gan:
    """One experiment. It is hashable, to be a static argument of jitted functions, and a pytree
    without leaves, so that `jax.jit` and `jax.vmap` accept functions of a GAN.

    Its scalars (weights, strengths, hyperparameters of the optimizers, half-lives, ...) are only
    initial values: the compiled step reads them from the state, and GANs that differ only in
    scalars are equal.

    Attributes:
      generator, discriminator: the players.
      loss: the objective of both.
      prior: the distribution of the latents.
      modality: the kind of examples.
      num_classes: number of classes that condition G; 0 if it is unconditional.
      conditions: ``(key, y) -> y``: the conditions of the fakes, from those of the real examples.
      augments: random transformations of all inputs of D.
      joint: real and fake examples pass through D in one batch, so that batch normalization sees
        both.
      turns: the number of updates of each player in a step.
      dynamics: the update rule for simultaneous updates; None: alternating, D, then G.
      micro_batches: number of micro-batches for gradient accumulation; batch normalization
        statistics are per micro-batch.
      lookahead: steps between lookahead updates of both players; 0: never.
      lookahead_rate: the fraction of the way that a lookahead update keeps. Scalar.
      frozen: networks that are not trained; their variables are passed to `init_state`.
      condition: the kind of the conditions, which ``prepare`` makes; None: class labels, or none.
      read: the kind of the examples that are read, if ``prepare`` makes others from them; None: the
        modality.
      prepare: ``(batch, frozen networks by name, key) -> Batch``: transforms a minibatch that was
        read, for instance by an encoder; None: no change.
    """

    generator: Player
    discriminator: Player
    loss: Loss
    prior: Prior
    modality: Modality
    num_classes: int = 0
    conditions: Callable[[Array, PyTree], PyTree] = of_batch
    augments: tuple[Augment, ...] = ()
    joint: bool = False
    turns: Turns = Turns()
    dynamics: Dynamics | None = None
    micro_batches: int = 1
    lookahead: int = 0
    lookahead_rate: Scalar = scalar(0.5)
    frozen: tuple[Frozen, ...] = ()
    condition: Modality | None = None
    read: Modality | None = None
    prepare: Callable[[Batch, Mapping[str, Callable], Array], Batch] | None = None

    def __post_init__(self):
        if self.dynamics is None:
            return
        for name in ("memory", "mixing"):
            if any(getattr(player, name) is not None for player in self.players):
                raise ConfigError(
                    f"{name} requires dynamics alternating: with simultaneous updates, the players "
                    "see the same real and fake examples."
                )
        if self.turns.g is not None or self.turns.fresh:
            raise ConfigError(
                "turns.g and turns.fresh require dynamics alternating: with simultaneous updates, "
                "the players share one update and its minibatch."
            )

    @property
    def source(self) -> Modality:
        """The kind of the examples that are read."""
        return self.read or self.modality

    @property
    def players(self) -> Pair:
        return Pair(self.generator, self.discriminator)


class _Exact:
    """A GAN that is equal only to GANs with the same scalars: a function of a GAN may read them, so
    a program compiled for other scalars must not be reused.
    """

    def __init__(self, gan: Gan):
        self.gan = gan

    @functools.cached_property
    def _scalars(self) -> tuple:
        leaves, structure = jax.tree.flatten(scalars.encode(self.gan))
        return structure, tuple(leaf.tobytes() for leaf in leaves)

    def __hash__(self) -> int:
        return hash(self.gan)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, _Exact):
            return NotImplemented
        same = self.gan is other.gan
        return same or (self.gan == other.gan and self._scalars == other._scalars)


jax.tree_util.register_pytree_node(Gan, lambda gan: ((), _Exact(gan)), lambda exact, _: exact.gan)


def init_state(
    gan: Gan, key: Array, batch: Batch, frozen: Mapping[str, PyTree] | None = None
) -> GanState:
    """The state before the first step: weights, optimizer states, statistics, memories.

    Args:
      gan: the value to train.
      key: determines the initial weights and, with the step number, all later random numbers.
      batch: any batch as `train_step` will get it; only its shapes and dtypes are used.
      frozen: the variables by name of those of ``gan.frozen`` that are not given with the network.

    Raises:
      ConfigError: if ``key`` is not a random key, the batch has no axes ``[minibatches, b]``, real
        or generated examples do not have the shape of the GAN's modality, D returns anything but a
        `Critique` with scores ``[b, ...]``, or variables of a frozen network are missing.
    """
    checks.key(key)
    checks.batch(batch)
    variables = frozen_variables(gan, frozen)
    numbers = scalars.encode(gan)
    return first_state(gan, key, numbers, variables, examples(batch), averages(gan))


def frozen_variables(gan: Gan, given: Mapping[str, PyTree] | None = None) -> dict[str, PyTree]:
    """The variables by name of the networks that are not trained, given or those of the networks;
    without entries for networks that have none.

    Raises:
      ConfigError: if some are missing, or belong to no network.
    """
    own = {f.name: f.trained.variables for f in gan.frozen if f.trained is not None}
    variables = own | dict(given or {})
    checks.frozen(gan.frozen, variables)
    return {name: own for name, own in variables.items() if own}


def examples(batch: Batch) -> Batch:
    """Two zero examples with the shapes and dtypes of a batch."""
    return jax.tree.map(lambda a: jnp.zeros((2, *a.shape[2:]), a.dtype), batch)


def averages(gan: Gan) -> Pair:
    """Whether the players keep an EMA."""
    return Pair(*(player.average != 0 for player in gan.players))


@functools.partial(jax.jit, static_argnames=("gan", "average"))
def first_state(
    gan: Gan, key: Array, numbers: PyTree, frozen: dict[str, PyTree], like: Batch, average: Pair
) -> GanState:
    """`init_state` with the GAN's scalars and two examples as traced arguments."""
    g_key, d_key, run_key = (jax.random.fold_in(key, i) for i in range(3))
    now = scalars.bind(gan, numbers, jnp.zeros((), jnp.int32))
    real = prepared(gan, frozen, like, key)
    inputs = Pair((gan.prior.draw(key, 2), real.y), (real.x, real.y))
    (generator, made), (discriminator, seen) = (
        _first(player, own, keeps, *given, examples=real.x)
        for player, own, keeps, given in zip(
            now.players, (g_key, d_key), average, inputs, strict=True
        )
    )
    checks.fake(gan.modality, made)
    checks.critique(gan.discriminator.network, seen, b=2)
    if gan.lookahead:
        generator, discriminator = (p.replace(slow=p.params) for p in (generator, discriminator))
    return GanState(jnp.zeros((), jnp.int32), run_key, generator, discriminator, numbers, frozen)


def prepared(gan: Gan, frozen: dict[str, PyTree], batch: Batch, key: Array) -> Batch:
    """Converts a minibatch that was read to one that networks take.

    Raises:
      ConfigError: if its examples do not have the shape of the GAN's modality.
    """
    batch = batch._replace(x=gan.source.to_network(batch.x))
    if gan.prepare is not None:
        batch = gan.prepare(batch, networks(gan, frozen), key)
    gan.modality.check("batch.x", batch.x)
    return batch


def networks(gan: Gan, frozen: dict[str, PyTree]) -> dict[str, Callable]:
    """The networks that are not trained, as functions by name."""
    variables = lambda f: frozen.get(f.name, {})
    return {f.name: functools.partial(f.network.apply, variables(f)) for f in gan.frozen}


def _first(
    player: Player, key: Array, average: bool, *inputs: PyTree, examples: PyTree
) -> tuple[PlayerState, Any]:
    """The state of a player, and the output of its network for the inputs."""
    numbers = player.numbers or {}
    result, variables = player.network.init_with_output(key, *inputs, train=False, **numbers)
    params = variables.get("params", {})
    state = PlayerState(
        params=params,
        stats={name: own for name, own in variables.items() if name != "params"},
        opt_state=player.optimizer.init(params),
        average=variables if average else None,
        terms={t.name: TermState(t.regularizer.init(), jnp.zeros(())) for t in player.terms},
        memory=player.memory and player.memory.init(examples),
    )
    return state, result
