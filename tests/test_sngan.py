"""SNGAN against table 4 of Miyato et al. 2018, written out in numpy."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.devices import batch_axis
from gan_jax.models import sngan
from gan_jax.nn.heads import ProjectionHead

Y = jnp.array([0, 3, 2])
relu = lambda x: np.maximum(x, 0)
up = lambda x: x.repeat(2, axis=1).repeat(2, axis=2)
pool = lambda x: (x[:, ::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, ::2] + x[:, 1::2, 1::2]) / 4


def conv(p, x):
    """Padding "SAME", any odd kernel, from shifted products."""
    k, (_, h, w, _) = p["kernel"].shape[0], x.shape
    x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    y = sum(x[:, i : i + h, j : j + w] @ p["kernel"][i, j] for i in range(k) for j in range(k))
    return y + p["bias"].reshape(1, 1, 1, -1)


def norm(p, x):
    """Batch normalization by the first running statistics: mean 0, variance 1."""
    return x / np.sqrt(1 + 1e-5) * p["scale"].reshape(1, 1, 1, -1) + p["bias"].reshape(1, 1, 1, -1)


def random_parameters(module, *inputs):
    """Variables in which no bias is zero, so that each one counts."""
    variables = module.init(jax.random.key(0), *inputs, train=False)
    jitter = lambda a: a + 0.1 * jax.random.normal(jax.random.key(a.size), a.shape)
    return variables | {"params": jax.tree.map(jitter, variables["params"])}


def test_the_generator_is_that_of_table_4a():
    module, z = sngan.Generator((16, 8, 3), width=5), jax.random.normal(jax.random.key(1), (3, 6))
    variables = random_parameters(module, z, Y)
    params = jax.tree.map(np.asarray, variables["params"])
    x = np.asarray(z) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"].reshape(1, -1)
    x = x.reshape(3, 8, 4, 5)
    block = params["UpBlock_0"]
    h = conv(block["UpConv_0"], up(relu(norm(block["BatchNorm_0"]["BatchNorm_0"], x))))
    h = conv(block["Conv_0"], relu(norm(block["BatchNorm_1"]["BatchNorm_0"], h)))
    x = h + conv(block["Conv_1"], up(x))
    x = np.tanh(conv(params["Conv_0"], relu(norm(params["BatchNorm_0"]["BatchNorm_0"], x))))
    np.testing.assert_allclose(module.apply(variables, z, Y, train=False), x, rtol=1e-4, atol=1e-5)


def test_the_discriminator_is_that_of_table_4b():
    """With base 4, so that 16x16 has two blocks that halve as 32x32 has with base 8; and the
    projection head of the sums.
    """
    module = sngan.Discriminator(ProjectionHead(4), width=5, base=4, spectral=False)
    x = jax.random.normal(jax.random.key(1), (3, 16, 16, 3))
    variables = random_parameters(module, x, Y)
    params = jax.tree.map(np.asarray, variables["params"])
    first, second, *flat = (params[f"DownBlock_{i}"] for i in range(4))
    pixels = np.asarray(x)
    h = pool(conv(first["ConvPool_0"], relu(conv(first["Conv_0"], pixels)))) + conv(
        first["Conv_1"], pool(pixels)
    )
    h = pool(conv(second["ConvPool_0"], relu(conv(second["Conv_0"], relu(h))))) + pool(
        conv(second["Conv_1"], h)
    )
    for block in flat:
        h = h + conv(block["Conv_1"], relu(conv(block["Conv_0"], relu(h))))
    features = relu(h).sum((1, 2))
    critique = module.apply(variables, x, Y, train=False)
    np.testing.assert_allclose(critique.extras["features"], features, rtol=1e-4, atol=1e-4)
    expected = ProjectionHead(4).apply({"params": params["head"]}, features, Y)
    np.testing.assert_allclose(critique.score, expected.score, rtol=1e-4, atol=1e-4)


def test_every_weight_of_the_discriminator_is_normalized_by_default():
    """Kernels of the same directions give the same scores, whatever their lengths."""
    module = sngan.Discriminator(ProjectionHead(4), width=5, base=4)
    x = jax.random.normal(jax.random.key(1), (3, 16, 16, 3))
    variables = random_parameters(module, x, Y)
    longer = jax.tree.map(lambda w: 7 * w if w.ndim > 1 else w, variables["params"])
    score = lambda params: module.apply(variables | {"params": params}, x, Y, train=False).score
    np.testing.assert_allclose(score(longer), score(variables["params"]), rtol=1e-4, atol=1e-5)


def test_batch_normalization_is_synchronized_in_every_block():
    """Two devices with half of the batch each, here by vmap, give the images of a single one."""
    module = sngan.Generator((16, 8, 3), width=5)
    z, y = jax.random.normal(jax.random.key(1), (4, 6)), jnp.zeros(4, jnp.int32)
    variables = random_parameters(module, z, y)
    generate = lambda z, y: module.apply(variables, z, y, train=True, mutable="batch_stats")[0]
    with batch_axis.shared("batch"):
        halves = jax.vmap(generate, axis_name="batch")(z.reshape(2, 2, 6), y.reshape(2, 2))
    images = halves.reshape(4, 16, 8, 3)
    np.testing.assert_allclose(images, generate(z, y), rtol=1e-4, atol=1e-4)
    alone = generate(z[:2], y[:2])
    assert not np.allclose(images[:2], alone, rtol=1e-2, atol=1e-2)
