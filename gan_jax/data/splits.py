"""Chooses the splits for training and the held-out splits."""

from __future__ import annotations

import re

from gan_jax.config import Config
from gan_jax.data.dataset import describe, load
from gan_jax.errors import ConfigError

HELD_OUT = ("test", "validation", "val", "valid")
"""Names of splits that may be held out; the first that exists is used."""
PARTS = "train[:90% stratified]", "train[90%: stratified]"
"""The training and held-out parts of a data set without such a split. The last tenth in file order
would not do, as files may be sorted by class.
"""


def held_out_split(config: Config, labelled: bool) -> str | None:
    """A split that D never sees, of both datasets if there are two, with labels if ``labelled``;
    None if there is none.
    """
    splits, used = describe(config.dataset).splits, re.findall(r"\w+", config.split)
    for other in (config.unpaired, config.paired):
        if other is not None:
            splits = splits.keys() & describe(other).splits.keys()
    name = next((name for name in HELD_OUT if name in splits and name not in used), None)
    if name is None and config.split == PARTS[0]:
        name = PARTS[1]
    if name and labelled and load(config.dataset, name, config.framing).labels.min() < 0:
        return None
    return name


def train_and_test_of(dataset: str) -> tuple[str, str]:
    """The splits of a dataset for training and testing, as `train_and_test`. A dataset is prepared
    if its splits are not known before.

    Raises:
      ConfigError: as `train_and_test` and `gan_jax.data.load`.
    """
    known = describe(dataset).splits
    return train_and_test(known or load(dataset, "train").description.splits)


def train_and_test(splits: dict[str, int]) -> tuple[str, str]:
    """The splits for training and testing: those of the data set, or a random nine tenths of each
    class and the rest.

    Raises:
      ConfigError: for a data set without a split named train.
    """
    if "train" not in splits:
        raise ConfigError(
            f"the dataset has the splits {', '.join(splits)}, but a split named train is needed."
        )
    held_out = next((name for name in HELD_OUT if name in splits), None)
    return ("train", held_out) if held_out else PARTS
