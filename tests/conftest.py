"""Strict settings for every test: four fake devices, ranks never promoted, caches of their own that
outlast a run.

Programs are compiled with few of LLVM's optimizations, and where XLA still has it, with its older
code generator, which takes a quarter of the time: a test compiles much and computes little. The
training of a large recognizer for many steps computes much, and is compiled with all optimizations,
which takes twice as long.
Garbage is collected after each file of tests, among the objects that the file made: a collection
that goes through all objects of JAX, again and again, took a third of the time of tracing.
Where the environment forbids bytecode, as containers do, it is kept in the tests' cache: else each
process of the suite would compile the sources of JAX anew.
"""

import functools
import gc
import importlib.metadata
import os
import pathlib
import signal
import sys

os.environ["GAN_JAX_CACHE"] = str(pathlib.Path(__file__).parent.parent / ".cache")
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.path.join(os.environ["GAN_JAX_CACHE"], "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # python -B forbids it, too
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
)
os.environ["XLA_FLAGS"] += " --xla_backend_optimization_level=0"
if importlib.metadata.version("jaxlib").startswith("0.10."):  # unknown to later ones
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"
    os.environ["XLA_FLAGS"] += " --xla_cpu_parallel_codegen_split_count=1"

import jax
import pytest
from gans import optimized

from gan_jax import command_line
from gan_jax.recognizers import fitting

gc.disable()
gc.freeze()
command_line.fast_cpu()  # scripts that run in this process compute as those that run alone
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", os.path.join(os.environ["GAN_JAX_CACHE"], "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


_short = set()
"""The classifiers that are trained for few steps."""


def _begin(classifier, config, *rest, plainly=fitting._begin):
    if config.steps <= 20:
        _short.add(classifier)
    return plainly(classifier, config, *rest)


def _train_steps(classifier, state, data, n, plainly=fitting.train_steps):
    large = sum(a.size for a in jax.tree.leaves(state.network.params)) > 50_000
    slow = large and classifier not in _short
    steps = functools.partial(optimized, plainly) if slow else plainly
    return steps(classifier, state, data, n)


fitting._begin, fitting.train_steps = _begin, _train_steps


@pytest.fixture(scope="module", autouse=True)
def _forget_compilations():
    """Compiled programs take memory maps, of which a process has some 65,000: more than the whole
    suite may keep.
    """
    yield
    jax.clear_caches()
    _short.clear()
    gc.collect()
    gc.freeze()


@pytest.fixture
def signals_as_before(monkeypatch):
    """For scripts that run in this process: what they do on SIGTERM, and that they end deaf to
    signals, ends with the test.
    """
    former = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(command_line, "ignore_signals", lambda: None)
    yield
    signal.signal(signal.SIGTERM, former)


@pytest.fixture
def x64():
    """Float64 in place of float32."""
    with jax.enable_x64(True):
        yield
