"""The names that options accept, and the options of each part, for help texts that need no JAX.

They are kept in ``parts.json``; ``python -m gan_jax.commands.parts`` writes it anew from the
registries.
"""

from __future__ import annotations

import functools
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("parts.json")
WIDTH = 96


@functools.cache
def known() -> dict[str, dict[str, dict[str, list[str]]]]:
    """By option the names that it accepts; by name the options of the part, each with its default
    and its help, which may be empty.
    """
    return json.loads(FILE.read_text())


def names() -> dict[str, tuple[str, ...] | str]:
    """By option the names that it accepts, as `gan_jax.arguments.parse` takes them.

    A text where other names are accepted as well (data sets), where the options of each are named
    too (networks), and where an option accepts the same as an earlier one.
    """
    found: dict[str, Any] = {option: tuple(own) for option, own in known().items()}
    found["dataset"] = f"Embedded: {', '.join(known()['dataset'])}."
    for option in ("generator", "discriminator"):
        networks = [f"{name} ({', '.join(own)})" for name, own in known()[option].items()]
        found[option] = f"One of: {', '.join(networks)}."
    found["d_optimizer"] = "Accepts the same as --g-optimizer."
    return found


def registered() -> dict[str, Any]:
    """What `known` should be, from the registries."""
    from gan_jax.benchmarks.nets import NETS
    from gan_jax.build import choices
    from gan_jax.metrics import METRICS

    bare = {"net": {name: {} for name in NETS}, "metrics": {name: {} for name in METRICS}}
    return json.loads(json.dumps(choices() | bare))


def listing() -> str:
    """All parts with their options, as a text."""
    lines = []
    for option, own in known().items():
        if any(own.values()):
            lines += ["", f"--{option.replace('_', '-')}", *_lines(own)]
    return "\n".join(lines[1:])


def _lines(own: Mapping[str, Mapping[str, list[str]]]) -> list[str]:
    lines = []
    for name, options in own.items():
        set_by = {key: key + f"={default}" * bool(default) for key, (default, _) in options.items()}
        if not any(help for _, help in options.values()):
            text = f"  {name}" + f" ({', '.join(set_by.values())})" * bool(options)
            lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * 6)
            continue
        lines.append(f"  {name}")
        for key, (_, help) in options.items():
            lines += textwrap.wrap(f"    {set_by[key]}: {help}", WIDTH, subsequent_indent=" " * 8)
    return lines


def _text(found: Mapping[str, Mapping[str, Any]]) -> str:
    """JSON with a line for each name."""
    line = lambda name, own: f"  {json.dumps(name)}: {json.dumps(own)}"
    block = lambda own: ",\n".join(line(*item) for item in own.items())
    blocks = [f" {json.dumps(option)}: {{\n{block(own)}\n }}" for option, own in found.items()]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(_text(registered()))
