"""Weights divided among the devices: the results of whole ones, less memory, checkpoints that fit
any number of devices.
"""

import dataclasses

import jax
import numpy as np
import pytest
from gans import arrays, random_batch, small_dcgan
from jax.sharding import AxisType, Mesh, PartitionSpec

import gan_jax
from gan_jax import Config, Network, Optimizer
from gan_jax.devices import parallel
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.models import dcgan, mlp
from gan_jax.nn.heads import ProjectionHead
from gan_jax.runs.restore import restore
from gan_jax.runs.run import Run
from gan_jax.training import loop as training

CONFIG = Config(
    conditioning="projection",
    latents=64,
    generator=Network("mlp", width=64, depth=1),
    discriminator=Network("mlp", width=64, depth=1),
    g_optimizer=Optimizer(lr=1e-3),
    d_optimizer=Optimizer(lr=1e-3),
    batch_size=16,
    steps=8,
    checkpoint_every=4,
)


def mesh_of(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("batch",), axis_types=(AxisType.Auto,))


def held(state):
    """Bytes of a state that lie on the first device."""
    leaves = [
        a for a in jax.tree.leaves(state) if not jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key)
    ]
    return sum(a.addressable_shards[0].data.nbytes for a in leaves)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder and the last state of a run with divided weights, and of one with whole ones."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        fsdp: (folder / str(fsdp), training.train(CONFIG, folder / str(fsdp), fsdp=fsdp))
        for fsdp in (True, False)
    }


def test_divided_weights_train_as_whole_ones_and_take_less_memory(runs):
    (_, divided), (_, whole) = runs[True], runs[False]
    for a, b in zip(arrays(divided.state), arrays(whole.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
    assert held(divided.state) < 0.4 * held(whole.state)
    for tree in (
        divided.state.generator.params,
        divided.state.generator.opt_state[0].mu,
        divided.state.generator.average["params"],
    ):
        assert tree["Dense_1"]["kernel"].addressable_shards[0].data.shape == (16, 64)
        assert tree["Dense_1"]["bias"].sharding.is_fully_replicated


def test_batch_norm_stays_whole_and_the_step_keeps_every_placement():
    gan = small_dcgan(
        {"network": dcgan.Generator((8, 8, 1), num_classes=10, width=32, base=2)},
        {"network": mlp.Discriminator(ProjectionHead(10), width=64)},
    )
    batches = [random_batch(i, b=16) for i in range(2)]
    results = []
    for fsdp in (False, True):
        mesh = parallel.mesh(16)
        placement = parallel.Placement(mesh, fsdp)
        state = init_state(gan, jax.random.key(0), batches[0])
        shardings = placement.of(state)
        state = jax.device_put(state, shardings)
        for batch in batches:
            state, _ = train_step(
                gan, state, jax.device_put(batch, parallel.split(mesh)), None, placement
            )
        for leaf, sharding in zip(jax.tree.leaves(state), jax.tree.leaves(shardings), strict=True):
            assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)
        results.append(arrays(state))
    assert all(
        a.sharding.is_fully_replicated
        for a in jax.tree.leaves((state.generator.stats, state.discriminator.stats))
    )
    assert not all(a.sharding.is_fully_replicated for a in jax.tree.leaves(state.generator.params))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


def test_the_largest_axis_that_the_devices_divide_is_divided():
    share = lambda *shape: (
        parallel.Placement(parallel.mesh(16), True)
        ._share(jax.ShapeDtypeStruct(shape, "float32"))
        .spec
    )
    assert share(3, 3, 64, 128) == PartitionSpec(None, None, None, "batch")
    assert share(74, 64) == PartitionSpec(None, "batch")
    assert share(128, 64) == PartitionSpec("batch")
    assert share(63, 65) == share(4, 4) == share() == PartitionSpec()


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("devices, fsdp", [(1, False), (2, False), (2, True), (4, True)])
def test_checkpoints_are_restored_on_any_devices_and_placement(runs, saved, devices, fsdp):
    folder, outcome = runs[saved]
    run, placement = Run(CONFIG), parallel.Placement(mesh_of(devices), fsdp)
    shardings = placement.of(run.abstract_state())
    state = restore(folder, run, shardings)
    for a, b in zip(arrays(state), arrays(outcome.state), strict=True):
        np.testing.assert_array_equal(a, b)
    for leaf, sharding in zip(jax.tree.leaves(state), jax.tree.leaves(shardings), strict=True):
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)


def test_a_run_goes_on_on_other_devices_and_back(tmp_path, monkeypatch, runs):
    """Four devices with divided weights, two with whole ones, four again: each picks up where the
    last one was stopped.
    """
    until = lambda step: dataclasses.replace(CONFIG, steps=step)
    expected = arrays(runs[False][1].state)
    for step, devices, fsdp in ((4, 4, True), (6, 2, False), (8, 4, True)):
        with monkeypatch.context() as patch:
            patch.setattr(parallel, "mesh", lambda *_, devices=devices: mesh_of(devices))
            outcome = training.train(until(step), tmp_path / "run", fsdp=fsdp)
        assert int(outcome.state.step) == step
        assert {len(a.sharding.device_set) for a in jax.tree.leaves(outcome.state)} == {devices}
    for a, b in zip(arrays(outcome.state), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
    assert int(gan_jax.load(tmp_path / "run")[1].step) == 8
