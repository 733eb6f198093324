"""The names that options accept, and the options of each part, for help texts without loading JAX.

They are stored in ``parts.json``, which ``python -m gan_jax.commands.parts`` regenerates from the
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
    """Maps each option to the names that it accepts, and each name to the options of the part, with
    their default and help, which may be empty.
    """
    return json.loads(FILE.read_text())


def names() -> dict[str, tuple[str, ...] | str]:
    """The names that each option accepts, in the form that `gan_jax.arguments.parse` takes.

    It is a text instead if other names are accepted too (datasets), if the options of each name are
    listed (networks), or if an option accepts the same names as an earlier one.
    """
    found: dict[str, Any] = {option: tuple(own) for option, own in known().items()}
    found["dataset"] = f"Built-in: {', '.join(known()['dataset'])}."
    for option in ("generator", "discriminator"):
        networks = [f"{name} ({', '.join(own)})" for name, own in known()[option].items()]
        found[option] = f"One of: {', '.join(networks)}."
    found["d_optimizer"] = "Accepts the same names as --g-optimizer."
    return found


def registered() -> dict[str, Any]:
    """The content of ``parts.json``, generated from the registries."""
    from gan_jax.benchmarks.nets import NETS
    from gan_jax.metrics import METRICS
    from gan_jax.recognizers import RECOGNIZERS

    others = {"net": NETS, "metrics": METRICS, "network": RECOGNIZERS}
    bare = {option: {name: {} for name in known} for option, known in others.items()}
    return json.loads(json.dumps(_choices() | bare))


def _choices() -> dict[str, dict[str, dict[str, tuple[str, str]]]]:
    """The names that each field of a `Config` accepts, for help texts. Each name maps to its
    options, with their default and a sentence, which may be empty.
    """
    from gan_jax.build import PRECISIONS, keywords
    from gan_jax.data import DATASETS, FITS
    from gan_jax.models import DISCRIMINATORS, MODELS
    from gan_jax.models.options import numbers_of, options_of
    from gan_jax.parts import optimizers, pairs, priors
    from gan_jax.parts.augment import AUGMENTS
    from gan_jax.parts.conditioning import CONDITIONINGS
    from gan_jax.parts.conditions import CONDITIONS
    from gan_jax.parts.dynamics import DYNAMICS
    from gan_jax.parts.losses import LOSSES
    from gan_jax.parts.mixing import MIXINGS
    from gan_jax.parts.regularizers import G_REGULARIZERS, REGULARIZERS

    networks = lambda field, known: {
        name: {
            key: (o.default_text, o.help)
            for key, o in {**options_of(own), **numbers_of(own)}.items()
        }
        for name, own in ((name, getattr(a, field)) for name, a in known.items())
    }
    plain = lambda options: {key: (str(default), "") for key, default in options.items()}
    bare = lambda names: {name: {} for name in names}
    made = lambda known: {name: plain(keywords(make)) for name, make in known.items()}
    tuned = {
        name: plain(dict.fromkeys(optimizers.options_of(name), ""))
        for name in optimizers.optimizers()
    }
    return {
        "dataset": bare(DATASETS),
        "fit": bare(FITS),
        "pairs": {name: plain(pairs.options_of(name)) for name in pairs.PAIRS},
        "conditioning": bare(CONDITIONINGS),
        "generator": networks("generator", MODELS),
        "discriminator": networks("discriminator", DISCRIMINATORS),
        "prior": {name: plain(priors.options_of(name)) for name in priors.PRIORS},
        "fake_labels": bare(CONDITIONS),
        "loss": bare(LOSSES),
        "penalties": made(REGULARIZERS),
        "g_penalties": made(G_REGULARIZERS),
        "augmentations": {name: plain(change.options) for name, change in AUGMENTS.items()},
        "mixing": bare(MIXINGS),
        "precision": bare(PRECISIONS),
        "g_optimizer": tuned,
        "d_optimizer": tuned,
        "dynamics": made(DYNAMICS),
    }


def listing() -> str:
    """All parts and their options as text."""
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
    """JSON with one line per name."""
    line = lambda name, own: f"  {json.dumps(name)}: {json.dumps(own)}"
    block = lambda own: ",\n".join(line(*item) for item in own.items())
    blocks = [f" {json.dumps(option)}: {{\n{block(own)}\n }}" for option, own in found.items()]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(_text(registered()))
