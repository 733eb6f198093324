"""How labels condition a GAN: the head of D, whether G sees labels, and additional terms."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn

from gan_jax.nn.heads import (
    ClassifierHead,
    ConcatHead,
    ProjectionHead,
    SemiSupervisedHead,
    UnconditionalHead,
)
from gan_jax.parts.regularizers import d_classes, g_classes, labelled_classes
from gan_jax.types import Term


@dataclasses.dataclass(frozen=True)
class Conditioning:
    """A conditioning method: ``head(num_classes)`` makes the head of D; the terms are added to the
    objectives.

    ``labels``: it needs a labelled set; ``g_labels``: G sees labels too; ``few``: some examples may
    be unlabelled; ``unlabelled``: some have to be. ``d_terms`` is a function of the fraction of
    labelled real examples, in (0, 1].
    """

    head: Callable[[int], nn.Module]
    labels: bool = True
    g_labels: bool = True
    few: bool = False
    unlabelled: bool = False
    d_terms: Callable[[float], tuple[Term, ...]] = lambda share: ()
    g_terms: tuple[Term, ...] = ()


_FEW = Conditioning(
    SemiSupervisedHead,
    g_labels=False,
    few=True,
    d_terms=lambda share: (Term("classes", labelled_classes(share=share), weight=1.0),),
)
CONDITIONINGS = {
    "none": Conditioning(lambda num_classes: UnconditionalHead(), labels=False, g_labels=False),
    "concat": Conditioning(ConcatHead),
    "projection": Conditioning(ProjectionHead),
    "acgan": Conditioning(
        ClassifierHead,
        d_terms=lambda share: (Term("classes", d_classes(), weight=1.0),),
        g_terms=(Term("classes", g_classes(), weight=1.0),),
    ),
    "semi_supervised": _FEW,
    "semi_supervised_separate": dataclasses.replace(
        _FEW, head=functools.partial(SemiSupervisedHead, separate=True), unlabelled=True
    ),
}
