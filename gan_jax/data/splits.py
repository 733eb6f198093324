"""Which splits of a data set are learned from, and which are held out."""

from __future__ import annotations

import re

from gan_jax.config import Config
from gan_jax.data.dataset import describe, load
from gan_jax.errors import ConfigError

HELD_OUT = ("test", "validation", "val", "valid")
"""Names of splits that may be held out, the first that there is."""
PARTS = "train[:90% stratified]", "train[90%: stratified]"
"""Of a data set with no such split: what is learned from, and what is held out. The last tenth in
the order of the files would not do, which may be that of the classes.
"""


def held_out_split(config: Config, labelled: bool) -> str | None:
    """A split of which D sees nothing, with labels if ``labelled`` asks for them; None where there
    is none.
    """
    splits, used = describe(config.dataset).splits, re.findall(r"\w+", config.split)
    name = next((name for name in HELD_OUT if name in splits and name not in used), None)
    if name is None and config.split == PARTS[0]:
        name = PARTS[1]
    if name and labelled and load(config.dataset, name, config.framing).labels.min() < 0:
        return None
    return name


def train_and_test(splits: dict[str, int]) -> tuple[str, str]:
    """The splits to learn from and to test on: the data set's own, or nine tenths of each class and
    the last one, at random.

    Raises:
      ConfigError: for a data set without a split named train.
    """
    if "train" not in splits:
        raise ConfigError(
            f"split: the data set has {', '.join(splits)}; one named train is needed."
        )
    held_out = next((name for name in HELD_OUT if name in splits), None)
    return ("train", held_out) if held_out else PARTS
