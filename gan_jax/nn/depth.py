"""The layers of a network in the order of its depth."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax


def layers(network: nn.Module, *inputs: Any) -> tuple[tuple[str, ...], ...]:
    """The names of a network's direct submodules with parameters, grouped by layer, in call order.

    A layer begins with a submodule that has a kernel, a parameter of two or more axes; submodules
    without one, such as norms, belong to the previous layer.

    Args:
      network: a module ``(*inputs, train)``. It is traced, not computed.
      inputs: arrays or abstract values.
    """
    called: list[str] = []

    def record(method, arguments, options, context):
        path = context.module.path
        if path and context.method_name != "setup" and path[0] not in called:
            called.append(path[0])
        return method(*arguments, **options)

    def init(*inputs: Any) -> Any:
        with nn.intercept_methods(record):
            return network.init(jax.random.key(0), *inputs, train=False)

    params = jax.eval_shape(init, *inputs)["params"]
    found: list[list[str]] = []
    for name in called:
        leaves = jax.tree.leaves(params.get(name, {}))
        if any(leaf.ndim > 1 for leaf in leaves) or (leaves and not found):
            found.append([name])
        elif leaves:
            found[-1].append(name)
    return tuple(map(tuple, found))
