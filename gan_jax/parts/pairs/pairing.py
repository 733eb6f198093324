"""What a pairing is: how the conditions of both players are made from what is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gan_jax.data import Description
from gan_jax.modality import Modality
from gan_jax.types import Array, Batch, Frozen, PyTree

Prepare = Callable[[Batch, Mapping[str, Callable], Array], Batch]


class Read(NamedTuple):
    """The examples that are read: their modality, the description of their dataset, and what was
    trained before, a `gan_jax.build.trained.Trained`.
    """

    modality: Modality
    description: Description
    trained: Any


@dataclasses.dataclass(frozen=True)
class Known:
    """Variables of a frozen network, compared by their ``key``."""

    key: str
    variables: PyTree = dataclasses.field(compare=False)


NO_VARIABLES = Known("", {})
"""Of a frozen network without weights."""


@dataclasses.dataclass(frozen=True)
class Pairing:
    """How conditions are made.

    Attributes:
      condition: the kind of the conditions, as networks see them; None: class labels.
      prepare: as `gan_jax.engine.gan.Gan.prepare`; None: the labels that were read.
      example: the kind of the examples that ``prepare`` makes, or, without ``prepare``, a
        representation of those that were read (`Modality.represented`); None: those that were read.
      frozen: the networks that ``prepare`` needs.
      fields: the fields of both networks that the conditions determine.
    """

    condition: Modality | None = None
    example: Modality | None = None
    prepare: Prepare | None = None
    frozen: tuple[Frozen, ...] = ()
    fields: tuple[tuple[str, Any], ...] = ()
