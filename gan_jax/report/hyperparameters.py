"""Config values as text, from their JSON form: grouped, and compared between configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gan_jax.config import Config, scalar_from_json, to_dict
from gan_jax.grammar import scalar_to_text

GROUPS: dict[str, tuple[str, ...]] = {
    "Data": (
        *("dataset", "split", "size", "fit", "channels", "background", "strict", "flip"),
        *("labels", "label_seed", "labelled_batch"),
    ),
    "Networks": (
        *("conditioning", "class_weight", "latents", "prior", "fake_labels"),
        *("generator", "discriminator", "precision"),
    ),
    "Objective": (
        *("loss", "penalties", "g_penalties", "g_loss_weight", "augmentations", "mixing", "clip"),
        *("top_k", "joint"),
    ),
    "Optimization": (
        *("g_optimizer", "d_optimizer", "batch_size", "steps", "d_steps", "g_steps", "fresh_batch"),
        *("micro_batches", "dynamics", "lookahead", "lookahead_rate", "ema", "d_ema"),
        *("ema_warm_up", "seed"),
    ),
}
OTHERS = "Run"
"""The group of all other fields."""
OWN = "own_gan"
"""The field that describes a GAN made of objects: its parts as text."""
ABSENT = "-"


class Value(NamedTuple):
    """A field of a config as text, and whether it differs from its default."""

    name: str
    text: str
    changed: bool


def groups(config: Mapping[str, Any]) -> dict[str, list[Value]]:
    """The fields of a config by group."""
    defaults = to_dict(Config())
    value = lambda name: Value(name, text(config[name]), config[name] != defaults.get(name))
    grouped = {OWN, *(name for names in GROUPS.values() for name in names)}
    named = GROUPS | {OTHERS: tuple(n for n in config if n not in grouped and n != "version")}
    found = {title: [value(n) for n in names if n in config] for title, names in named.items()}
    found["GAN"] = [Value(name, own, changed=True) for name, own in config.get(OWN, {}).items()]
    return {title: values for title, values in found.items() if values}


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The fields in which configs differ, including options of parts such as ``generator.width``:
    maps each name to the texts of all configs.
    """
    flat = [_flat(config) for config in configs]
    names = dict.fromkeys(name for own in flat for name in own)
    rows = {name: [own.get(name, ABSENT) for own in flat] for name in names}
    return {name: texts for name, texts in rows.items() if len(set(texts)) > 1}


def text(value: Any) -> str:
    """A value of a config: ``dcgan, base 2, width 64`` for a part, schedules as on the command
    line.
    """
    match value:
        case {"name": name, **options}:
            return ", ".join([str(name), *(f"{key} {text(own)}" for key, own in options.items())])
        case dict():
            return scalar_to_text(scalar_from_json(value, "config"))
        case list():
            return "; ".join(map(text, value)) or "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case None:
            return "none"
    return str(value)


def _flat(config: Mapping[str, Any]) -> dict[str, str]:
    found, fields = {}, {**config, **config.get(OWN, {})}
    fields.pop(OWN, None)
    for name, value in fields.items():
        match value:
            case {"name": part, **options}:
                found[name] = str(part)
                found |= {f"{name}.{key}": text(own) for key, own in options.items()}
            case _:
                found[name] = text(value)
    return found
