"""What the latent space of a run's generator contains: pictures and numbers, written beside the
evaluations as ``step_XXXXXX_latents.json`` and ``step_XXXXXX_latents_PICTURE.png``.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_jax import pictures
from gan_jax.config import Config
from gan_jax.data import describe
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, at_least, either, is_seed, within
from gan_jax.evaluation.latent_pictures import KINDS, NEEDS_LABELS, NEEDS_W, Found, Subject
from gan_jax.evaluation.settings import Settings
from gan_jax.files import replacing
from gan_jax.latents.spaces import W_PLUS, spaces_of
from gan_jax.modality import Images
from gan_jax.pictures import DRAWN
from gan_jax.recognizers import SMALL_CNN, FeatureNetwork
from gan_jax.recognizers.feature_networks import choose
from gan_jax.report import write_report
from gan_jax.runs import evaluations
from gan_jax.runs import folder as run_folder
from gan_jax.runs.provenance import provenance
from gan_jax.sampling.conditions import in_turn
from gan_jax.types import GanState

INVERTED = 100
"""Default number of images to invert."""


def kinds_from_text(text: str) -> tuple[str, ...] | None:
    """Reads ``mixing,inversion``: the kinds in the order of `KINDS`; None for ``all``.

    Raises:
      ConfigError: for any other text.
    """
    if text == "all":
        return None
    names = text.split(",")
    for name in names:
        if name not in KINDS:
            raise ConfigError(f"latents: {name!r} is unknown; use all, or {either(KINDS)}.")
    return tuple(name for name in KINDS if name in names)


def explore(
    gan: Gan,
    state: GanState,
    config: Config,
    kinds: Sequence[str] | None = None,
    *,
    seed: int = 0,
    truncation: float | None = None,
    images: str | None = None,
    num_images: int | None = None,
    feature_network: FeatureNetwork | None = None,
) -> dict[str, Found]:
    """Pictures and numbers of a latent space, by kind.

    Args:
      gan, state, config: as returned by `gan_jax.load`, and the config of the GAN.
      kinds: names of `KINDS`; None for all that the generator and the dataset support.
      seed: determines the latents.
      truncation: of the latents that are drawn, see `gan_jax.parts.priors`.
      images: a dataset or a folder, framed as those of the GAN, whose images are inverted or
        compared; by default the held-out split of the config, and samples for ``neighbours``.
      num_images: number of images to invert; by default `INVERTED`.
      feature_network: instead of the classifier of the dataset, which is trained on first use.

    Raises:
      ConfigError: for a GAN or a dataset that one of the kinds does not support, before anything is
        compiled, or numbers out of range.
    """
    _check(gan, seed, truncation)
    spaces = spaces_of(gan, state, in_turn(gan, config, 1, seed).y)
    choice = choose(config.dataset, describe(config.dataset), config.framing, SMALL_CNN)
    labelled = bool(choice.logits) or feature_network is not None
    obstacles = {kind: _obstacle(kind, spaces, labelled, config) for kind in kinds or KINDS}
    if kinds is not None and any(obstacles.values()):
        kind, why = next((kind, why) for kind, why in obstacles.items() if why)
        raise ConfigError(f"latents: {kind} {why}; leave {kind} out.")
    kinds = [kind for kind, why in obstacles.items() if why is None]
    if num_images is not None:
        at_least("num_samples", num_images, 1)
        if "inversion" not in kinds:
            raise ConfigError(
                f"num_samples {num_images} has no effect on {' and '.join(kinds)}: with --latents, "
                "it is the number of images that inversion inverts; drop it."
            )
    make = choice.make if feature_network is None else lambda: feature_network
    subject = Subject(
        gan, state, config, spaces, make, seed, truncation, images, num_images or INVERTED
    )
    return {kind: KINDS[kind](subject) for kind in kinds}


def _obstacle(kind: str, spaces: Sequence[str], labelled: bool, config: Config) -> str | None:
    """Why a kind is not supported, as a clause; None if it is."""
    needed = NEEDS_W.get(kind, spaces[0])
    if needed not in spaces:
        each = " for each layer" if needed == W_PLUS else ""
        return (
            f"needs a generator with w{each} (methods mapping and synthesis), which "
            f"{config.generator.name} does not have"
        )
    if kind in NEEDS_LABELS and not labelled:
        return f"needs a classifier, but {config.dataset!r} has no classes that one could learn"
    return None


def _check(gan: Gan, seed: int, truncation: float | None) -> None:
    kind = gan.modality.represented
    if not isinstance(kind, Images) or kind.shape[-1] not in DRAWN:
        raise ConfigError(f"latents need a GAN of images, not of {kind}.")
    is_seed("seed", seed)
    if truncation is not None:
        within("truncation", truncation, "(0, inf)")


def save(workdir: Path, step: int, found: dict[str, Found], settings: Settings) -> list[Path]:
    """Writes the pictures, then the JSON, in which kinds that were not computed now remain; then
    the report, if the run has been evaluated with these settings.

    Returns:
      The files.

    Raises:
      ConfigError: if the folder cannot be written.
    """
    folder = workdir / run_folder.EVAL
    begin = evaluations.stem(step, settings.suffix) + evaluations.LATENTS
    path = folder / f"{begin}.json"
    values, files = evaluations.read_latents(folder, step, settings.suffix), []
    about = {"seed": settings.seed, "truncation": settings.truncation, **provenance()}
    try:
        with contextlib.ExitStack() as stack:  # closes in reverse order, hence the JSON last
            to_json = stack.enter_context(replacing(path))
            for kind, own in found.items():
                shown = {}
                for name, picture in own.pictures.items():
                    file = folder / f"{begin}_{name}.png"
                    pictures.save(stack.enter_context(replacing(file)), picture.pixels)
                    files.append(file)
                    shown[name] = {
                        "file": file.name, "title": picture.title, "caption": picture.caption,
                    }  # fmt: skip
                values[kind] = {"values": _finite(own.values), "pictures": shown, **about}
            text = json.dumps(values, indent=2, allow_nan=False) + "\n"
            to_json.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"workdir: {folder} cannot be written ({error.strerror}).") from error
    if evaluations.read(folder, settings.suffix).by_step:
        files.append(write_report(workdir, settings.suffix))
    return [path, *files]


def _finite(values: Any) -> Any:
    """With None for NaN and infinity."""
    if isinstance(values, dict):
        return {key: _finite(own) for key, own in values.items()}
    if isinstance(values, (list, tuple)):
        return [_finite(own) for own in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
