"""Run folders that an earlier version wrote are read, gone on from and evaluated as before.

``tests/data`` holds two small ones of commit 09b8305, each with what its evaluation of 500
samples found: a GAN with averages of both players, terms with memory, an augmentation, lookahead
and schedules; and a population of two seeds and two learning rates.
"""

import json
import pathlib
import shutil

import numpy as np
import pytest
from gans import arrays

import gan_jax
from gan_jax.commands import eval as eval_script
from gan_jax.errors import ConfigError
from gan_jax.runs import folder, restore
from gan_jax.training.loop import train

DATA = pathlib.Path(__file__).parent / "data"
SINGLE, POPULATION = "run_v1_single", "run_v1_population"


@pytest.fixture
def copied(tmp_path):
    def copy(name):
        return pathlib.Path(shutil.copytree(DATA / name, tmp_path / name))

    return copy


def expected(name):
    return json.loads((DATA / name / "expected_scores.json").read_text())


def test_a_state_is_converted():
    gan, state = gan_jax.load(DATA / SINGLE, checkpoint=10)
    assert int(state.step) == 10 and gan.lookahead == 5
    g, d = state.players
    assert sorted(d.terms) == ["drift", "lecam"] and float(d.terms["lecam"].memory["seen"]) > 0
    for player in (g, d):
        assert player.average.keys() == {"params"} and player.slow.keys() == player.params.keys()
        assert any(
            np.any(a != b)
            for a, b in zip(arrays(player.average), arrays(player.params), strict=True)
        )
    assert float(state.scalars["discriminator"]["clip"][0]) == 1.0
    rate = state.scalars["generator"]["optimizer"]["numbers"]["learning_rate"]
    np.testing.assert_allclose(rate, [1e-3, 1e-4, 20, 0, 1, 0], rtol=1e-6)


@pytest.mark.parametrize("name", [SINGLE, POPULATION])
def test_a_run_goes_on_as_it_did(name, copied):
    """From the checkpoint of step 10 to that of step 20, but for the rounding of this process,
    which compiles otherwise and for four devices.
    """
    workdir = copied(name)
    run = folder.read(workdir)
    before = restore.states(workdir, run, 20)
    saved = [arrays(before(i).players) for i in range(len(run.gans))]
    shutil.rmtree(workdir / "checkpoints" / "20")
    with pytest.warns(UserWarning, match=r"20 \(it is missing\); going back to 10"):
        outcome = train(run.config, workdir, population=run.population)
    assert outcome.step == 20
    for i, old in enumerate(saved):
        for a, b in zip(arrays(run.member(outcome.state, i).players), old, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [SINGLE, POPULATION])
def test_a_run_is_evaluated_as_it_was(name, copied, signals_as_before):
    workdir = copied(name)
    assert eval_script.main([str(workdir), "--num-samples", "500"]) == 0
    found = json.loads((workdir / "eval" / "step_000020_n500.json").read_text())
    for key, values in expected(name).items():
        assert _close(found[key], values), key


def _close(found, expected):
    if isinstance(expected, dict):
        return all(_close(found[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return all(map(_close, found, expected))
    if isinstance(expected, float):
        return abs(found - expected) <= 1e-3 * max(1, abs(expected))
    return found == expected


def test_a_state_of_a_later_version_is_refused(copied):
    workdir = copied(SINGLE)
    for seal in workdir.glob("checkpoints/*/seal.json"):
        seal.write_text(json.dumps(json.loads(seal.read_text()) | {"state_version": 99}))
    with pytest.raises(ConfigError, match="its state has version 99"):
        gan_jax.load(workdir)
