"""Measure time and memory of each metric.

  uv run gan-jax study metric_times
  uv run gan-jax study metric_times --count 50000 --metrics kid,pr

The first command measures all metrics on 10,000 images with 64 features, the second the named ones
on 50,000 images.

For each entry of `METRICS`, prints the seconds of the first call, including compilation, and of the
second, on random features with ten classes; and the peak memory of the process so far.
"""

from __future__ import annotations

import dataclasses
import resource
import sys
import time
from typing import TYPE_CHECKING

from gan_jax import command_line
from gan_jax.errors import at_least, fits_memory, one_of
from gan_jax.studies import command

if TYPE_CHECKING:
    from gan_jax.metrics import Inputs, Metric, Sample

CLASSES, ALL = 10, "all"


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    count: int = 10_000
    """Images on each side."""
    features: int = 64
    """Features per image."""
    metrics: str = ALL
    """Names of metrics, separated by commas, or all."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("metric_times", __doc__, argv, Options) as options:
        command_line.fast_cpu()
        from gan_jax.metrics import METRICS

        asked = METRICS if options.metrics == ALL else options.metrics.split(",")
        names = [one_of("metrics", name, METRICS) for name in asked]
        at_least("count", options.count, CLASSES)
        at_least("features", options.features, 1)
        numbers = 4 * options.count * (options.features + CLASSES)
        fits_memory("count", f"{options.count:,} x {options.features:,} numbers", 8 * numbers)
        measure(options, names)
    return 0


def measure(options: Options, names: list[str]) -> None:
    """Prints the table."""
    import jax

    from gan_jax.metrics import METRICS, Inputs, obstacle

    inputs = Inputs(*(sample(seed, options.count, options.features) for seed in range(4)))
    device = jax.devices()[0].device_kind
    print(f"{options.count:,} x {options.features} on {device}, jax {jax.__version__}")
    print(f"{'':16}{'first s':>9}{'second s':>10}{'MiB held':>10}")
    for name in names:
        if missing := obstacle(METRICS[name], inputs):
            print(f"{name:16} left out: {missing}")
            continue
        seconds = [timed(METRICS[name], inputs) for _ in range(2)]
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:16}{seconds[0]:9.2f}{seconds[1]:10.2f}{held:10.0f}", flush=True)


def sample(seed: int, n: int, f: int) -> Sample:
    """Random features ``[n, f]`` with alternating labels and logits that favour them."""
    import numpy as np

    from gan_jax.metrics import Sample
    from gan_jax.modality import labels_in_turn

    rng = np.random.default_rng(seed)
    labels = labels_in_turn(n, CLASSES)
    logits = 4 * np.eye(CLASSES)[labels] + rng.standard_normal((n, CLASSES))
    features = rng.standard_normal((n, f)) + 0.05 * (seed == 0)
    return Sample(features.astype(np.float32), logits.astype(np.float32), labels)


def timed(metric: Metric, inputs: Inputs) -> float:
    began = time.perf_counter()
    metric.measure(inputs)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
