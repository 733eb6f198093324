"""The evaluation of a GAN: scores in the features of a recognizer, and pictures to look at."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe, load, some
from gan_jax.data.splits import held_out_split, train_and_test
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.evaluation import classifying
from gan_jax.evaluation import pictures as evaluation_pictures
from gan_jax.evaluation.extremes import extremes
from gan_jax.evaluation.pictures import generated
from gan_jax.evaluation.truncation import SAMPLES, truncation_curve
from gan_jax.metrics import (
    BASIC,
    METRICS,
    Estimate,
    Inputs,
    Protocol,
    Sample,
    left_out,
    measure,
    parse,
)
from gan_jax.recognizers import SMALL_CNN, FeatureNetwork, RecognizerConfig, real_sample
from gan_jax.recognizers.feature_networks import DEFAULT, choose
from gan_jax.runs import folder as run_folder
from gan_jax.sampling.draw import Filters, latents
from gan_jax.types import GanState

NUM_SAMPLES = 2_000
"""Samples drawn where nothing else says how many."""
MIN_TEST_IMAGES = 1_000
"""A smaller test split is no reference for the Frechet distance, whose bias goes with 1/n; the
training split is.
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured, of which samples, through what. Scores of equal settings can be compared.

    ``num_samples``: None for the largest number of the protocols, or `NUM_SAMPLES` without any.
    ``seed``: determines the latents, and chance where a metric needs it. ``metrics``: protocols
    such as ``fid10k,kid10k``. ``features``: one of `FEATURES`. ``truncation``: latents are drawn
    within [-truncation, truncation].
    """

    num_samples: int | None = None
    seed: int = 0
    metrics: str | None = None
    features: str = DEFAULT
    truncation: float | None = None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Raises `ConfigError` as `gan_jax.metrics.parse`."""
        return () if self.metrics is None else parse(self.metrics)

    @property
    def count(self) -> int:
        """How many samples are drawn."""
        asked = max((protocol.count for protocol in self.protocols), default=NUM_SAMPLES)
        return asked if self.num_samples is None else self.num_samples

    @property
    def suffix(self) -> str:
        """What the names of the files have in addition where the settings are not the default: each
        such setting, in this order.
        """
        parts = [
            "-".join(protocol.name for protocol in self.protocols),
            f"n{self.count}" if not self.protocols and self.count != NUM_SAMPLES else "",
            self.features if self.features != DEFAULT else "",
            f"psi{self.truncation}" if self.truncation is not None else "",
            f"seed{self.seed}" if self.seed else "",
        ]
        return "".join(f"_{part}" for part in parts if part)


