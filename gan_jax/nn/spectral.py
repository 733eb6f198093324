"""Spectral normalization (Miyato et al. 2018, "Spectral normalization for generative adversarial
networks", section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

Array = jax.Array

SIGMAS = "sigmas"
"""The collection that receives the largest singular values, if it is mutable."""


def spectral_norm(wanted: bool) -> Callable[[nn.Module], nn.Module]:
    """`SpectralNorm` if wanted, otherwise the identity."""
    return SpectralNorm if wanted else lambda layer: layer


class SpectralNorm(nn.Module):
    """A layer or network in which each weight matrix ``W`` is divided by its largest singular
    value.

    It is called like the layer. The parameters remain those of the layer, under its name: ``W`` is
    trained, ``W / sigma(W)`` is applied. A kernel ``[..., c_out]`` counts as a matrix with
    ``c_out`` columns; vectors, such as biases, are not normalized.

    ``sigma`` is estimated by one power iteration per call (algorithm 1). It continues from the last
    call in which the collection "spectral" was mutable, as in training: for each kernel, a unit
    vector ``u`` float32 ``[c_out]``. As in section 2.3, derivatives of any order use ``sigma(W) =
    v^T W u`` with constant ``u`` and ``v``. If the collection `SIGMAS` is mutable, every ``sigma``
    is stored there, ``()`` float32, under the path of its parameter.

    Attributes:
      layer: the module.
    """

    layer: nn.Module

    @nn.compact
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.is_initializing():  # parameters as the layer makes them, not divided
            outputs = self.layer(*args, **kwargs)
            self.variable("spectral", "u", self._random_directions)
            return outputs
        u = self.variable("spectral", "u")
        weights, after, sigmas = _normalized(self.layer.variables["params"], u.value)
        for path, sigma in sigmas.items():
            self.sow(
                SIGMAS,
                "/".join((*self.layer.path, *path)),
                sigma,
                reduce_fn=lambda _, last: last,
                init_fn=lambda: None,
            )
        if self.is_mutable_collection("spectral"):
            u.value = after
        call = nn.map_variables(
            lambda layer: layer(*args, **kwargs), "params", lambda _: {"params": weights}
        )
        return call(self.layer)

    def _random_directions(self) -> dict:
        kernels = {
            path: w
            for path, w in flatten_dict(self.layer.variables["params"]).items()
            if w.ndim > 1
        }
        keys = jax.random.split(self.make_rng("params"), len(kernels))
        return unflatten_dict(
            {
                path: _unit(jax.random.normal(key, w.shape[-1:]))
                for key, (path, w) in zip(keys, kernels.items(), strict=True)
            }
        )


def _normalized(params: dict, u: dict) -> tuple[dict, dict, dict]:
    """Parameters with normalized kernels, the directions after one power iteration, and ``sigma``
    by path.
    """
    params, u, after, sigmas = flatten_dict(params), flatten_dict(u), {}, {}
    for path, direction in u.items():
        w = params[path].reshape(-1, params[path].shape[-1])
        after[path], sigmas[path] = _power_method(w, direction)
        params[path] = params[path] / sigmas[path]
    return unflatten_dict(params), unflatten_dict(after), sigmas


def _power_method(w: Array, u: Array) -> tuple[Array, Array]:
    """One power iteration on ``w [m, n]`` from ``u [n]``: the next ``u``, and the estimate ``()``
    of the largest singular value.
    """
    times = lambda a, b: jnp.dot(a, b, precision=jax.lax.Precision.HIGHEST)
    constant = jax.lax.stop_gradient(w)
    v = _unit(times(constant, u))
    u = _unit(times(v, constant))
    return u, times(times(v, w), u)


def _unit(x: Array) -> Array:
    return x / (jnp.linalg.norm(x) + 1e-12)
