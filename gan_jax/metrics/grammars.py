"""Formal languages of data sets, of which every text is known: a sample belongs to one or not."""

from __future__ import annotations

import functools
import itertools


@functools.cache
def scan_commands() -> frozenset[str]:
    """The 20,910 commands of SCAN (Lake and Baroni 2018, figure 6 of the appendix)."""
    verbs, sides = ("walk", "look", "run", "jump"), ("left", "right")
    turned = (*verbs, "turn")
    directed = [f"{verb} {side}" for verb in turned for side in sides]
    far = [
        f"{verb} {how} {side}"
        for verb in turned
        for how in ("opposite", "around")
        for side in sides
    ]
    once = (*verbs, *directed, *far)
    parts = [f"{own}{times}" for own in once for times in ("", " twice", " thrice")]
    both = (
        f"{a} {joint} {b}"
        for joint in ("and", "after")
        for a, b in itertools.product(parts, repeat=2)
    )
    return frozenset(itertools.chain(parts, both))


LANGUAGES = {("scan", "commands"): scan_commands}
"""By the name of the set, without its variant, and the text feature: a function that returns all
texts.
"""
