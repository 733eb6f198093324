"""Pictures, sounds and texts of samples from the same latents and labels at every step, so that
steps compare.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe, load, some
from gan_jax.engine.gan import Gan
from gan_jax.modality import Sounds, Text
from gan_jax.sampling.conditions import as_seen, conditions, num_classes_of
from gan_jax.sound import wav
from gan_jax.types import Batch, PyTree


def fixed_inputs(gan: Gan, config: Config) -> tuple[PyTree, PyTree]:
    """Latents and conditions ``[n, ...]`` of the samples in a picture, in the order of
    `Modality.layout`.
    """
    index, labels = gan.modality.layout(num_classes_of(gan, config))
    latents = gan.prior.draw(jax.random.key(config.seed), int(index.max()) + 1)
    latents = jax.tree.map(lambda z: z[index], latents)
    return latents, jax.tree.map(jnp.asarray, conditions(gan, config, labels, config.seed).y)


def painter(config: Config, gan: Gan) -> Callable[[np.ndarray], np.ndarray]:
    """A function that draws samples ``[n, *shape]`` as pixels ``[H, W, c]`` uint8 with
    `Modality.picture`, with examples of the training set if it needs them.
    """
    modality, real = gan.modality, None
    if modality.real_shown:
        data = load(config.dataset, config.split, config.framing)
        shown = some(np.arange(len(data.labels)), modality.real_shown)
        real = as_seen(gan, Batch(data.examples[shown], data.labels[shown])).x
    return lambda samples: modality.picture(samples, real)


def recorder(config: Config, gan: Gan) -> Callable[[np.ndarray], dict[str, bytes]]:
    """A function that returns the samples ``[n, *shape]`` of `painter` as WAV files by the name of
    their class, see `gan_jax.sound.wav.by_class`; none if they are no sounds.
    """
    sounds, num_classes = gan.modality.represented, num_classes_of(gan, config)
    if not isinstance(sounds, Sounds):
        return lambda samples: {}
    names = describe(config.dataset).class_names if num_classes else ()
    _, labels = gan.modality.layout(num_classes)
    stored = lambda samples: gan.modality.to_stored(samples)[..., 0]
    return lambda samples: wav.by_class(stored(samples), labels, names, sounds.rate)


def writer(config: Config, gan: Gan) -> Callable[[np.ndarray], str]:
    """A function that returns the samples ``[n, *shape]`` of `painter` as text with one line each,
    after the name of its class if there are classes; an empty text if they are no texts.
    """
    kind, num_classes = gan.modality.represented, num_classes_of(gan, config)
    if not isinstance(kind, Text):
        return lambda samples: ""
    names = describe(config.dataset).class_names if num_classes else ()
    _, labels = gan.modality.layout(num_classes)
    before = [f"{names[label]}\t" if names else "" for label in labels]
    line = lambda samples: zip(before, kind.texts(samples), strict=True)
    return lambda samples: "".join(f"{name}{text}\n" for name, text in line(samples))
