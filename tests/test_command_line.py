"""What the scripts set before jax computes."""

import os
import subprocess
import sys

import pytest

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
