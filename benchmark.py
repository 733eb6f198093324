"""Measure training steps or kernels, from a clone: ``uv run benchmark.py --help``.

The command itself is `gan_jax.commands.benchmark`.
"""

from gan_jax.commands import start

if __name__ == "__main__":
    start("benchmark")
