"""Prolonging a run: it gets more steps than it began with."""

from __future__ import annotations

from gan_jax.config import Config, leaves
from gan_jax.grammar import Schedule, scalar_to_text


def notes(former: Config, config: Config) -> list[str]:
    """Lines for the user: the new number of steps and the effect on schedules; empty if the number
    of steps is unchanged.

    A schedule has its own number of steps and does not stretch: a prolonged run is bit-identical to
    a run that had the larger number from the start.
    """
    if config.steps == former.steps:
        return []
    lines = [f"Prolonged from {former.steps:,} to {config.steps:,} steps."]
    ends = {
        path: (value.begin + value.steps, value)
        for path, value in leaves(config).items()
        if isinstance(value, Schedule) and value.start != value.end
    }
    still = [
        f"{path} is {scalar_to_text(value.end)} from step {end:,} on"
        for path, (end, value) in ends.items()
        if end < config.steps
    ]
    moving = [path for path, (end, _) in ends.items() if end >= config.steps]
    if still:
        lines.append(f"Schedules do not stretch: {'; '.join(still)}.")
    if moving:
        lines.append(f"These schedules continue unchanged: {', '.join(moving)}.")
    return lines
