"""What the scripts set before jax computes."""

import os
import platform
import resource
import subprocess
import sys

import pytest

from gan_jax import command_line

PROGRAM = """
import os
from gan_jax import command_line
command_line.fast_cpu()
import jax, jax.numpy as jnp
loss = lambda x: jnp.sum(x @ x, axis=0)
compiled = jax.jit(loss).lower(jnp.ones((128, 128))).compile()
print(compiled.as_text().count("__ynn_fusion"), os.environ["XLA_FLAGS"])
"""


@pytest.mark.parametrize("flags", ["", "--xla_cpu_experimental_ynn_fusion_type="])
def test_products_are_left_to_xla_unless_the_flags_say_otherwise(flags):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    fusions, told = run.stdout.split(maxsplit=1)
    assert (fusions, told.strip()) == (
        ("0", flags)
        if flags
        else ("1", "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_REDUCE")
    )


PAGES = """
import resource
from gan_jax import command_line
command_line.fast_cpu()
import jax, jax.numpy as jnp
program = jax.jit(lambda x: jnp.fft.fft(jnp.fft.fft(x).real).real.sum())  # large temporary arrays
x = jnp.ones((64, 2**15))
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
counts = []
for _ in range(31):
    before = faults()
    program(x).block_until_ready()
    counts.append(faults() - before)
print(sorted(counts)[15])
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only the C library of GNU has these settings"
)
@pytest.mark.parametrize("threshold", [None, "131072"])
def test_calls_find_the_memory_of_earlier_ones_unless_the_environment_says_otherwise(threshold):
    env = {name: v for name, v in os.environ.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    env |= {} if threshold is None else {"MALLOC_TRIM_THRESHOLD_": threshold}
    run = subprocess.run(
        [sys.executable, "-c", PAGES], env=env, capture_output=True, text=True, check=True
    )
    pages = 64 * 2**15 * 4 // resource.getpagesize()  # of one array of the size of x
    assert int(run.stdout) < pages / 20 if threshold is None else int(run.stdout) > pages


@pytest.mark.parametrize(
    "flags, given, threads",
    [
        ("--xla_force_host_platform_device_count=4", {}, "16"),
        ("--xla_force_host_platform_device_count=4", {"PJRT_NPROC": "5"}, "5"),
        ("--xla_force_host_platform_device_count=1", {}, ""),
        ("", {}, ""),
    ],
)
def test_devices_made_of_one_cpu_get_threads_for_several_collectives(
    monkeypatch, flags, given, threads
):
    monkeypatch.delenv("PJRT_NPROC")
    monkeypatch.setenv("XLA_FLAGS", flags)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    command_line.fast_cpu()
    assert os.environ.get("PJRT_NPROC", "") == threads
