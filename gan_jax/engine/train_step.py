"""The training step: D learns to tell real from fake, then G to deceive it (Goodfellow et al. 2014,
algorithm 1).

`train_step` is a pure function of a frozen `Gan`, a state and a batch. The step number is folded
into a constant key, so there is no random state to save, and runs resume bit-exactly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from gan_jax.data import Resident, batch_at
from gan_jax.devices import batch_axis
from gan_jax.devices.parallel import Placement
from gan_jax.engine import checks, scalars
from gan_jax.engine.donation import donates_state
from gan_jax.engine.gan import Gan, Player, prepared
from gan_jax.engine.objectives import Update
from gan_jax.engine.update import Computed, gradients
from gan_jax.types import Array, Batch, D, G, GanState, Metrics, Pair, PlayerState, PyTree


@donates_state("gan", "axis_name", "placement")
def train_step(
    gan: Gan,
    state: GanState,
    batch: Batch,
    axis_name: str | None = None,
    placement: Placement | None = None,
) -> tuple[GanState, Metrics]:
    """Updates the discriminator once for each minibatch of ``batch``, then the generator once,
    unless `Turns` or an update rule changes that.

    Args:
      gan: static; equal values share one compilation.
      state: donated; continue with the returned state.
      batch: leaves ``[minibatches, b, ...]``; ``x`` as stored or as networks see it.
      axis_name: name of the `jax.pmap` axis, if any. Every device then gets the whole state and its
        rows of the batch: leaves ``[devices, *shape]`` of the state, and ``[devices, minibatches, b
        / devices, ...]`` of the batch. Each device returns the result of a single device for all
        rows, up to rounding, if all parts draw with `gan_jax.devices.batch_axis.draw`.
      placement: the placement of the new state; None leaves it to the compiler.

    Returns:
      The new state, and the means over the batch of ``{d,g}/loss``, ``d/score_{real,fake}`` and
      ``{d,g}/TERM`` (as last evaluated, unweighted), and the values of all feedbacks,
      ``feedback/PATH``, each ``()`` float32.

    Raises:
      ConfigError: on the first call, if examples, scores or losses do not have the shapes that
        `Gan` requires; and for a state that was donated before.
    """
    checks.batch(batch)
    state, metrics = _step(gan, state, batch, axis_name)
    return _placed(state, placement), metrics


@donates_state("gan", "placement")
def train_steps(
    gan: Gan, state: GanState, data: Resident, n: int, placement: Placement | None = None
) -> tuple[GanState, Metrics]:
    """``n`` steps in one compiled loop, on a training set on the device.

    Args:
      gan, state, placement: as for `train_step`.
      data: from `gan_jax.resident`; step ``i`` takes batch ``i`` of `gan_jax.batches`.
      n: number of steps, at least 1; traced, so any number reuses one compilation.

    Returns:
      The state after ``n`` calls of `train_step`, and the means of their metrics over the ``n``
      steps, ``()`` float32: not finite if any was not.
    """

    def step(_, state: GanState) -> tuple[GanState, Metrics]:
        state, metrics = _step(gan, state, batch_at(data, state.step), None)
        return _placed(state, placement), metrics

    state, sums = _repeated(step, n, state)
    return _placed(state, placement), jax.tree.map(lambda total: total / n, sums)


@functools.partial(jax.jit, static_argnames=("gan", "axis_name"), inline=True)
def _step(
    gan: Gan, state: GanState, batch: Batch, axis_name: str | None
) -> tuple[GanState, Metrics]:
    """`train_step` without its checks. Compiled for its cache of traces alone: the check of a GAN
    before compilation, `train_step` and `train_steps` trace it once between them.
    """
    with batch_axis.shared(axis_name):
        return _turns(gan, state, batch)


def _turns(gan: Gan, state: GanState, batch: Batch) -> tuple[GanState, Metrics]:
    gan = scalars.bind(gan, state.scalars, state.step)
    key = jax.random.fold_in(state.key, state.step)
    n = len(jax.tree.leaves(batch)[0]) - gan.turns.fresh  # minibatches for D
    checks.minibatches(n)

    def update(players: Pair, i: Array, minibatch: Array, d_count: Array) -> Update:
        own = jax.random.fold_in(key, i)
        read = jax.tree.map(lambda a: a[minibatch], batch)
        real = prepared(gan, state.frozen, read, own)
        counts = Pair(state.step, state.step * n + d_count)
        return Update(gan, players, real, own, counts, state.frozen)

    def turn(side: int, update: Update) -> tuple[Pair, Metrics]:
        (slope,), (players, metrics) = gradients(update, side)
        own = _moved(gan.players[side], players[side], players[side], slope)
        return players.put(side, own), metrics

    def turn_of_both(update: Update) -> tuple[Pair, Metrics]:
        def field(point: Pair) -> tuple[Pair, Computed]:
            slopes, computed = gradients(update._replace(players=point), G, D)
            return Pair(*slopes), computed

        move, numbers = functools.partial(moved, gan), gan.dynamics.numbers or {}
        point, (players, metrics) = gan.dynamics.step(field, move, update.players, **numbers)
        weights = lambda own, at: own.replace(params=at.params, opt_state=at.opt_state)
        return Pair(*map(weights, players, point)), metrics

    # D is updated first, on one minibatch after another. With simultaneous updates, the last
    # minibatch is for both players.
    d_turn = lambda i, players: turn(D, update(players, i, i, i))
    g_turn = lambda i, players: turn(G, update(players, n + i, -1, 0))
    d_times, g_times = _times(gan.turns.d, n), _times(gan.turns.g)
    if gan.dynamics is None:
        point, d_sums = _repeated(d_turn, d_times, state.players)
        point, g_sums = _repeated(g_turn, g_times, point)
        mean = lambda sums, n: {name: total / n for name, total in sums.items()}
        metrics = mean(g_sums, g_times) | mean(d_sums, d_times)
    else:
        point, d_sums = _repeated(d_turn, d_times - 1, state.players)
        point, metrics = turn_of_both(update(point, n - 1, -1, n - 1))
        metrics |= {name: (d_sums[name] + metrics[name]) / d_times for name in d_sums}

    images = len(jax.tree.leaves(batch)[0][0]) * batch_axis.devices()
    point = _look_ahead(gan, state.step, point)
    players = [
        _averaged(player, own, state.step, images)
        for player, own in zip(gan.players, point, strict=True)
    ]
    numbers = scalars.after(state.scalars, metrics, state.step)
    metrics |= scalars.moving(gan, state.scalars)
    return GanState(state.step + 1, state.key, *players, numbers, state.frozen), metrics


def moved(gan: Gan, origin: Pair, last: Pair, slopes: Pair) -> Pair:
    """The players of ``origin`` after a step of both optimizers from their states at ``last``."""
    slopes = batch_axis.mean(slopes)  # an update rule may differentiate per device
    return Pair(*map(_moved, gan.players, origin, last, slopes))


def _moved(player: Player, origin: PlayerState, last: PlayerState, slope: PyTree) -> PlayerState:
    """``origin`` after a step of its optimizer from its state at ``last``; clipped if bounded."""
    updates, opt_state = player.optimizer.update(slope, last.opt_state, origin.params)
    params = optax.apply_updates(origin.params, updates)
    if (bound := player.clip) is not None:
        params = jax.tree.map(lambda w: jnp.clip(w, -bound, bound), params)
    return origin.replace(params=params, opt_state=opt_state)


def _look_ahead(gan: Gan, step: Array, point: Pair) -> Pair:
    """Every ``gan.lookahead`` steps, moves both players back towards their weights after the last
    lookahead (Chavdarova et al. 2021, algorithm 1).
    """
    if not gan.lookahead:
        return point

    def back(slow: PyTree, fast: PyTree) -> tuple[PyTree, PyTree]:
        kept = jax.tree.map(lambda s, f: s + gan.lookahead_rate * (f - s), slow, fast)
        return kept, kept

    due = (step + 1) % gan.lookahead == 0
    slow, fast = (Pair(*(getattr(p, name) for p in point)) for name in ("slow", "params"))
    slow, fast = jax.lax.cond(due, back, lambda slow, fast: (slow, fast), slow, fast)
    return Pair(*(p.replace(slow=s, params=f) for p, s, f in zip(point, slow, fast, strict=True)))


def _averaged(player: Player, state: PlayerState, step: Array, images: int) -> PlayerState:
    """Updates the EMA after ``images`` more images: it keeps ``0.5^(images / half-life)`` of the
    old average and takes the rest from the new weights.
    """
    if state.average is None:
        return state
    half_life = player.average
    if player.warm_up is not None:
        half_life = jnp.minimum(half_life, player.warm_up * ((step + 1) * jnp.float32(images)))
    keep = 0.5 ** (images / jnp.maximum(half_life, 1e-9))  # a half-life of 0 keeps nothing
    mix = lambda old, new: keep * old + (1 - keep) * new
    new = state.variables()
    average = {
        name: new[name] if name in player.copied else jax.tree.map(mix, old, new[name])
        for name, old in state.average.items()
    }
    return state.replace(average=average)


def _times(turns: Array | None, most: int | None = None) -> int | Array:
    """The number of updates of a player: the current value of its scalar, or ``most``, or 1."""
    if turns is None:
        return 1 if most is None else most
    return jnp.clip(jnp.round(turns), 1, most).astype(jnp.int32)


def _repeated(turn: Callable, n: int | Array, carry) -> tuple:
    """``carry`` after ``turn(i, carry) -> (carry, metrics)`` for ``i < n``; sums of the metrics."""
    if type(n) is int and n <= 1:
        return turn(0, carry) if n else (carry, {})

    turn = jax.jit(turn, inline=True)  # traced once for the shapes and the loop

    def again(i, carried):
        carry, sums = carried
        carry, metrics = turn(i, carry)
        return carry, jax.tree.map(jnp.add, sums, metrics)

    shapes = jax.eval_shape(turn, jnp.int32(0), carry)[1]
    zeros = jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), shapes)
    return jax.lax.fori_loop(jnp.int32(0), n, again, (carry, zeros))


def _placed(state: GanState, placement: Placement | None) -> GanState:
    return state if placement is None else placement.constrain(state)
