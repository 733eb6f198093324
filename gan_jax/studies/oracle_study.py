"""The study of oracles: trains the generators that are missing, measures them, writes the table."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from gan_jax import pacing
from gan_jax.data import from_arrays
from gan_jax.data.oracle import LENGTH, Oracle
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.train_step import train_steps
from gan_jax.engine.trained import generate
from gan_jax.files import write
from gan_jax.metrics.estimate import Estimate, mean
from gan_jax.runs.lines import Line, Lines
from gan_jax.sampling.temperature import at_temperature
from gan_jax.studies.oracle_methods import BATCH, METHODS, Method, by_likelihood
from gan_jax.studies.oracle_options import Options
from gan_jax.types import Batch, GanState

TEXTS = 10_000
"""Texts of the training set of each oracle."""
TRAIN, TEST = 0, 1
"""Seeds of both sets of an oracle's texts."""
CALL_SECONDS = 2.0
BLOCK = 500
"""Texts that G draws or scores at once."""
SCORES = {
    "kl": "KL(G \\|\\| oracle)",
    "kl_reverse": "KL(oracle \\|\\| G)",
    "nll_excess": "NLL_oracle - entropy",
    "distinct": "distinct",
}
PUBLISHED = """\
Published NLL_oracle, 5,000 words, length 20, one oracle: MLE 9.038, SeqGAN 8.736 (Yu et al. 2017),
RankGAN 8.247, LeakGAN 7.038, RelGAN 6.680 (Nie et al. 2019); its entropy is 5.75. NLL_oracle alone
does not show which generator is best: texts of that oracle at temperature 0.5 score 3.28, far below
its entropy, so that any generator that sharpens wins. Papers take one oracle, not the same one, and
report no interval.
"""


class Study:
    """Its results so far, in ``folder``.

    Raises:
      ConfigError: for a folder of other results.
    """

    def __init__(self, options: Options, methods: tuple[str, ...]):
        self.options, self.methods, self.folder = options, methods, options.workdir
        kept = dataclasses.asdict(options)
        for name in ("workdir", "methods", "oracles", "seeds"):  # these may grow
            del kept[name]
        self.lines = Lines(self.folder, kept)

    def run(self) -> None:
        """Trains and measures what is missing, then writes the table."""
        options = self.options
        # The methods of one oracle and seed follow each other, and begin with the same weights.
        cells = itertools.product(range(options.oracles), range(options.seeds), self.methods)
        missing = [cell for cell in cells if not self._has(*cell)]
        with tqdm(missing, unit=" GANs", desc="oracle", disable=None, dynamic_ncols=True) as bar:
            for oracle, seed, name in bar:
                bar.set_postfix_str(f"{name}, oracle {oracle}, seed {seed}")
                gan, state, seconds = trained(METHODS[name], oracle, seed, options)
                about = {"method": name, "oracle": oracle, "seed": seed}
                about |= {"seconds": round(seconds, 1)}
                for temperature in METHODS[name].temperatures:
                    found = measured(gan, state, options, oracle, temperature)
                    self.lines.add(about | {"temperature": temperature} | found)
                    bar.write(_described(self.lines.lines[-1]), file=sys.stdout)
                sys.stdout.flush()
        text = table(self.lines.lines, self._entropies(), options)
        write(self.folder / "results.md", text)
        print(f"{text}\nwritten: {self.folder / 'results.md'}")

    def _has(self, oracle: int, seed: int, name: str) -> bool:
        own = [(x["oracle"], x["seed"], x["method"]) for x in self.lines.lines]
        return own.count((oracle, seed, name)) == len(METHODS[name].temperatures)

    def _entropies(self) -> list[Estimate]:
        return [_real(self.options, oracle)[2] for oracle in range(self.options.oracles)]


@functools.lru_cache(maxsize=1)
def _texts(words: int, oracle: int) -> np.ndarray:
    """The training set of an oracle."""
    return Oracle(words, oracle).draw(TEXTS, TRAIN, LENGTH)


@functools.lru_cache(maxsize=8)
def _real(options: Options, oracle: int) -> tuple[np.ndarray, np.ndarray, Estimate]:
    """Other texts of an oracle, the mean log-probability of the tokens of each, and its entropy in
    nats a token.
    """
    own = Oracle(options.words, oracle)
    texts = own.draw(options.samples, TEST, LENGTH)
    log_prob = own.log_prob(texts).mean(axis=1)
    return texts, log_prob, mean(-log_prob)


def trained(
    method: Method, oracle: int, seed: int, options: Options
) -> tuple[Gan, GanState, float]:
    """A generator after maximum likelihood, if the method begins with it, and the game, if it has
    one, and the seconds of both.

    Raises:
      FloatingPointError: if it diverged.
    """
    gan, state, seconds, weights = None, None, 0.0, None
    if method.pretrained is not None:
        gan, state, seconds = _by_likelihood(method.pretrained, oracle, seed, options)
        weights = jax.tree.map(jnp.copy, state.generator.params)  # steps overwrite them
    if method.discriminator is not None:
        began = time.perf_counter()
        gan = method.game((LENGTH, options.words), options.steps)
        texts = _texts(options.words, oracle)
        state = _after(gan, texts, seed, options.steps, method.d_steps, weights)
        seconds += time.perf_counter() - began
    return gan, state, seconds


