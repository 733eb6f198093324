"""Measure training steps, the whole training loop, or the convolutions, and say what was measured
on what.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import sys
from typing import Annotated, Any

import tyro

from gan_jax import command_line
from gan_jax.errors import ConfigError, at_least, one_of

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]

STEP_COLUMNS = {
    "net": "net",
    "batch": "batch",
    "precision": "precision",
    "steps_per_call": "steps/call",
    "seeds": "seeds",
    "ms_median": "ms",
    "ms_min": "min",
    "ms_iqr": "iqr",
    "images_per_s": "images/s",
    "tflops": "TFLOP/s",
    "pct_of_matmul_peak": "% of peak",
    "peak_mib": "MiB",
    "compile_s": "compile s",
}

LAZY_COLUMNS = {
    "net": "net",
    "batch": "batch",
    "precision": "precision",
    "d_steps": "D updates",
    "r1_every": "R1 every",
    "ms_median": "ms",
    "ms_predicted": "predicted ms",
    "ratio": "ratio",
    "ratio_min": "min",
    "ratio_max": "max",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line; lists are separated by commas, and every combination is measured."""

    net: str = "dcgan32,sngan32,mlp28"
    """Networks."""
    batch: str = "64"
    """Real images a step."""
    precision: str = "fp32"
    """fp32 or bf16."""
    steps_per_call: str = "1"
    """Steps in one compiled call."""
    seeds: str = "1"
    """GANs trained at once; times are for one GAN."""
    runs: int = 10
    """Timed runs, of which median, minimum and interquartile range are shown."""
    json: pathlib.Path | None = None
    """File to which each result is added as a line of JSON."""
    profile: pathlib.Path | None = None
    """Folder for traces, one folder inside for each combination; what a step's time goes to is
    printed too.
    """
    lazy: Flag = False
    """Instead of bare steps: the compiled loop with R1 at some updates of D and several of them a
    step, beside its parts.
    """
    every: str = "0,4,16"
    """Of --lazy: R1 at every so many updates of D; 0 for none."""
    d_steps: str = "1,2,5"
    """Of --lazy: updates of D for one of G."""
    loop: Flag = False
    """Instead of bare steps: a recipe's whole training loop, beside its steps."""
    recipe: str = "mnist_dcgan"
    """The recipe of --loop."""
    ops: Flag = False
    """Instead of steps: our convolutions beside the stock ones."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command_line.one_sentence_errors("benchmark.py"):
        options = tyro.cli(Options, description=__doc__, args=argv)
        command_line.fast_cpu()
        if options.ops:
            return measure_ops(options)
        if options.lazy:
            return measure_lazy(options)
        return measure_loop(options) if options.loop else measure_steps(options)


def measure_steps(options: Options) -> int:
    from gan_jax.benchmarks.steps import environment, measure

    combinations = list(
        itertools.product(
            *nets(options),
            numbers("steps_per_call", options.steps_per_call),
            numbers("seeds", options.seeds),
        )
    )
    at_least("runs", options.runs, 1)
    seeds = max(combination[-1] for combination in combinations)
    if seeds > 1:
        command_line.divide_cpu(seeds)
    print("  ".join(f"{name} {value}" for name, value in environment().items()))
    print("  ".join(f"{title:>10}" for title in STEP_COLUMNS.values()))
    for combination in combinations:
        trace = options.profile and options.profile / "-".join(map(str, combination))
        record = measure(*combination, runs=options.runs, profile=trace)
        print("  ".join(f"{cell(record[key]):>10}" for key in STEP_COLUMNS), flush=True)
        for kind, ms in record.get("ms_by_kind", {}).items():
            print(f"{cell(ms):>34} ms  {kind}")
        keep(options, record)
    return 0


def measure_lazy(options: Options) -> int:
    from gan_jax.benchmarks import lazy
    from gan_jax.benchmarks.steps import environment

    settings = itertools.product(*nets(options))
    every, d_steps = numbers("every", options.every, least=0), numbers("d_steps", options.d_steps)
    at_least("runs", options.runs, 1)
    print("  ".join(f"{name} {value}" for name, value in environment().items()))
    print("  ".join(f"{title:>12}" for title in LAZY_COLUMNS.values()))
    for setting in settings:
        for record in lazy.measure_lazy(*setting, every, d_steps, rounds=options.runs):
            print("  ".join(f"{cell(record[key]):>12}" for key in LAZY_COLUMNS), flush=True)
            keep(options, record)
    return 0


def nets(options: Options) -> tuple[list[str], list[int], list[str]]:
    """Networks, batch sizes and precisions to be combined."""
    from gan_jax.benchmarks.nets import NETS
    from gan_jax.build import PRECISIONS

    return (
        [one_of("net", name, NETS) for name in options.net.split(",")],
        numbers("batch", options.batch),
        [one_of("precision", name, PRECISIONS) for name in options.precision.split(",")],
    )


def measure_loop(options: Options) -> int:
    from gan_jax.benchmarks import loop
    from gan_jax.recipes import recipe

    record = loop.measure_loop(recipe(options.recipe))
    print("\n".join(f"{key:>18}  {cell(value)}" for key, value in record.items()))
    keep(options, {"recipe": options.recipe, **record})
    return 0


def measure_ops(options: Options) -> int:
    from gan_jax.benchmarks import ops
    from gan_jax.benchmarks.steps import environment
    from gan_jax.build import PRECISIONS

    for precision in [
        one_of("precision", name, PRECISIONS) for name in options.precision.split(",")
    ]:
        print(
            "  ".join(f"{name} {value}" for name, value in environment().items()),
            " precision",
            precision,
        )
        print(ops.table(()), flush=True)
        for cases, width in [*(((case,), None) for case in ops.CASES), ((), 32)]:
            rows = ops.compare_ops(cases, width=width, dtype=PRECISIONS[precision])
            print("\n".join(ops.table(rows).splitlines()[1:]), flush=True)
            for row in rows:
                keep(options, {**environment(), "precision": precision, **row})
    return 0


def numbers(field: str, text: str, least: int = 1) -> list[int]:
    """Whole numbers from ``least`` on, separated by commas."""
    values = text.split(",")
    if not all(value.isdecimal() and int(value) >= least for value in values):
        raise ConfigError(
            f"{field}: {text!r} is not a list of whole numbers from {least} on; "
            "accepted: for instance 4,16."
        )
    return [int(value) for value in values]


def cell(value: Any) -> str:
    """A value for a person; numbers with four digits that count."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def keep(options: Options, record: dict[str, Any]) -> None:
    if options.json is not None:
        with options.json.open("a") as lines:
            lines.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    sys.exit(main())
