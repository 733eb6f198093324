"""How long does each metric take, and does 50,000 against 50,000 fit?

  uv run python -m gan_jax.studies.metric_times
  uv run python -m gan_jax.studies.metric_times --count 50000 --metrics kid,pr

The first takes all metrics, of 10,000 images of 64 features; the second only these, of more images.

Prints seconds for each entry of `METRICS` on random features with ten classes, the first call,
compilation included, and the second; and the most memory that the process had held by then.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import jax
import numpy as np

from gan_jax import metrics
from gan_jax.command_line import one_sentence_errors
from gan_jax.errors import one_of
from gan_jax.modality import labels_in_turn

CLASSES = 10


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="images on each side")
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument(
        "--metrics", default=",".join(metrics.METRICS), help="names of METRICS, without a number"
    )
    options = parser.parse_args()
    with one_sentence_errors("metric_times"):
        names = [one_of("metrics", name, metrics.METRICS) for name in options.metrics.split(",")]
    samples = [sample(seed, options.count, options.features) for seed in range(4)]
    inputs = metrics.Inputs(*samples)
    device = jax.devices()[0].device_kind
    print(f"{options.count:,} x {options.features} on {device}, jax {jax.__version__}")
    print(f"{'':16}{'first s':>9}{'second s':>10}{'MiB held':>10}")
    for name in names:
        if missing := metrics.obstacle(metrics.METRICS[name], inputs):
            print(f"{name:16} left out: {missing}")
            continue
        seconds = [timed(metrics.METRICS[name], inputs) for _ in range(2)]
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:16}{seconds[0]:9.2f}{seconds[1]:10.2f}{held:10.0f}", flush=True)
    return 0


def sample(seed: int, n: int, f: int) -> metrics.Sample:
    rng = np.random.default_rng(seed)
    labels = labels_in_turn(n, CLASSES)
    logits = 4 * np.eye(CLASSES)[labels] + rng.standard_normal((n, CLASSES))
    features = rng.standard_normal((n, f)) + 0.05 * (seed == 0)
    return metrics.Sample(features.astype(np.float32), logits.astype(np.float32), labels)


def timed(metric: metrics.Metric, inputs: metrics.Inputs) -> float:
    began = time.perf_counter()
    metric.measure(inputs)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