@functools.lru_cache(maxsize=16)
def _by_likelihood(
    generator: Callable[..., nn.Module], oracle: int, seed: int, options: Options
) -> tuple[Gan, GanState, float]:
    """A generator after maximum likelihood, which is the same for all methods that begin with it,
    and the seconds.
    """
    began = time.perf_counter()
    gan = by_likelihood(generator((LENGTH, options.words)))
    texts = _texts(options.words, oracle)
    state = _after(gan, texts, seed, options.likelihood_steps, 1, None)
    return gan, state, time.perf_counter() - began


def _after(
    gan: Gan, texts: np.ndarray, seed: int, steps: int, d_steps: int, weights: Any
) -> GanState:
    """The state after a training of G from the given weights, if there are any."""
    labels = np.zeros(len(texts), np.int32)
    data = from_arrays(texts, labels, seed, batch_size=BATCH, d_steps=d_steps)
    like = Batch(
        jnp.zeros((d_steps, BATCH, texts.shape[1]), jnp.int32),
        jnp.zeros((d_steps, BATCH), jnp.int32),
    )
    state = init_state(gan, jax.random.key(seed), like)
    if weights is not None:
        state = state.replace(generator=state.generator.replace(params=weights))
    for n in pacing.calls(0, steps, CALL_SECONDS):
        state, metrics = jax.block_until_ready(train_steps(gan, state, data, n))
        if not all(np.isfinite(value) for value in metrics.values()):
            raise FloatingPointError(f"a metric was not finite within {int(state.step):,} steps")
    return state


def measured(
    gan: Gan, state: GanState, options: Options, oracle: int, temperature: float
) -> dict[str, list[float]]:
    """Each of `SCORES` with its 95% interval over the texts, if it has one."""
    gan, state = at_temperature(gan, state, temperature)
    language, n = Oracle(options.words, oracle), options.samples
    real, real_log_prob, entropy = _real(options, oracle)
    z = gan.prior.draw(jax.random.key(TEST), n)
    y = jnp.zeros(n, jnp.int32)
    blocks = [slice(i, i + BLOCK) for i in range(0, n, BLOCK)]
    # Token 0 is a word here, and does not end a text as in `Text.to_stored`.
    draw = lambda rows: np.asarray(generate(gan, state, z[rows], y[rows]).argmax(-1), np.int32)
    texts = np.concatenate([draw(rows) for rows in blocks])
    score = lambda texts: np.concatenate(
        [np.asarray(_log_prob(gan, state, texts[rows]), np.float64).mean(1) for rows in blocks]
    )
    true = language.log_prob(texts).mean(axis=1)
    found = {
        "kl": mean(score(texts) - true),
        "kl_reverse": mean(real_log_prob - score(real)),
        "nll_excess": mean(-true - entropy.value),
        "distinct": Estimate(len(np.unique(texts, axis=0)) / n),
    }
    known = lambda estimate: [float(value) for value in estimate if not np.isnan(value)]
    return {name: known(estimate) for name, estimate in found.items()}


def _log_prob(gan: Gan, state: GanState, texts: np.ndarray) -> jax.Array:
    x = gan.modality.to_network(jnp.asarray(texts))
    return generate(gan, state, x, jnp.zeros(len(texts), jnp.int32), method="log_prob")


def _described(line: Line) -> str:
    shown = " ".join(f"{name} {line[name][0]:.3f}" for name in SCORES)
    about = f"{line['method']:16} at {line['temperature']:g}, oracle {line['oracle']}"
    return f"{about}, seed {line['seed']}: {shown}, {line['seconds']:.0f} s"


def table(lines: list[Line], entropies: list[Estimate], options: Options) -> str:
    """Markdown: the means of all generators of a method, with Student's 95% intervals."""
    groups: dict[tuple[str, float], list[Line]] = {}
    for line in sorted(lines, key=lambda line: list(METHODS).index(line["method"])):
        groups.setdefault((line["method"], line["temperature"]), []).append(line)
    rows = []
    for (name, temperature), own in groups.items():
        shown = [_cell(mean([line[score][0] for line in own])) for score in SCORES]
        title = METHODS[name].title + (f", temperature {temperature:g}" if temperature != 1 else "")
        rows.append(f"| {title} | {len(own)} | {' | '.join(shown)} |")
    entropy = ", ".join(
        f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]" for value in entropies
    )
    return "\n".join([
        f"Oracles of {options.words:,} words, texts of {LENGTH} tokens, {TEXTS:,} of them for "
        f"training, {options.samples:,} measured; nats a token, with 95% intervals over "
        f"generators. Entropies of the oracles: {entropy}.",
        "",
        f"| method | generators | {' | '.join(SCORES.values())} |",
        f"| --- | ---: |{' ---: |' * len(SCORES)}",
        *rows,
        "| the oracle itself | | 0 | 0 | 0 | |",
        "",
        PUBLISHED,
    ])  # fmt: skip


def _cell(value: Estimate) -> str:
    if np.isnan(value.low):
        return f"{value.value:.3f}"
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
