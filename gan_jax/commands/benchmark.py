"""Benchmark training steps, the training loop or convolutions, and report the environment."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from gan_jax import arguments, command_line, files
from gan_jax.benchmarks.suite import peer
from gan_jax.commands import interrupts, memory, parts
from gan_jax.errors import ConfigError, at_least, one_of, within

if TYPE_CHECKING:
    from gan_jax.benchmarks.suite.plan import Task

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
    "gflops": "GFLOP/s",
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


GROUPS = {
    "net": "Settings",
    "json": "Results",
    "lazy": "Other benchmarks",
    "suite": "Everything on one machine",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line; separate lists by commas; every combination is measured."""

    net: str = "dcgan32,sngan32,mlp28"
    """Networks."""
    batch: str = "64"
    """Real images per step."""
    precision: str = "fp32"
    """Precision of convolutions and matmuls."""
    steps_per_call: str = "1"
    """Steps per compiled call."""
    seeds: str = "1"
    """Seeds trained in parallel; times are per seed."""
    runs: int = 10
    """Timed runs, reported as median, minimum and interquartile range."""
    json: pathlib.Path | None = None
    """Append each result to this file as a line of JSON."""
    profile: pathlib.Path | None = None
    """Write traces to this folder, one subfolder per combination, and print the time of a step by
    kind of operation.
    """
    lazy: bool = False
    """Measure lazy R1 and several D updates per step in the compiled loop, against the predicted
    cost.
    """
    every: str = "0,4,16"
    """With --lazy: apply R1 at every Nth D update; 0 for never."""
    d_steps: str = "1,2,5"
    """With --lazy: D updates per G update."""
    loop: bool = False
    """Measure a recipe's whole training loop against its bare steps."""
    recipe: str = "mnist_dcgan"
    """With --loop: the recipe."""
    ops: bool = False
    """Measure this library's convolutions against the stock ones."""
    suite: Literal["gpu", "cpu"] | None = None
    """Check and measure everything on a machine of this kind; the same command goes on where the
    last one ended.
    """
    growth: Literal["gpu", "cpu"] | None = None
    """Measure how the cost grows with batch, width, side, seeds, examples and samples, and the
    compilation of each recipe.
    """
    minutes: float = 9.0
    """With --suite or --growth: the time limit of the command."""
    workdir: pathlib.Path | None = None
    """With --suite or --growth: the folder of the results (default: runs/suite_KIND or
    runs/growth_KIND).
    """
    peer: tuple[str, ...] = ()
    """With --suite: a Python and scripts of PyTorch steps to compare with (docs/performance.md)."""
    tables: pathlib.Path | None = None
    """Write the tables of the results that a Markdown page names into the page."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command_line.running("benchmark"):
        argv = sys.argv[1:] if argv is None else argv
        program = command_line.called("benchmark")
        known = parts.names()
        notes = {name: f"Choose from {', '.join(known[name])}." for name in ("net", "precision")}
        (options,) = arguments.parse(program, __doc__, argv, Options, groups=GROUPS, choices=notes)
        check(options)
        command_line.loading()
        with interrupts.ends_with("Stopped; the results so far are printed above."):
            command_line.fast_cpu()
            return MODES[mode(options)](options)


def mode(options: Options) -> str:
    """The benchmark to run: bare steps by default.

    Raises:
      ConfigError: if several benchmarks are chosen.
    """
    chosen = [name for name in MODES if getattr(options, name, False)]
    if len(chosen) > 1:
        flags = " and ".join(f"--{name}" for name in chosen)
        raise ConfigError(f"{flags} cannot be combined; use one of them.")
    return chosen[0] if chosen else "steps"


def check(options: Options) -> None:
    """Checks everything that can be checked without jax."""
    mode(options)
    at_least("runs", options.runs, 1)
    within("minutes", options.minutes, "(0, inf)")
    peer.check(options.peer)
    if options.workdir is not None:
        files.check_folder("workdir", options.workdir)
    if options.json is not None:
        files.check_file("json", options.json)
    if options.profile is not None:
        files.check_folder("profile", options.profile)


def check_memory(settings: Iterable[tuple[str, int, str]], seeds: int = 1) -> None:
    """Refuses batches and states beyond this machine's memory.

    Args:
      settings: network, batch size and precision of each combination.
      seeds: the largest number of parallel seeds.
    """
    from gan_jax.benchmarks.nets import NETS
    from gan_jax.build import PRECISIONS

    for net, batch, precision in settings:
        memory.check(NETS[net](PRECISIONS[precision]), batch, seeds, "batch")


def measure_steps(options: Options) -> int:
    from gan_jax.benchmarks.steps import environment, measure

    combinations = list(
        itertools.product(
            *nets(options),
            numbers("steps_per_call", options.steps_per_call),
            numbers("seeds", options.seeds),
        )
    )
    seeds = max(combination[-1] for combination in combinations)
    check_memory((combination[:3] for combination in combinations), seeds)
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

    settings = list(itertools.product(*nets(options)))
    check_memory(settings)
    every, d_steps = numbers("every", options.every, least=0), numbers("d_steps", options.d_steps)
    print("  ".join(f"{name} {value}" for name, value in environment().items()))
    print("  ".join(f"{title:>12}" for title in LAZY_COLUMNS.values()))
    for setting in settings:
        for record in lazy.measure_lazy(*setting, every, d_steps, rounds=options.runs):
            print("  ".join(f"{cell(record[key]):>12}" for key in LAZY_COLUMNS), flush=True)
            keep(options, record)
    return 0


def nets(options: Options) -> tuple[list[str], list[int], list[str]]:
    """The networks, batch sizes and precisions to combine."""
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


def measure_suite(options: Options) -> int:
    from gan_jax.benchmarks.suite import plan

    kind = options.suite
    return _run(options, f"suite_{kind}", plan.suite(kind), kind == "gpu")


def measure_growth(options: Options) -> int:
    from gan_jax.benchmarks.suite import curves, plan

    kind = options.growth
    code = _run(options, f"growth_{kind}", plan.growth(kind), kind == "gpu")
    results = _folder(options, f"growth_{kind}") / f"growth_{kind}.json"
    print(f"Curves:   {curves.draw(results)}")
    return code


def _folder(options: Options, name: str) -> pathlib.Path:
    return options.workdir or pathlib.Path("runs") / name


def _run(options: Options, name: str, tasks: list[Task], gpu: bool) -> int:
    from gan_jax.benchmarks.suite.running import Suite

    folder = _folder(options, name)
    suite = Suite(name, folder, tasks, options.minutes, options.peer, gpu)
    counts = suite.run(lambda line: print(line, flush=True))
    print(f"\n{counts.made} made, {counts.failed} failed or skipped, {counts.left} left.")
    if counts.left or counts.failed:
        print("The same command makes those that are left, then those that failed.")
    print(f"Results:  {folder / f'{name}.json'}, {folder / f'{name}.md'}")
    return 0


def write_tables(options: Options) -> int:
    from gan_jax.benchmarks.suite import page

    for name in page.update(options.tables):
        print(f"Wrote the tables of {name} to {options.tables}.")
    return 0


MODES = {
    "steps": measure_steps,
    "lazy": measure_lazy,
    "loop": measure_loop,
    "ops": measure_ops,
    "suite": measure_suite,
    "growth": measure_growth,
    "tables": write_tables,
}
"""The function of each benchmark, by its option."""


def numbers(field: str, text: str, least: int = 1) -> list[int]:
    """Reads integers of at least ``least``, separated by commas."""
    values = text.split(",")
    if not all(value.isdecimal() and int(value) >= least for value in values):
        raise ConfigError(
            f"{field} must be a list of integers of at least {least}, such as 4,16, not {text!r}."
        )
    return [int(value) for value in values]


def cell(value: Any) -> str:
    """A readable value; floats have four significant digits."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def keep(options: Options, record: dict[str, Any]) -> None:
    if options.json is not None:
        with options.json.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
