"""Runs that begin with the weights of another one."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from gan_jax import Network
from gan_jax.errors import ConfigError
from gan_jax.runs import folder
from gan_jax.runs.restore import load
from gan_jax.runs.run import Run
from gan_jax.sampling.model import export_model
from gan_jax.training import loop as training
from gan_jax.training import transfer
from tests.runs import RING

SOURCE = dataclasses.replace(RING, steps=2, checkpoint_every=1, d_ema=10.0)
TARGET = dataclasses.replace(RING, conditioning="none", seed=5, steps=1)
"""Without classes: G's first kernel is narrower, and D's head lacks the embedding."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "source"
    training.train(SOURCE, workdir)
    return workdir


def equal(a, b):
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


def test_parse():
    parsed = lambda text: (str(transfer.parse(text).workdir), *transfer.parse(text)[1:])
    assert parsed("runs/a") == ("runs/a", None, (0, 1))
    assert parsed("runs/a@100:d") == ("runs/a", 100, (1,))
    assert parsed("runs/a:g") == ("runs/a", None, (0,)) and parsed("a@b")[0] == "a@b"
    with pytest.raises(ConfigError, match="init_from"):
        transfer.parse("")


def test_weights_that_fit_are_taken_and_the_others_are_new(source, tmp_path):
    said = []
    start = transfer.start(f"{source}@1", tmp_path / "run", Run(TARGET), show=said.append)
    first = training.Single(Run(TARGET)).init()
    state, other = start.state(first), load(source, checkpoint=1)[1]
    g, d = state.players
    assert equal(g.params["Dense_1"], other.generator.params["Dense_1"])
    assert equal(g.params["Dense_0"]["bias"], other.generator.params["Dense_0"]["bias"])
    assert equal(g.params["Dense_0"]["kernel"], first.generator.params["Dense_0"]["kernel"])
    assert equal(g.average["params"]["Dense_1"], other.generator.average["params"]["Dense_1"])
    assert equal(d.params["Dense_0"], other.discriminator.params["Dense_0"]) and d.average is None
    assert equal(g.opt_state, first.generator.opt_state) and equal(state.step, first.step)
    assert len(said) == 2 and all(f"from {source}, step 1: " in line for line in said)
    assert said[0].endswith("3 weights copied, 1 new: Dense_0.kernel [4, 8].")


def test_one_side_alone(source, tmp_path):
    start = transfer.start(f"{source}:d", tmp_path, Run(SOURCE), show=lambda line: None)
    first = training.Single(Run(SOURCE)).init()
    state, other = start.state(first), load(source)[1]
    assert equal(state.generator, first.generator)
    assert equal(state.discriminator.params, other.discriminator.params)
    assert equal(state.discriminator.average, other.discriminator.average)


def test_a_run_remembers_what_it_began_with_and_goes_on_without_it(source, tmp_path):
    workdir, run = tmp_path / "run", Run(TARGET)
    copied = tmp_path / "copied"
    source.rename(copied)
    try:
        start = transfer.start(str(copied), workdir, run, show=lambda line: None)
        training.train(TARGET, workdir, start=start)
    finally:
        copied.rename(source)
    (begun,) = json.loads((workdir / folder.RUN).read_text())["starts"]
    assert begun["origin"]["init_from"] == str(copied) and begun["origin"]["step"] == 2
    for text in (None, str(copied)):  # which is not there any more
        start = transfer.start(text, workdir, run)
        assert start.origin == begun["origin"] and folder.check(workdir, run, origin=start.origin)
    start = transfer.start(str(source), workdir, run, show=lambda line: None)
    with pytest.raises(ConfigError, match=r"the run in .* started from init_from"):
        folder.check(workdir, run, origin=start.origin)
    assert transfer.start(None, workdir, run, overwrite=True) is None


def test_an_exported_model_is_a_source_like_a_run(source, tmp_path):
    gan, state = load(source, checkpoint=1)[:2]
    export_model(gan, state, SOURCE, tmp_path / "model", card="A card.")
    first, said = training.Single(Run(TARGET)).init(), []
    start = transfer.start(f"{tmp_path / 'model'}", tmp_path, Run(TARGET), show=said.append)
    of_run = transfer.start(f"{source}@1", tmp_path, Run(TARGET), show=lambda line: None)
    assert start.origin["step"] == 1 and len(start.origin["sha256"]) == 64
    given, wanted = start.state(first), of_run.state(first)
    assert equal(given.generator.average, wanted.generator.average)
    averaged = state.discriminator.average["params"]
    assert equal(given.discriminator.params["Dense_0"], averaged["Dense_0"])
    assert said[0].endswith("3 weights copied, 1 new: Dense_0.kernel [4, 8].")
    with pytest.raises(ConfigError, match=r"the model in .* is of step 1, not 2"):
        transfer.start(f"{tmp_path / 'model'}@2", tmp_path, Run(TARGET))


def test_what_cannot_be_a_source(source, tmp_path):
    refused = lambda text, config=TARGET: transfer.start(text, tmp_path / "run", Run(config))
    with pytest.raises(ConfigError, match="is not a run folder"):
        refused(str(tmp_path))
    with pytest.raises(ConfigError, match="has no checkpoint of step 7; use 1 or 2"):
        refused(f"{source}@7")
    other = dataclasses.replace(TARGET, dataset="digits", generator=Network("mlp", width=16))
    with pytest.raises(
        ConfigError, match=r"no weight of .* has the path and shape of one of this run"
    ):
        refused(f"{source}:g", other)
