"""How examples are brought to one shape: the fields of a config on which the stored examples
depend.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Framing:
    """How examples are brought to one shape; the fields are those of `gan_jax.config.Config`."""

    size: int | None = None
    fit: str | None = None
    channels: int | None = None
    background: str | None = None
    strict: bool = False
    length: int | None = None
    rate: int | None = None
    normalize: bool = True
    tokens: str | None = None
    field: str | None = None
