"""What a training state says of its own health: a few numbers for one log line, from the state and
one minibatch.

`diagnose` is a pure function that keeps nothing, so a resumed run logs what an uninterrupted one
logs. `gan_jax.health.monitor` draws conclusions from the numbers.
"""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict

from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, prepared
from gan_jax.engine.objectives import PREFIXES, Update, play
from gan_jax.engine.train_step import moved
from gan_jax.engine.trained import generate
from gan_jax.engine.update import gradients, part_of, parts_of
from gan_jax.nn.spectral import SIGMAS
from gan_jax.types import Array, Batch, D, G, GanState, Metrics, Pair, PyTree

PREFIX = "diagnostics/"
"""Of the names of all that is measured here."""


@functools.partial(jax.jit, static_argnames="gan")
def diagnose(gan: Gan, state: GanState, batch: Batch, held_out: Batch | None = None) -> Metrics:
    """Measures a state on the first minibatch of a batch, with the random numbers of the state's
    next step. Nothing is kept.

    Networks run in training mode. Gradients are those of both objectives at the same weights, from
    one forward pass, whatever the dynamics and without memories of earlier fakes; a term that is
    due at every n-th step only takes part with its plain weight, so that no number depends on the
    phase of the step.

    Args:
      gan: static, as for `train_step`.
      state: not donated.
      batch: as for `train_step`.
      held_out: examples that D never learns from, shaped like ``batch``; also the first minibatch.

    Returns:
      By name, each ``()`` float32, names beginning with `PREFIX`:

      ``{g,d}_grad_norm``: Euclidean norm of the player's gradient. ``{g,d}_grad_cosine``: of the
      angle between it and the gradient after one simultaneous step of both optimizers, on the same
      minibatch, latents and noise: 1 where the landscape looks flat to a step, negative where the
      step overshoots or turns. ``d_accuracy_{real,fake,held_out}``: share of the scores on the
      right side of 0. ``d_ranking``: share of the pairs of a real and a fake example in which the
      real one has the higher score: 0.5 where D tells nothing, 1 where it separates all; unlike the
      accuracies it does not depend on where a loss puts its zero. ``d_score_{real,fake,held_out}``,
      ``..._std``: mean and standard deviation of the scores. ``d_sigma_max``, ``d_sigma/LAYER``:
      the largest singular values of D's weights, as spectral normalization estimates them.
      ``ema_distance``: ``|w - w_ema| / |w|`` over all of G's parameters; where a moving average is
      kept. ``diversity``: see `diversity`.

      Those of held-out examples only with ``held_out``, singular values only of layers with
      spectral normalization.
    """
    gan = scalars.bind(_plain(gan), state.scalars, state.step)
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), 0)
    first = lambda batch: jax.tree.map(lambda a: a[0], batch)
    seen = lambda batch: prepared(gan, state.frozen, first(batch), key)
    players = Pair(*(player.replace(memory=None) for player in state.players))
    counts = Pair(state.step, state.step)
    update = Update(gan, players, seen(batch), key, counts, state.frozen)
    fakes, *judged = scores(update, held_out and seen(held_out))
    labels = update.real.y if gan.num_classes else None
    metrics = {
        **_gradients(update),
        **_judgement(*judged),
        **_sigmas(gan, state, update.real),
        "diversity": diversity(_flat(fakes), _flat(update.real.x), labels),
    }
    if state.generator.average is not None:
        average = state.generator.average["params"]
        metrics["ema_distance"] = _distance(state.generator.params, average)
    return {PREFIX + name: jnp.float32(value) for name, value in metrics.items()}


def scores(update: Update, held_out: Batch | None) -> tuple[PyTree, Array, Array, Array | None]:
    """Fakes and the scores ``[b, ...]`` of real and fake examples, as the objectives see them.

    Last come the scores of a held-out minibatch in the place of the real one, beside the same
    fakes; None without one.
    """

    def of_part(part: Update, held_out: Batch | None):
        played = play(part, G)
        unseen = held_out and play(part._replace(real=held_out), G).real_critique.score
        return played.fake.x, played.real_critique.score, played.fake_critique.score, unseen

    whole, numbers, divided = parts_of(update)
    if len(numbers) == 1:
        return of_part(whole, held_out)
    others = held_out and parts_of(update._replace(real=held_out))[2][1]

    def one(inputs):
        i, examples, other = inputs
        return of_part(part_of(whole, i, examples, whole.players), other)

    seen = jax.lax.map(one, (numbers, divided, others))
    return jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1).reshape(-1, *a.shape[2:]), seen)


def _plain(gan: Gan) -> Gan:
    """The same GAN with all terms due at every update, and players that see the present fakes."""
    every = lambda term: dataclasses.replace(term, every=1)
    plain = lambda player: dataclasses.replace(
        player, terms=tuple(map(every, player.terms)), memory=None
    )
    players = {"generator": plain(gan.generator), "discriminator": plain(gan.discriminator)}
    return dataclasses.replace(gan, **players)


def _flat(x: PyTree) -> Array:
    """All numbers of each example, ``[b, n]``."""
    return jnp.concatenate([a.reshape(len(a), -1) for a in jax.tree.leaves(x)], axis=1)


