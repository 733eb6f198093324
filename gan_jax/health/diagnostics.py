"""Diagnostics of a training state: a few metrics for one log line, from the state and one
minibatch.

`diagnose` is a pure function, so a resumed run logs the same as an uninterrupted one.
`gan_jax.health.monitor` raises alarms based on the metrics.
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
from gan_jax.health.loudness import loudness
from gan_jax.modality import Modality, Sounds
from gan_jax.nn.spectral import SIGMAS
from gan_jax.types import Array, Batch, D, G, GanState, Metrics, Pair, PyTree

PREFIX = "diagnostics/"
"""The prefix of the names of all diagnostics."""


@functools.partial(jax.jit, static_argnames="gan")
def diagnose(gan: Gan, state: GanState, batch: Batch, held_out: Batch | None = None) -> Metrics:
    """Measures a state on the first minibatch of a batch, with the random numbers of the next step.
    The state does not change.

    Networks run in training mode. Gradients are those of both objectives at the same weights, from
    one forward pass, whatever the update rule and without memories of earlier fakes. A lazy
    regularizer enters with its plain weight, so that no metric depends on the phase of the step.

    Args:
      gan: static, as for `train_step`.
      state: not donated.
      batch: as for `train_step`.
      held_out: examples that D is never trained on, shaped like ``batch``; the first minibatch is
        used.

    Returns:
      Metrics ``()`` float32, whose names begin with `PREFIX`:

      - ``{g,d}_grad_norm``: Euclidean norm of the player's gradient.
      - ``{g,d}_grad_cosine``: cosine between this gradient and the gradient after one simultaneous
        step of both optimizers, on the same minibatch, latents and noise: near 1 if the step is
        short relative to the curvature, negative if it overshoots or the players circle.
      - ``d_accuracy_{real,fake,held_out}``: fraction of the scores on the correct side of 0.
      - ``d_ranking``: fraction of (real, fake) pairs that D ranks correctly: 0.5 is chance, 1 means
        full separation. Unlike the accuracies, it does not depend on the zero of the scores.
      - ``d_score_{real,fake,held_out}``, ``..._std``: mean and standard deviation of the scores.
      - ``d_sigma_max``, ``d_sigma/LAYER``: the largest singular values of D's weights, as estimated
        by spectral normalization; only for layers that use it.
      - ``ema_distance``: ``|w - w_ema| / |w|`` over all parameters of G; only with an EMA.
      - ``diversity``: see `diversity`.
      - of sounds, also those of `gan_jax.health.loudness.loudness`.
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
        **_loudness(gan.modality, fakes, update.real.x),
        "diversity": diversity(_flat(fakes), _flat(update.real.x), labels),
    }
    if state.generator.average is not None:
        average = state.generator.average["params"]
        metrics["ema_distance"] = _distance(state.generator.params, average)
    return {PREFIX + name: jnp.float32(value) for name, value in metrics.items()}


def scores(update: Update, held_out: Batch | None) -> tuple[PyTree, Array, Array, Array | None]:
    """Fakes and the scores ``[b, ...]`` of real and fake examples, as the objectives see them.

    The last result is the scores of a held-out minibatch that replaces the real one, with the same
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
    """A copy of the GAN with all terms applied at every step and without memories of fakes."""
    every = lambda term: dataclasses.replace(term, every=1)
    plain = lambda player: dataclasses.replace(
        player, terms=tuple(map(every, player.terms)), memory=None
    )
    players = {"generator": plain(gan.generator), "discriminator": plain(gan.discriminator)}
    return dataclasses.replace(gan, **players)


def _flat(x: PyTree) -> Array:
    """Flattened examples ``[b, n]``."""
    return jnp.concatenate([a.reshape(len(a), -1) for a in jax.tree.leaves(x)], axis=1)


def diversity(fake: Array, real: Array, labels: Array | None = None) -> Array:
    """Mean Euclidean distance between two fakes, relative to that between two real examples: ``mean
    |f_i - f_j| / mean |r_i - r_j|``, i < j.

    Args:
      fake, real: ``[b, ...]``.
      labels: ``[b]``, of both. If given, only pairs with the same label count (if there are any),
        so that images that depend only on the label are not considered diverse.

    Returns:
      ``()`` float32: near 1 for samples as diverse as the data, 0 if all samples are equal.
    """
    b = len(fake)
    pairs = ~jnp.eye(b, dtype=bool)
    if labels is not None:
        same = pairs & (labels[:, None] == labels[None, :])
        pairs = jnp.where(same.any(), same, pairs)
    mean = lambda x: jnp.sum(jnp.where(pairs, _distances(x), 0)) / jnp.maximum(pairs.sum(), 1)
    return mean(fake) / jnp.maximum(mean(real), jnp.finfo(jnp.float32).tiny)


def _distances(x: Array) -> Array:
    """Euclidean distances ``[b, b]`` of ``[b, ...]`` from inner products, centred for accuracy if
    all examples are close.
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
    """The classes that a classifier finds in samples.

    Args:
      gan, state: as for `generate`; samples come from the EMA generator.
      network, variables: a trained classifier, ``(x, *, train) -> (features, logits [n, k])``.
      latents, labels: as for `generate`.

    Returns:
      Metrics ``()`` float32: ``diagnostics/classes_seen``, the number of classes found;
      ``diagnostics/class_entropy``, the entropy of the class frequencies in nats (``ln k`` is
      uniform); and ``diagnostics/class_share_max``, the largest frequency.
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
    """Norms of both gradients, and their cosines with the gradients after one step; a loop, so that
    the gradients are compiled once.
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
    """The cosine between two trees as vectors; 0 if one vanishes."""
    a, b = (jax.tree.map(lambda g: g / jnp.maximum(optax.tree.norm(t), 1e-30), t) for t in (a, b))
    return optax.tree.vdot(a, b)


def _judgement(real: Array, fake: Array, held_out: Array | None) -> Metrics:
    """Accuracies, means and standard deviations of scores ``[b, ...]``."""
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


def _loudness(modality: Modality, fake: PyTree, real: PyTree) -> Metrics:
    """That of sounds, from examples as networks see them."""
    sounds = modality.represented
    if not isinstance(sounds, Sounds):
        return {}
    return loudness(*(modality.restored(x)[..., 0] for x in (fake, real)), sounds.rate)


def _sigmas(gan: Gan, state: GanState, real: Batch) -> Metrics:
    """The largest singular value of each spectrally normalized weight of D; the compiler removes
    the rest of the forward pass.
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
