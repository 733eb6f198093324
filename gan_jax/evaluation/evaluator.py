"""The evaluation of a GAN: scores in the features of a classifier, and pictures."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax
import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe, frame_of, load, some
from gan_jax.data.splits import held_out_split
from gan_jax.engine.gan import Gan
from gan_jax.engine.trained import check_batch_norm, with_standing_statistics
from gan_jax.errors import ConfigError, fits_memory
from gan_jax.evaluation import classifying
from gan_jax.evaluation import pictures as evaluation_pictures
from gan_jax.evaluation.extremes import extremes
from gan_jax.evaluation.learning import labels_of_test, learned
from gan_jax.evaluation.real import Numbers, Real, look, splits_of, thinned, with_modes
from gan_jax.evaluation.result import Evaluation, estimates, intervals, values
from gan_jax.evaluation.settings import DEFAULT_SETTINGS, Settings
from gan_jax.evaluation.text_evaluator import TextEvaluator
from gan_jax.evaluation.truncation import SAMPLES_A_BOUND, truncation_curve
from gan_jax.metrics import (
    BASIC,
    METRICS,
    SCORES,
    Estimate,
    Inputs,
    Protocol,
    Sample,
    left_out,
    measure,
)
from gan_jax.metrics.paired import paired_scores
from gan_jax.modality import Domains, Images, Text, labels_in_turn
from gan_jax.recognizers import SMALL_CNN, FeatureNetwork, RecognizerConfig
from gan_jax.recognizers.feature_networks import DEFAULT, choice_of, choose
from gan_jax.runs.provenance import provenance
from gan_jax.sampling.conditions import in_turn, num_classes_of
from gan_jax.sampling.draw import generated
from gan_jax.types import GanState


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
    standing_statistics: bool = False,
    temperature: float | None = None,
    held_out: str | None = None,
    recognizer_config: RecognizerConfig = SMALL_CNN,
    feature_network: FeatureNetwork | None = None,
) -> Evaluation:
    """Draws samples from the EMA of the generator and compares them with real images.

    On first use, a classifier is trained on the training split of the dataset and kept in the
    user's cache.

    Args:
      gan, state: as returned by `gan_jax.load`.
      config: the config of the GAN, which names its dataset.
      num_samples, seed, metrics, features, truncation, standing_statistics, temperature, held_out:
        as in `gan_jax.evaluation.settings.Settings`; a conditional GAN draws balanced classes.
      recognizer_config: the config of the classifier.
      feature_network: a feature extractor to use instead of the classifier: any object with the
        attributes of `gan_jax.recognizers.FeatureNetwork`.

    Raises:
      ConfigError: as `Evaluator`.
    """
    settings = Settings(
        num_samples, seed, metrics, features, truncation, standing_statistics, temperature, held_out
    )
    evaluator = evaluator_of(gan, config, settings, recognizer_config, feature_network)
    return evaluator.evaluate(gan, state)


def evaluator_of(
    gan: Gan,
    config: Config,
    settings: Settings = DEFAULT_SETTINGS,
    recognizer_config: RecognizerConfig = SMALL_CNN,
    feature_network: FeatureNetwork | None = None,
) -> Evaluator | TextEvaluator:
    """The evaluator for the kind of example that a GAN makes. Arguments and errors are those of
    `Evaluator`; texts need no feature extractor.
    """
    if not isinstance(gan.modality.represented, Text):
        return Evaluator(gan, config, settings, recognizer_config, feature_network)
    if feature_network is not None:
        raise ConfigError("feature_network does not apply to texts; leave it out.")
    return TextEvaluator(gan, config, settings)


class Evaluator:
    """Evaluates states of GANs of the same data with the same settings; everything they share is
    made once.

    Args:
      gan: one of the GANs; the others have its modality and its classes.
      config, settings, recognizer_config, feature_network: as for `evaluate`.

    Raises:
      ConfigError: for settings that cannot be met, such as too few samples for a score, before
        anything is trained or drawn; or for the dataset.
    """

    def __init__(
        self,
        gan: Gan,
        config: Config,
        settings: Settings = DEFAULT_SETTINGS,
        recognizer_config: RecognizerConfig = SMALL_CNN,
        feature_network: FeatureNetwork | None = None,
    ):
        self._config, self.settings, self._gan = config, settings, gan
        if isinstance(gan.modality, Domains):
            raise ConfigError(
                "pairs 'domains': an evaluation has one direction of translation; use gan-jax "
                "study translation RUN, which evaluates both."
            )
        if settings.temperature is not None:
            raise ConfigError(
                f"temperature {settings.temperature} applies to texts, not to "
                f"{gan.modality.represented.name}; leave it out."
            )
        about = describe(config.dataset)
        if gan.modality.represented != frame_of(about, config.framing).modality:
            raise ConfigError(
                f"pairs {config.pairs.name!r}: an evaluation compares samples with the examples of "
                f"the dataset, but this GAN makes {gan.modality}; evaluate the run that uses it."
            )
        if feature_network is None:
            given = config.dataset, about, config.framing, recognizer_config
            self._choice = choose(*given, settings.features)
        else:
            data = load(config.dataset, config.split, config.framing)
            classes = data.description.num_classes
            self._choice = choice_of(feature_network, data.examples, classes)
        settings.check(self._choice.count, num_classes_of(gan, config))
        if settings.standing_statistics and gan.condition is not None:
            raise ConfigError(
                "standing_statistics needs a GAN whose conditions are class labels; leave it out."
            )
        if settings.standing_statistics:
            check_batch_norm(gan)
        numbers = np.dtype(gan.modality.stored).itemsize * math.prod(gan.modality.stored_shape)
        fits_memory(
            "metrics" if settings.protocols else "num_samples",
            f"{settings.count:,} samples with their features",
            settings.count * (numbers + 4 * self._choice.count),
        )
        load(config.dataset, "train", config.framing)  # prepares the dataset if necessary
        self._about = about
        if settings.held_out is not None and gan.condition is not None:
            raise ConfigError(
                "held_out needs a GAN whose conditions are class labels, as others are made from "
                "test examples; leave it out."
            )
        self._splits = splits_of(config, about, settings.held_out)
        if settings.protocols:
            planned = self._planned(gan)
            for protocol in settings.protocols:
                protocol.check_inputs(planned)

    def prepare(self) -> None:
        """Prepares everything that evaluations share: the feature extractor and the features of the
        real images.

        Raises:
          ConfigError: for weights that cannot be read, or a cache that cannot be written.
        """
        _ = self._real

    @functools.cached_property
    def _real(self) -> Real:
        settings = self.settings
        real = look(self._config, self._choice, self._splits, settings.protocols, settings.count)
        seen = getattr(self._gan.discriminator.network, "pretrained", None)
        if seen is not None and seen.key in real.network.key:
            raise ConfigError(
                "features: the discriminator of this run sees the features of the same network, "
                "which would flatter its scores; use features 'inception' or another "
                "recognizer_config."
            )
        return real

    @property
    def key(self) -> dict[str, Any]:
        """The settings and the feature extractor, for JSON: evaluations with equal keys can be
        compared.
        """
        own = self.settings.as_json()
        del own["temperature"]  # earlier evaluations do not have it
        return own | {
            "num_samples": self.settings.count,
            "metrics": [protocol.name for protocol in self.settings.protocols],
            "network": self._real.network.key,
        }

    def evaluate(self, gan: Gan, state: GanState) -> Evaluation:
        """Like the function `evaluate`."""
        settings, real, names = self.settings, self._real, self._about.class_names
        if settings.standing_statistics:
            state = with_standing_statistics(gan, state, jax.random.key(settings.seed))
        latents_key, path_key = jax.random.split(jax.random.key(settings.seed))
        asked = in_turn(gan, self._config, settings.count, settings.seed)
        z = gan.prior.draw(latents_key, settings.count, settings.truncation)
        examples = generated(gan, state, z, asked.y)
        inputs = self._inputs(examples, asked.labels)
        scores = measure(inputs) | self._test_error(gan, state)
        if asked.real is not None and isinstance(gan.condition, Images):
            scores |= paired_scores(
                *(np.asarray(gan.modality.to_network(x)) for x in (examples, asked.real))
            )
        matched = self._matched(inputs)
        protocols = {
            p.name: p.measure(self._with_learned(p, inputs, examples)) for p in settings.protocols
        }
        drawn = evaluation_pictures.Drawn(
            gan,
            state,
            examples,
            inputs.images,
            self._config,
            real.network,
            path_key,
            settings.truncation,
            self._shown_beside(gan),
            asked,
        )
        ends = extremes(gan, state, examples, asked.y, inputs.images, drawn.real)
        return Evaluation(
            step=int(state.step),
            scores=values(scores, names),
            real=values(real.baseline, names),
            left_out=left_out(inputs, self._basic()),
            provenance=self._provenance(state, inputs.images),
            pictures=evaluation_pictures.draw(drawn) | ends.pictures,
            intervals=intervals(scores, names),
            real_intervals=intervals(real.baseline, names),
            matched=values(matched, names),
            matched_intervals=intervals(matched, names),
            protocols={name: estimates(own, names) for name, own in protocols.items()},
            extremes=ends.values,
            truncation=self._truncation_curve(gan, state),
            sounds=evaluation_pictures.record(drawn),
        )

    def _inputs(self, examples: np.ndarray, labels: np.ndarray | None) -> Inputs:
        real, choice = self._real, self._choice
        sample = with_modes(choice, Sample(*real.network.features(examples), labels))
        parts = (sample, real.reference, real.training, real.held_out)
        return Inputs(*parts, self.settings.seed, choice.own_classes)

    def _with_learned(self, protocol: Protocol, inputs: Inputs, examples: np.ndarray) -> Inputs:
        """The inputs of a protocol, for which a classifier is trained if it needs one."""
        if "learned" not in protocol.definition.needs:
            return inputs
        own = slice(protocol.count)
        labels, test = inputs.images.labels[own], self._splits.test
        return inputs._replace(learned=learned(self._config, test, examples[own], labels))

    def _matched(self, inputs: Inputs) -> dict[str, Estimate]:
        """Scores that depend on the number of images, at the numbers of the baseline; empty if the
        samples have the same numbers.
        """
        numbers = self._real.numbers
        if numbers == Numbers(len(inputs.images.features), len(inputs.reference.features)):
            return {}
        images = inputs.images.at(slice(numbers.images))
        inputs = inputs._replace(
            images=images, reference=thinned(inputs.reference, numbers.reference)
        )
        return {name: own for name, own in measure(inputs).items() if SCORES[name].sized}

    def _test_error(self, gan: Gan, state: GanState) -> dict[str, Estimate]:
        """The test error of a D that classifies, on a labelled held-out split."""
        config = self._config
        split = self.settings.held_out or held_out_split(config, labelled=gan.num_classes > 0)
        if split is None or not classifying.classifies(gan):
            return {}
        data = load(config.dataset, split, config.framing)
        return {"test_error": classifying.error(gan, state, data)} if data.labels.max() >= 0 else {}

    def _basic(self) -> list[str]:
        """Metrics that are reported if left out; modes only if the true modes are known."""
        known = self._choice.modes is not None
        return [name for name in BASIC if known or "modes" not in METRICS[name].needs]

    def _shown_beside(self, gan: Gan) -> np.ndarray | None:
        """Real examples that the pictures need, as many as samples."""
        if not gan.modality.real_shown:
            return None
        data = load(self._config.dataset, self._config.split, self._config.framing)
        return some(data.examples, self.settings.count)

    def _truncation_curve(self, gan: Gan, state: GanState) -> list[dict[str, Any]]:
        return truncation_curve(
            lambda z, y: self._real.network.features(generated(gan, state, z, y))[0],
            self._real.reference,
            gan.prior,
            in_turn(gan, self._config, min(SAMPLES_A_BOUND, self.settings.count)).y,
            seed=self.settings.seed,
        )

    def _provenance(self, state: GanState, sample: Sample) -> dict[str, Any]:
        n, features = sample.features.shape
        real = self._real
        return {
            "dataset": self._about.name,
            "version": self._about.version,
            **dataclasses.asdict(self._config.framing),
            "samples": {"images": n, "reference": real.splits["reference"]},
            "real": real.splits["real"],
            "neighbours_from": self._config.split,
            "feature_network": {"features": features, **real.network.about},
            "seed": self.settings.seed,
            "truncation": self.settings.truncation,
            "settings": self.key,
            "weights": "last" if state.generator.average is None else "moving average",
            **provenance(),
        }

    def _planned(self, gan: Gan) -> Inputs:
        """Inputs with the kinds and numbers of the real ones and zeros as features, to check what
        can be measured before anything is computed.
        """
        choice, config, splits = self._choice, self._config, self._splits

        def blank(n: int, labels: np.ndarray | None) -> Sample:
            zeros = lambda k: np.broadcast_to(np.float32(0), (n, k))
            logits = zeros(choice.logits) if choice.logits else None
            return with_modes(choice, Sample(zeros(choice.count), logits, labels))

        def real(split: str) -> Sample:
            labels = load(config.dataset, split, config.framing).labels
            return blank(len(labels), labels if labels.min() >= 0 else None)

        n = self.settings.count
        classes = num_classes_of(gan, config)
        images = blank(n, labels_in_turn(n, classes) if classes else None)
        held_out = real(splits.test) if splits.never_seen else None
        parts = (images, real(splits.reference), real(splits.learned), held_out)
        labels = labels_of_test(config, splits.test) if splits.never_seen else None
        tested = None if labels is None else blank(len(labels), labels)
        return Inputs(*parts, self.settings.seed, choice.own_classes, tested)
