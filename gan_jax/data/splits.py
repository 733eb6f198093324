"""Which splits of a data set are learned from, and which are held out."""

from __future__ import annotations

import re

from gan_jax.config import Config
from gan_jax.data.dataset import describe, load
from gan_jax.errors import ConfigError

HELD_OUT = ("test", "validation")
"""Names of splits that D may be tested on, the first that there is."""


def held_out_split(config: Config, labelled: bool) -> str | None:
    """A split of which D sees nothing, with labels if ``labelled`` asks for them; None where there
    is none.
    """
    splits, used = describe(config.dataset).splits, re.findall(r"\w+", config.split)
    name = next((name for name in HELD_OUT if name in splits and name not in used), None)
    if name and labelled and load(config.dataset, name, config.size).labels.min() < 0:
        return None
    return name


def train_and_test(splits: dict[str, int]) -> tuple[str, str]:
    """The splits to learn from and to test on: the data set's own, or the first nine tenths and the
    last one.

    Raises:
      ConfigError: for a data set without a split named train.
    """
    if "train" not in splits:
        raise ConfigError(
            f"split: the data set has {', '.join(splits)}; one named train is needed."
        )
    for name in ("test", "validation"):
        if name in splits:
            return "train", name
    return "train[:90%]", "train[90%:]"
