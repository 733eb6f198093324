"""The evaluation of a GAN of texts: scores of tokens, beside those of real texts and of samplers
that only count n-grams.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, at_least, fits_memory, is_seed
from gan_jax.evaluation.result import Evaluation, intervals, values
from gan_jax.evaluation.settings import DEFAULT_SETTINGS, Settings
from gan_jax.evaluation.texts import OfDataset, of_dataset
from gan_jax.metrics import Estimate
from gan_jax.metrics.texts import TEXT_SCORES, as_keys, ladder, text_scores
from gan_jax.recognizers.feature_networks import DEFAULT
from gan_jax.runs.provenance import provenance
from gan_jax.sampling.conditions import in_turn, num_classes_of
from gan_jax.sampling.draw import generated
from gan_jax.sampling.filters import Filters
from gan_jax.sampling.temperature import at_temperature, check_temperature
from gan_jax.types import GanState

ORDERS = (1, 2, 3, 4, 5, 6)
"""Of the n-grams beside the samples."""
SHOWN = 100
"""Samples that a report shows, at most."""


class TextEvaluator:
    """As `gan_jax.evaluation.evaluator.Evaluator`, for texts. Nothing has to be trained: all scores
    are functions of tokens.

    Args:
      gan: one of the GANs; the others have its modality and its classes.
      config, settings: as for `gan_jax.evaluation.evaluator.evaluate`.

    Raises:
      ConfigError: for settings that do not apply to texts, or a number out of range; or for the
        dataset.
    """

    def __init__(self, gan: Gan, config: Config, settings: Settings = DEFAULT_SETTINGS):
        self._config, self.settings = config, settings
        for name, usual in (("metrics", None), ("features", DEFAULT)):
            if (value := getattr(settings, name)) != usual:
                raise ConfigError(
                    f"{name} {value!r} does not apply to texts, whose scores compare tokens and "
                    "are always computed; leave it out."
                )
        if settings.standing_statistics:
            raise ConfigError("standing_statistics does not apply to texts; leave it out.")
        is_seed("seed", settings.seed)
        at_least("num_samples", settings.count, 2)
        Filters(settings.truncation).check(num_classes_of(gan, config))
        fits_memory(
            "num_samples",
            f"{settings.count:,} samples",
            4 * settings.count * gan.modality.stored_shape[0],
        )
        self._of_dataset: OfDataset = of_dataset(config, settings.held_out)
        if settings.temperature is not None:
            check_temperature(gan, settings.temperature)

    def prepare(self) -> None:
        """Draws and scores what the samples are compared with."""
        _ = self._ladder

    @functools.cached_property
    def _texts(self) -> np.ndarray:
        """Real texts ``[n, length]``, as many as samples, if there are as many."""
        return self._of_dataset.texts[: self.settings.count]

    @functools.cached_property
    def _ladder(self) -> dict[str, dict[str, Estimate]]:
        return ladder(
            self._of_dataset.real, self._texts, ORDERS, self.settings.count, self.settings.seed
        )

    @property
    def key(self) -> dict[str, Any]:
        """The settings for JSON: evaluations with equal keys can be compared."""
        return self.settings.as_json() | {
            "num_samples": self.settings.count,
            "metrics": ["texts"],
            "network": None,
        }

    def evaluate(self, gan: Gan, state: GanState) -> Evaluation:
        """Draws samples from the EMA of the generator and scores them."""
        settings, found = self.settings, self._of_dataset
        samples, asked = drawn(gan, state, self._config, settings)
        scores = text_scores(samples, found.real, asked)
        real = self._ladder["real"]
        few = len(self._texts)
        matched = {}
        if few < settings.count:
            labels = None if asked is None else asked[:few]
            again = text_scores(samples[:few], found.real, labels)
            matched = {name: own for name, own in again.items() if TEXT_SCORES[name].sized}
        return Evaluation(
            step=int(state.step),
            scores=values(scores, ()),
            real=values(real, ()),
            left_out=self._left_out(scores),
            provenance=self._provenance(state),
            pictures={},
            intervals=intervals(scores, ()),
            real_intervals=intervals(real, ()),
            matched=values(matched, ()),
            matched_intervals=intervals(matched, ()),
            ladder={name: values(own, ()) for name, own in self._ladder.items() if name != "real"},
            texts=self._shown(samples, asked),
        )

    def _shown(self, samples: np.ndarray, labels: np.ndarray | None) -> list[dict[str, Any]]:
        """The first samples: their text, class and whether they are copies of training texts."""
        names, copied = describe(self._config.dataset).class_names, self._of_dataset.real.copied
        shown = samples[:SHOWN]
        texts = self._of_dataset.vocabulary.texts(shown)
        classes = [""] * len(shown) if labels is None else [names[i] for i in labels[:SHOWN]]
        return [
            {"text": text, "class": label, "copied": key in copied}
            for text, label, key in zip(texts, classes, as_keys(shown), strict=True)
        ]

    def _left_out(self, scores: dict[str, Estimate]) -> dict[str, str]:
        reasons = {"recognized": "samples have no labels", "valid": "the language is not known"}
        found = {name: why for name, why in reasons.items() if name not in scores}
        if not self._of_dataset.splits.never_seen:
            found["held_out_found"] = "the held-out texts are also in the training split"
        return found

    def _provenance(self, state: GanState) -> dict[str, Any]:
        found, about = self._of_dataset, describe(self._config.dataset)
        held_out = {"images": len(found.real.held_out), "split": found.splits.test}
        real = {"images": len(self._texts), "split": found.splits.train, "reference": held_out}
        return {
            "dataset": about.name,
            "version": about.version,
            **dataclasses.asdict(self._config.framing),
            "samples": {"images": self.settings.count, "reference": held_out},
            "real": real,
            "seed": self.settings.seed,
            "truncation": self.settings.truncation,
            "temperature": self.settings.temperature,
            "settings": self.key,
            "weights": "last" if state.generator.average is None else "moving average",
            **provenance(),
        }


def drawn(
    gan: Gan, state: GanState, config: Config, settings: Settings
) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples of the EMA of the generator, tokens ``[count, length]`` int32, and the labels that
    they should have, ``[count]``; None without classes.
    """
    asked = in_turn(gan, config, settings.count, settings.seed)
    z = gan.prior.draw(jax.random.key(settings.seed), settings.count, settings.truncation)
    if settings.temperature is not None:
        gan, state = at_temperature(gan, state, settings.temperature)
    return generated(gan, state, z, asked.y), asked.labels
