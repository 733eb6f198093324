"""Train a GAN from a recipe, from a clone: ``uv run train.py --help``.

The command itself is `gan_jax.commands.train`.
"""

from gan_jax.commands import start

if __name__ == "__main__":
    start("train")
