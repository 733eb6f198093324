"""Evaluate a trained GAN, from a clone: ``uv run eval.py --help``.

The command itself is `gan_jax.commands.eval`.
"""

from gan_jax.commands import start

if __name__ == "__main__":
    start("eval")