def diversity(fake: Array, real: Array, labels: Array | None = None) -> Array:
    """Mean Euclidean distance of two fake examples, relative to that of two real ones: ``mean |f_i
    - f_j| / mean |r_i - r_j|``, i < j.

    Args:
      fake, real: ``[b, ...]``.
      labels: ``[b]``, of both; only pairs of one label then count, if there are any, so that images
        which depend on the label alone are not taken for diverse.

    Returns:
      ``()`` float32: near 1 for samples as diverse as the data, 0 where all are the same.
    """
    b = len(fake)
    pairs = ~jnp.eye(b, dtype=bool)
    if labels is not None:
        same = pairs & (labels[:, None] == labels[None, :])
        pairs = jnp.where(same.any(), same, pairs)
    mean = lambda x: jnp.sum(jnp.where(pairs, _distances(x), 0)) / jnp.maximum(pairs.sum(), 1)
    return mean(fake) / jnp.maximum(mean(real), jnp.finfo(jnp.float32).tiny)


def _distances(x: Array) -> Array:
    """Euclidean distances ``[b, b]`` of ``[b, ...]`` by their inner products, around the mean for
    accuracy where all are close.
    """
    x = x.reshape(len(x), -1).astype(jnp.float32)
    x = x - x.mean(0, keepdims=True)
    products = jnp.matmul(x, x.T, precision=jax.lax.Precision.HIGHEST)
    squares = jnp.diagonal(products)
    return jnp.sqrt(jnp.maximum(squares[:, None] + squares[None, :] - 2 * products, 0))


@functools.partial(jax.jit, static_argnames=("gan", "network"))
def recognized_classes(
    gan: Gan, network: nn.Module, state: GanState, variables: PyTree, latents: Array, labels: Array
) -> Metrics:
    """Which classes a recognizer sees in samples.

    Args:
      gan, state: as for `generate`; samples come from the moving average.
      network, variables: a trained classifier, ``(x, *, train) -> (features, logits [n, k])``.
      latents, labels: of the samples, as `generate` takes them.

    Returns:
      Each ``()`` float32: ``diagnostics/classes_seen``, the number of classes that at least one
      sample is recognized as, ``diagnostics/class_entropy`` of their shares, in nats (``ln k``
      where all are equal), and ``diagnostics/class_share_max``.
    """
    _, logits = network.apply(variables, generate(gan, state, latents, labels), train=False)
    shares = jnp.mean(jax.nn.one_hot(logits.argmax(-1), logits.shape[-1]), axis=0)
    metrics = {
        "classes_seen": jnp.float32((shares > 0).sum()),
        "class_entropy": jax.scipy.special.entr(shares).sum(),
        "class_share_max": shares.max(),
    }
    return {PREFIX + name: value for name, value in metrics.items()}


def _gradients(update: Update) -> Metrics:
    """Norms of both gradients, and cosines with those after one step, in a loop so that the
    gradients are compiled once.
    """

    def step(point: Pair, _):
        slopes, _ = gradients(update._replace(players=point), G, D)
        slopes = Pair(*slopes)
        return moved(update.gan, point, point, slopes), slopes

    _, both = jax.lax.scan(step, update.players, length=2)
    before, after = (jax.tree.map(lambda g: g[i], both) for i in (0, 1))
    metrics = {}
    for name, a, b in zip(PREFIXES, before, after, strict=True):
        metrics[f"{name}_grad_norm"] = optax.tree.norm(a)
        metrics[f"{name}_grad_cosine"] = _cosine(a, b)
    return metrics


def _cosine(a: PyTree, b: PyTree) -> Array:
    """Of the angle between two trees as vectors; 0 where one vanishes."""
    a, b = (jax.tree.map(lambda g: g / jnp.maximum(optax.tree.norm(t), 1e-30), t) for t in (a, b))
    return optax.tree.vdot(a, b)


def _judgement(real: Array, fake: Array, held_out: Array | None) -> Metrics:
    """Accuracies, means and spreads of scores ``[b, ...]``."""
    metrics = {
        "d_accuracy_fake": jnp.mean(fake < 0),
        "d_ranking": jnp.mean(real.reshape(-1, 1) > fake.reshape(1, -1)),
        "d_score_fake": fake.mean(),
        "d_score_fake_std": fake.std(),
    }
    for name, genuine in (("real", real), ("held_out", held_out)):
        if genuine is not None:
            metrics[f"d_accuracy_{name}"] = jnp.mean(genuine > 0)
            metrics[f"d_score_{name}"] = genuine.mean()
            metrics[f"d_score_{name}_std"] = genuine.std()
    return metrics


def _sigmas(gan: Gan, state: GanState, real: Batch) -> Metrics:
    """The largest singular value of each weight of D that spectral normalization divides by it;
    only that of D's call is computed.
    """
    first = jax.tree.map(lambda a: a[:1], real)
    _, left = gan.discriminator.network.apply(
        state.discriminator.variables(), *first, train=False, mutable=[SIGMAS],
        **(gan.discriminator.numbers or {}),
    )  # fmt: skip
    sigmas = {path[-1]: sigma for path, sigma in flatten_dict(left.get(SIGMAS, {})).items()}
    if not sigmas:
        return {}
    by_layer = {f"d_sigma/{path.removesuffix('/kernel')}": sigma for path, sigma in sigmas.items()}
    return by_layer | {"d_sigma_max": jnp.max(jnp.stack(list(sigmas.values())))}


def _distance(weights: PyTree, average: PyTree) -> Array:
    return optax.tree.norm(jax.tree.map(jnp.subtract, weights, average)) / optax.tree.norm(weights)