DEFAULT_SETTINGS = Settings()


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured, of what, and what it looks like.

    ``scores``: of the samples by metric, each a number or one per class name. ``real``: the same of
    the real test images against the training images, the yardstick. ``left_out``: why, by metric, a
    score is missing. ``pictures``: ``[H, W, c]`` uint8 by name. ``intervals``, ``real_intervals``:
    the 95 % interval ``[low, high]`` of each score, None where an end is not known or infinite.
    ``protocols``: by protocol and score ``[value, low, high]``, or one such list per class name.
    ``extremes``: what the samples in the pictures of the worst and the best were ranked by.
    ``truncation``: as of `gan_jax.evaluation.truncation.truncation_curve`.
    """

    step: int
    scores: dict[str, Any]
    real: dict[str, Any]
    left_out: dict[str, str]
    provenance: dict[str, Any]
    pictures: dict[str, np.ndarray]
    intervals: dict[str, Any] = dataclasses.field(default_factory=dict)
    real_intervals: dict[str, Any] = dataclasses.field(default_factory=dict)
    protocols: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    extremes: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    truncation: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def evaluate(
    gan: Gan,
    state: GanState,
    config: Config,
    *,
    num_samples: int | None = None,
    seed: int = 0,
    metrics: str | None = None,
    features: str = DEFAULT,
    truncation: float | None = None,
    recognizer_config: RecognizerConfig = SMALL_CNN,
) -> Evaluation:
    """Draws samples from the generator's moving average and compares them with real images.

    On first use this trains a recognizer on the data set's training split, which is then kept in
    the user's cache.

    Args:
      gan, state: as of `gan_jax.load`.
      config: the GAN's own; says which data it learned from.
      num_samples, seed, metrics, features, truncation: `Settings`; a conditional GAN draws its
        classes in equal shares.
      recognizer_config: how the recognizer is made.

    Raises:
      ConfigError: as `Judge`.
    """
    settings = Settings(num_samples, seed, metrics, features, truncation)
    return Judge(gan, config, settings, recognizer_config).evaluate(gan, state)


class _Real(NamedTuple):
    """``reference``: what samples are compared with. ``training``, ``held_out``: as in `Inputs`,
    where a protocol needs them.

    ``yardstick``: scores of the real test images. ``splits``: which real images are what, for the
    provenance.
    """

    network: FeatureNetwork
    reference: Sample
    training: Sample | None
    held_out: Sample | None
    yardstick: dict[str, Estimate]
    splits: dict[str, Any]


class Judge:
    """Evaluates states of GANs that learned the same data, all with the same settings; what they
    share is made once.

    Args:
      gan: one of them; the others have its shape and its classes.
      config, settings, recognizer_config: as for `evaluate`.

    Raises:
      ConfigError: for settings that cannot be met, such as too few samples for a score, before
        anything is trained or drawn; or for the data set.
    """

    def __init__(
        self,
        gan: Gan,
        config: Config,
        settings: Settings = DEFAULT_SETTINGS,
        recognizer_config: RecognizerConfig = SMALL_CNN,
    ):
        self._config, self.settings, self._about = config, settings, describe(config.dataset)
        self._protocols = settings.protocols
        self._choice = choose(
            config.dataset, self._about, config.size, recognizer_config, settings.features
        )
        _check(settings, self._choice.count, gan.num_classes)
        load(
            config.dataset, "train", config.size
        )  # prepares the set where that is still to be done
        self._about = describe(config.dataset)
        self._seen_split, self._held_out_split = train_and_test(self._about.splits)
        if self._protocols:
            planned = self._planned(gan)
            for protocol in self._protocols:
                protocol.check_inputs(planned)

    def prepare(self) -> None:
        """Makes what all evaluations share: the feature network, and what it sees in real images.

        Raises:
          ConfigError: for weights that cannot be read, or a cache that cannot be written.
        """
        _ = self._real

    @functools.cached_property
    def _real(self) -> _Real:
        network, choice = self._choice.make(), self._choice
        seen, held_out = (
            self._sample(network, split) for split in (self._seen_split, self._held_out_split)
        )
        reference, reference_split = (
            (held_out, self._held_out_split)
            if self._test_is_reference
            else (seen, self._seen_split)
        )
        needs = {need for protocol in self._protocols for need in protocol.definition.needs}
        return _Real(
            network,
            reference,
            self._sample(network, self._config.split) if "training" in needs else None,
            held_out if self._never_seen else None,
            measure(Inputs(held_out, seen, own_classes=choice.own_classes)),
            {
                "reference": _part(reference_split, reference),
                "real": _part(self._held_out_split, held_out)
                | {"reference": _part(self._seen_split, seen)},
            },
        )

    @property
    def key(self) -> dict[str, Any]:
        """The settings and the feature network, for JSON: evaluations with an equal one can be
        compared.
        """
        return dataclasses.asdict(self.settings) | {
            "num_samples": self.settings.count,
            "metrics": [protocol.name for protocol in self._protocols],
            "network": self._real.network.key,
        }

    def evaluate(self, gan: Gan, state: GanState) -> Evaluation:
        """As the function of this name."""
        settings, choice, real, names = (
            self.settings,
            self._choice,
            self._real,
            self._about.class_names,
        )
        n = settings.count
        latents_key, path_key = jax.random.split(jax.random.key(settings.seed))
        labels = _labels(gan, n)
        images = generated(
            gan, state, latents(latents_key, n, gan.latents, settings.truncation), labels
        )
        sample = self._with_modes(
            Sample(*real.network.features(images), labels if gan.num_classes else None)
        )
        inputs = Inputs(
            sample, real.reference, real.training, real.held_out, settings.seed, choice.own_classes
        )
        asked = [name for name in BASIC if choice.modes or "modes" not in METRICS[name].needs]
        scores = measure(inputs) | _test_error(gan, state, self._config)
        protocols = {protocol.name: protocol.measure(inputs) for protocol in self._protocols}
        ends = extremes(
            gan, state, images, labels, sample, self._points(n) if images.ndim == 2 else None
        )
        return Evaluation(
            step=int(state.step),
            scores=_values(scores, names),
            real=_values(real.yardstick, names),
            left_out=left_out(inputs, asked),
            provenance={
                "dataset": self._about.name,
                "version": self._about.version,
                "size": self._config.size,
                "samples": {"images": n, "reference": real.splits["reference"]},
                "real": real.splits["real"],
                "neighbours_from": self._config.split,
                "feature_network": {"features": sample.features.shape[1], **real.network.about},
                "seed": settings.seed,
                "truncation": settings.truncation,
                "settings": self.key,
                "weights": "last" if state.ema is None else "moving average",
                **run_folder.provenance(),
            },
            pictures=evaluation_pictures.draw(
                gan,
                state,
                self._config,
                real.network,
                images,
                sample,
                path_key,
                settings.truncation,
            )
            | ends.pictures,
            intervals=_intervals(scores, names),
            real_intervals=_intervals(real.yardstick, names),
            protocols={name: _estimates(own, names) for name, own in protocols.items()},
            extremes=ends.values,
            truncation=truncation_curve(
                lambda z, y: real.network.features(generated(gan, state, z, y))[0],
                real.reference,
                size=gan.latents,
                num_classes=gan.num_classes,
                samples=min(SAMPLES, n),
                seed=settings.seed,
            ),
        )

    @property
    def _test_is_reference(self) -> bool:
        return self._size(self._held_out_split) >= MIN_TEST_IMAGES

    @property
    def _never_seen(self) -> bool:
        """Whether the GAN has not learned from the test images."""
        learned = self._config.split
        return learned == self._seen_split or not set(_names(self._held_out_split)) & set(
            _names(learned)
        )

    def _points(self, n: int) -> np.ndarray:
        """Training points to draw others over."""
        return some(load(self._config.dataset, self._config.split, self._config.size).examples, n)

    def _size(self, split: str) -> int:
        return len(load(self._config.dataset, split, self._config.size).labels)

    def _sample(self, network: FeatureNetwork, split: str) -> Sample:
        return self._with_modes(
            real_sample(network, self._config.dataset, split, self._config.size)
        )

    def _with_modes(self, sample: Sample) -> Sample:
        modes = self._choice.modes
        return sample if modes is None else sample._replace(modes=modes(sample.features))

    def _planned(self, gan: Gan) -> Inputs:
        """Inputs of the kinds and numbers that there will be, all features zero: what can be
        measured is known before they are made.
        """
        choice = self._choice

        def blank(n: int, labels: np.ndarray | None) -> Sample:
            zeros = lambda k: np.broadcast_to(np.float32(0), (n, k))
            return self._with_modes(
                Sample(zeros(choice.count), zeros(choice.logits) if choice.logits else None, labels)
            )

        def real(split: str) -> Sample:
            labels = load(self._config.dataset, split, self._config.size).labels
            return blank(len(labels), labels if labels.min() >= 0 else None)

        images = blank(
            self.settings.count, _labels(gan, self.settings.count) if gan.num_classes else None
        )
        held_out = real(self._held_out_split)
        reference = held_out if self._test_is_reference else real(self._seen_split)
        seen = held_out if self._never_seen else None
        return Inputs(
            images,
            reference,
            real(self._config.split),
            seen,
            self.settings.seed,
            choice.own_classes,
        )


def _test_error(gan: Gan, state: GanState, config: Config) -> dict[str, Estimate]:
    """Of a D that classifies, on a labelled split of which it has seen nothing."""
    split = held_out_split(config, labelled=gan.num_classes > 0)
    if split is None or not classifying.classifies(gan):
        return {}
    data = load(config.dataset, split, config.size)
    return {"test_error": classifying.error(gan, state, data)} if data.labels.max() >= 0 else {}


def _check(settings: Settings, features: int, num_classes: int) -> None:
    seed, count = settings.seed, settings.count
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed: {seed} is none; accepted: 0 to {2**32 - 1}.")
    Filters(settings.truncation).check(num_classes)
    if settings.protocols:
        if settings.num_samples is not None:
            raise ConfigError(
                f"num_samples: {settings.num_samples} beside metrics, whose names say it; accepted: one of both."
            )
        for protocol in settings.protocols:
            protocol.check(features, num_classes)
        return
    needed, title = max((METRICS[name].min_images(features), METRICS[name].title) for name in BASIC)
    if count < needed:
        raise ConfigError(
            f"num_samples: {count} samples are too few for the {title} of {features} features; accepted: {needed} or more."
        )


def _labels(gan: Gan, n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int32) % max(gan.num_classes, 1)


def _names(split: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", split)


def _part(split: str, sample: Sample) -> dict[str, Any]:
    return {"split": split, "images": len(sample.features)}


# As JSON holds numbers: those of [k] by class name, None for NaN and infinity.


def _values(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: _shaped(class_names, lambda value: value, (score.value,))
        for name, score in scores.items()
    }


def _intervals(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: _shaped(class_names, lambda *ends: list(ends), score[1:])
        for name, score in scores.items()
    }


def _estimates(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: _shaped(class_names, lambda *numbers: list(numbers), score)
        for name, score in scores.items()
    }


def _shaped(class_names: tuple[str, ...], made, columns: Iterable[float | np.ndarray]) -> Any:
    number = lambda value: float(value) if math.isfinite(value) else None
    columns = list(columns)
    if not any(np.ndim(column) for column in columns):
        return made(*map(number, columns))
    rows = zip(*(np.broadcast_to(column, len(class_names)) for column in columns), strict=True)
    return {label: made(*map(number, row)) for label, row in zip(class_names, rows, strict=True)}
