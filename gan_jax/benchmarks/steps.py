"""Time, arithmetic and memory of whole training steps on one device."""

from __future__ import annotations

import importlib.metadata
import math
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import __version__
from gan_jax.benchmarks.nets import NETS
from gan_jax.benchmarks.profile import milliseconds
from gan_jax.build import PRECISIONS
from gan_jax.data import batch_at, from_arrays
from gan_jax.devices import memory
from gan_jax.engine import population
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.train_step import train_step, train_steps
from gan_jax.types import Batch, GanState

RUN_SECONDS = 0.2
"""Minimum duration of a run; shorter steps are repeated."""
EXAMPLES = 4096
"""Resident examples of the compiled loop."""
_MIB = 2**20

Call = Callable[[GanState], tuple[GanState, Any]]


def measure(
    net: str,
    batch: int,
    precision: str,
    steps_per_call: int = 1,
    seeds: int = 1,
    runs: int = 10,
    profile: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Compiles, warms up and times the training of one or more GANs on random images.

    With one step per call, `train_step` gets a batch on the device; with more, `train_steps`
    gathers its batches from 4,096 resident images.

    Args:
      net: a key of `NETS`.
      batch: real images per step.
      precision: a key of `PRECISIONS`.
      steps_per_call: steps per compiled call.
      seeds: GANs trained in parallel by `train_population`, divided evenly over devices.
      runs: timed runs, each of at least `RUN_SECONDS`.
      profile: a folder for a trace of three more calls.

    Returns:
      A line of JSON: versions and device; the arguments; ``params_g``, ``params_d``;
      ``compile_s``; ``ms_median``, ``ms_min``, ``ms_iqr`` (interquartile range) of a step of one
      GAN; ``images_per_s``, real images over all GANs; ``gflops``, 1e9 operations per second;
      ``pct_of_matmul_peak``, of the better peak before and after the runs; ``peak_mib`` of the
      compiled call and its arguments; `gan_jax.devices.memory.peaks`. With a profile,
      ``ms_by_kind``: milliseconds of a step by kind of operation.
    """
    gan = NETS[net](PRECISIONS[precision])
    return {
        **environment(),
        "net": net,
        **measure_gan(gan, batch, precision, steps_per_call, seeds, runs, profile),
    }


def measure_gan(
    gan: Gan,
    batch: int,
    precision: str,
    steps_per_call: int = 1,
    seeds: int = 1,
    runs: int = 10,
    profile: pathlib.Path | None = None,
    examples: int = EXAMPLES,
) -> dict[str, Any]:
    """As `measure`, for any `Gan` and any number of resident examples, without environment and
    name.
    """
    program = compiled_steps(gan, batch, steps_per_call, seeds, examples=examples)
    players = program.state.generator, program.state.discriminator
    params = [sum(a.size for a in jax.tree.leaves(p.params)) // seeds for p in players]
    before = matmul_peak(precision)
    state, seconds = _timed(program.call, program.state, runs)
    peak = max(before, matmul_peak(precision))
    kinds = {} if profile is None else _profile(program, state, steps_per_call, profile)
    each = [s / steps_per_call / seeds for s in seconds]
    flops = program.flops / statistics.median(each)
    return {
        "batch": batch,
        "precision": precision,
        "steps_per_call": steps_per_call,
        "seeds": seeds,
        "params_g": params[0],
        "params_d": params[1],
        "compile_s": round(program.compile_s, 2),
        "runs": runs,
        **_milliseconds(each),
        "images_per_s": round(batch / statistics.median(each), 1),
        "gflops": round(flops / 1e9, 2),
        "pct_of_matmul_peak": round(100 * flops / peak, 1),
        "peak_mib": round(program.memory / _MIB, 1),
        **memory.peaks(),
        **kinds,
    }


def _milliseconds(seconds: list[float]) -> dict[str, float]:
    """Median, minimum and interquartile range."""
    low, _, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
    figures = {"median": statistics.median(seconds), "min": min(seconds), "iqr": high - low}
    return {f"ms_{name}": round(figure * 1e3, 4) for name, figure in figures.items()}


def environment() -> dict[str, Any]:
    """Framework, versions and device."""
    versions = {
        name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax")
    }
    device = jax.devices()[0]
    kind = f"cpu x{os.cpu_count()}" if device.platform == "cpu" else device.device_kind
    return {
        "framework": "gan_jax",
        "version": __version__,
        **versions,
        "python": platform.python_version(),
        "device": kind,
    }


def matmul_peak(precision: str) -> float:
    """Operations per second of a large square matmul, the best of five."""
    n = 2048 if jax.default_backend() == "cpu" else 8192
    a = jax.random.normal(jax.random.key(0), (n, n), PRECISIONS[precision])
    product = jax.jit(jnp.matmul).lower(a, a).compile()
    jax.block_until_ready(product(a, a))
    return 2 * n**3 / min(_seconds(lambda: product(a, a)) for _ in range(5))


class Program(NamedTuple):
    """A compiled ``call``, its initial state, and a batch; seconds to compile, operations per step
    of one GAN, bytes of memory.
    """

    call: Call
    state: GanState
    minibatch: Batch
    compiled: jax.stages.Compiled
    compile_s: float
    flops: float
    memory: float


def compiled_steps(
    gan: Gan,
    batch: int,
    steps_per_call: int = 1,
    seeds: int = 1,
    d_steps: int = 1,
    examples: int = EXAMPLES,
) -> Program:
    """Compiles a step, or a loop of steps, on random examples; arguments as for `measure`."""
    rng, kind = np.random.default_rng(0), gan.modality
    shape, most = (examples, *kind.stored_shape), np.iinfo(kind.stored).max
    images = rng.integers(0, most, shape, dtype=kind.stored, endpoint=True)
    labels = np.zeros(examples, np.int32)
    minibatches = d_steps + gan.turns.fresh
    data = from_arrays(images, labels, 0, batch_size=batch, d_steps=minibatches)
    minibatch = jax.jit(batch_at)(data, jnp.int32(0))
    state = init_state(gan, jax.random.key(0), minibatch)
    single = train_step.lower(gan, state, minibatch)
    step, operands = (
        (train_step, (minibatch,)) if steps_per_call == 1 else (train_steps, (data, steps_per_call))
    )
    if seeds == 1:
        began = time.perf_counter()
        compiled = (
            single.compile() if step is train_step else step.lower(gan, state, *operands).compile()
        )
    else:
        mesh = population.members_mesh(seeds)
        state = population.init_population(
            [gan] * seeds, jax.random.split(jax.random.key(0), seeds)
        )
        shardings = population.shardings(state, mesh)
        state, data = jax.device_put(state, shardings), jax.device_put(data, shardings.step)
        operands = population.with_seeds(data, range(seeds)), steps_per_call
        began = time.perf_counter()
        compiled = population.compile_population(gan, state, operands[0], mesh)
    compile_s = time.perf_counter() - began
    # The body of a loop counts once, also of the loop over several GANs. Calls of GPU libraries are
    # not counted at all: there, the step before compilation is analysed instead.
    opaque = any(library in compiled.as_text() for library in ("__cudnn", "__cublas"))
    counted = single if opaque else compiled if seeds == 1 else single.compile()
    held = _memory(compiled) * (1 if seeds == 1 else mesh.size)
    return Program(
        lambda state: compiled(state, *operands),
        state,
        minibatch,
        compiled,
        compile_s,
        counted.cost_analysis()["flops"],
        held,
    )


def _timed(call: Call, state: GanState, runs: int) -> tuple[GanState, list[float]]:
    """Seconds per call, one figure per run, after two warm-up calls."""
    for _ in range(2):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(call(state))
        once = time.perf_counter() - began
    calls, seconds = math.ceil(RUN_SECONDS / once), []
    for _ in range(runs):
        began = time.perf_counter()
        for _ in range(calls):
            state, metrics = call(state)
        jax.block_until_ready((state, metrics))
        seconds.append((time.perf_counter() - began) / calls)
    return state, seconds


def _profile(
    program: Program, state: GanState, steps_per_call: int, folder: pathlib.Path
) -> dict[str, dict[str, float]]:
    """Traces three calls, for TensorBoard and as ``perfetto_trace.json.gz`` for Perfetto, and
    returns the time by kind of operation.
    """
    with jax.profiler.trace(folder, create_perfetto_trace=True):
        for i in range(3):
            with jax.profiler.StepTraceAnnotation("step", step_num=i):
                state, _ = jax.block_until_ready(program.call(state))
    return {"ms_by_kind": milliseconds(folder, program.compiled.as_text(), 3 * steps_per_call)}


def _memory(compiled: jax.stages.Compiled) -> float:
    """Total bytes of arguments, results and temporaries; donated buffers count once."""
    m = compiled.memory_analysis()
    total = m.argument_size_in_bytes + m.output_size_in_bytes + m.temp_size_in_bytes
    return total - m.alias_size_in_bytes


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - began
