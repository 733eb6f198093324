"""What becomes of a run that gets more steps than it began with."""

from __future__ import annotations

from gan_jax.config import Config, leaves
from gan_jax.grammar import Schedule, scalar_to_text


def notes(former: Config, config: Config) -> list[str]:
    """Lines for the user: the new number of steps, and what the schedules do meanwhile; none where
    the number is as before.

    A schedule has steps of its own, so that it does not stretch: a run that is prolonged is bit by
    bit one that had the larger number from the start.
    """
    if config.steps == former.steps:
        return []
    told = [f"Prolonged from {former.steps:,} to {config.steps:,} steps."]
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
        told.append(f"Schedules do not stretch: {'; '.join(still)}.")
    if moving:
        told.append(f"Schedules go on as they were written: {', '.join(moving)}.")
    return told
