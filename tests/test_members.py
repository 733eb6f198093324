"""Populations in the training loop and its scripts: what they write, failures of members, sweeps,
resuming, evaluation.
"""

import dataclasses
import inspect
import json
import math
import shlex
import signal

import jax
import numpy as np
import pytest
import scipy.stats
from runs import stopped_after

import gan_jax
from gan_jax import Config, ConfigError, Network, Optimizer, Penalty, checkpoint
from gan_jax.commands import eval as eval_script
from gan_jax.commands import train as train_script
from gan_jax.config import Schedule
from gan_jax.evaluation import members as evaluation_members
from gan_jax.evaluation.evaluator import Evaluator
from gan_jax.evaluation.result import Evaluation
from gan_jax.runs import folder as run_folder
from gan_jax.runs.run import Run
from gan_jax.sweeps import Population, from_dict, from_text, to_dict
from gan_jax.training import loop as training
from gan_jax.training.divergence import NotFinite
from gan_jax.training.members import Members, moment_distance, moments
from gan_jax.training.single import Single
from gan_jax.training.trainee import Trainee

TINY = Config(
    latents=4,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1),
    penalties=(Penalty("r1", 0.1, every=3),),
    g_optimizer=Optimizer("sgd", lr=1e-2),
    d_optimizer=Optimizer("sgd", lr=1e-2),
    batch_size=16,
    seed=5,
    steps=14,
    log_every=4,
    sample_every=6,
    checkpoint_every=5,
    keep=2,
)
FOUR = Population(seeds=4)
SWEEP = Population(seeds=2, sweep=(("d_optimizer.lr", (1e-2, 1e38)),))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    return workdir, training.train(TINY, workdir, population=FOUR)


@pytest.fixture(scope="module")
def diverged(tmp_path_factory):
    """Of four members, those with an absurd learning rate diverge."""
    workdir = tmp_path_factory.mktemp("runs") / "diverged"
    return workdir, training.train(TINY, workdir, population=SWEEP)


def arrays(state):
    data = lambda a: (
        jax.random.key_data(a) if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key) else a
    )
    return [np.asarray(data(a)) for a in jax.tree.leaves(state)]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("kind", [Single, Members])
def test_the_loop_can_train_either(kind):
    """Every method of the protocol, with the same parameters."""
    methods = {name: own for name, own in vars(Trainee).items() if inspect.isfunction(own)}
    for name in [name for name in methods if not name.startswith("_")]:
        parameters = lambda own: list(inspect.signature(own).parameters.values())
        assert parameters(getattr(kind, name)) == parameters(methods[name])
    trainee = kind(Run(TINY, Population() if kind is Single else FOUR))
    assert all(hasattr(trainee, name) for name in Trainee.__annotations__)


def test_members_end_where_each_would_alone(finished, tmp_path):
    workdir, outcome = finished
    assert outcome.step == 14 and outcome.failed == ()
    config = dataclasses.replace(TINY, seed=7)
    alone = training.train(config, tmp_path / "alone")
    gan, state = gan_jax.load(workdir, member=2)
    assert gan == gan_jax.build(config)
    for a, b in zip(arrays(state), arrays(alone.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    told = [line for line in lines(workdir / "members.jsonl") if "g/loss" in line]
    for own, line in zip(told, lines(tmp_path / "alone" / "metrics.jsonl"), strict=True):
        assert own["step"] == line["step"] and own["g/loss"][2] == pytest.approx(
            line["g/loss"], rel=1e-3
        )


def test_logs_hold_mean_and_spread_of_the_members(finished):
    workdir, _ = finished
    members = [line for line in lines(workdir / "members.jsonl") if "g/loss" in line]
    metrics = lines(workdir / "metrics.jsonl")
    assert (
        [line["step"] for line in metrics] == [line["step"] for line in members] == [4, 8, 12, 14]
    )
    for line, own in zip(metrics, members, strict=True):
        assert line["failed"] == 0
        for name in set(own) - {"step"}:
            assert len(own[name]) == 4
            assert line[name] == pytest.approx(np.mean(own[name])) and line[
                f"{name}_std"
            ] == pytest.approx(np.std(own[name], ddof=1))


def test_pictures_of_the_best_the_median_and_the_worst(finished):
    workdir, _ = finished
    names = {path.name for path in (workdir / "samples").iterdir()}
    assert names == {
        f"step_{step:06}_{name}.png" for step in (6, 12, 14) for name in ("best", "median", "worst")
    }
    for line in (line for line in lines(workdir / "members.jsonl") if "moment_distance" in line):
        distances = line["moment_distance"]
        order = np.argsort(distances)
        assert [line["best"], line["median"], line["worst"]] == [order[0], order[1], order[-1]]


def test_the_distance_of_moments():
    """Of two sets whose numbers have means 0 and 1 and deviations 1 and 3: 1 + 4 a number."""
    a = np.array([-1.0, 1.0])[:, None] * np.ones(6)
    assert moment_distance(moments(a), moments(3 * a + 1)) == pytest.approx(6 * 5)
    assert moment_distance(moments(a), moments(a)) == 0


@pytest.mark.parametrize("at", [3, 6])
def test_stopped_and_resumed_is_as_if_never_stopped(tmp_path, monkeypatch, finished, at):
    with monkeypatch.context() as patch:
        stopped_after(patch, at)
        stopped = training.train(TINY, tmp_path / "run", population=FOUR)
    assert at < stopped.step < 14
    outcome = training.train(TINY, tmp_path / "run", population=FOUR)
    for a, b in zip(arrays(outcome.state), arrays(finished[1].state), strict=True):
        np.testing.assert_array_equal(a, b)
    steps = [line["step"] for line in lines(tmp_path / "run" / "metrics.jsonl")]
    assert steps == sorted({4, stopped.step, 8, 12, 14})
    assert training.train(TINY, tmp_path / "run", population=FOUR).step == 14


def test_a_member_that_diverges_is_marked_and_ends_no_other(diverged, tmp_path):
    workdir, outcome = diverged
    assert outcome.step == 14 and outcome.failed == (2, 3)
    logged = lines(workdir / "members.jsonl")
    told = {line["member"]: line["failed"] for line in logged if "member" in line}
    assert set(told) == {2, 3} and all("became" in how for how in told.values())
    last = [line for line in logged if "g/loss" in line][-1]
    assert last["g/loss"][2:] == [None, None] and all(
        math.isfinite(value) for value in last["g/loss"][:2]
    )
    line = lines(workdir / "metrics.jsonl")[-1]
    assert line["failed"] == 2 and line["g/loss"] == pytest.approx(np.mean(last["g/loss"][:2]))
    assert training.train(TINY, workdir, population=SWEEP).failed == (2, 3)  # known from the folder
    alone = training.train(dataclasses.replace(TINY, seed=6), tmp_path / "alone")
    for a, b in zip(arrays(gan_jax.load(workdir, member=1)[1]), arrays(alone.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_run_whose_members_all_fail_ends(tmp_path):
    with pytest.raises(NotFinite, match=r"^all 2 members failed, the last one by step \d+$"):
        training.train(
            TINY, tmp_path / "run", population=Population(2, (("d_optimizer.lr", (1e38,)),))
        )


def test_the_folder_tells_seeds_and_sweep(diverged, finished):
    workdir, _ = diverged
    assert run_folder.read(workdir) == Run(TINY, SWEEP)
    values = json.loads((workdir / "config.json").read_text())
    assert values["population"] == {"seeds": 2, "sweep": {"d_optimizer.lr": [1e-2, 1e38]}}
    with pytest.raises(ConfigError, match="these settings changed: seeds or sweep; restore"):
        training.train(TINY, workdir, population=FOUR)
    with pytest.raises(ConfigError, match="these settings changed: seeds or sweep; restore"):
        training.train(TINY, workdir)
    with pytest.raises(ConfigError, match=r"^member of .* must be from 0 to 3, not None\.$"):
        gan_jax.load(finished[0])
    with pytest.raises(ConfigError, match=r"^member of .* must be from 0 to 3, not 4\.$"):
        gan_jax.load(finished[0], member=4)
    assert checkpoint.steps(workdir / "checkpoints") == [10, 14]


def test_members_of_a_sweep():
    """Every combination, each with all seeds; an element of a list by its index."""
    sweep = from_text(("g-optimizer.lr=1e-4,2e-4", "penalties.0.weight=1,linear/0/1/10"))
    members = Population(2, sweep).members(TINY)
    assert len(members) == 8 and [config.seed for config in members] == [5, 6] * 4
    assert [config.g_optimizer.lr for config in members] == [1e-4] * 4 + [2e-4] * 4
    assert [config.penalties[0].weight for config in members[::2]] == [
        1.0,
        Schedule(0.0, 1.0, 10),
    ] * 2
    assert all(
        dataclasses.replace(c, seed=5, g_optimizer=TINY.g_optimizer, penalties=TINY.penalties)
        == TINY
        for c in members
    )
    assert from_dict(json.loads(json.dumps(to_dict(Population(2, sweep))))) == Population(2, sweep)
    assert gan_jax.build_members(members)[0] == gan_jax.build(TINY)


WRONG = [
    ("--sweep batch_size=8,16", "sweep: 'batch_size' is not a number of this config's training"),
    ("--sweep g_optimizer.lrr=1,2", "did you mean 'g_optimizer.lr'?"),
    ("--sweep penalties.1.weight=1,2", "did you mean 'penalties.0.weight'?"),
    ("--sweep g_optimizer.lr=1e-4,fast", "sweep: 'g_optimizer.lr=1e-4,fast' does not have"),
    ("--sweep g_optimizer.lr", "does not have the form"),
    ("--sweep g_optimizer.lr=1,1", "has a duplicate value"),
    ("--sweep ema=1 ema=2", "ema, ema has a duplicate"),
    ("--sweep g_optimizer.lr=1e-4,-1", "g_optimizer.lr must be in (0, inf), not -1.0"),
    ("--sweep ema=0,1000", "members differ in ema"),
    ("--sweep g_optimizer.momentum=0.5,0.9", "g_optimizer.momentum is not an option of adam"),
    ("--seeds 0", "seeds must be in [1, 4294967296], not 0"),
    ("--seeds 2 --fsdp", "fsdp: "),
]  # fmt: skip


@pytest.mark.parametrize("arguments, expected", WRONG)
def test_wrong_input_is_one_sentence_and_nothing_written(
    tmp_path, monkeypatch, capfd, arguments, expected
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        train_script.main(shlex.split(arguments))
    out, err = capfd.readouterr()
    assert exit.value.code == 2 and expected in err and out == ""
    assert err.startswith("gan-jax train: ") and err.count("\n") == 1 and err.endswith(".\n")
    assert not list(tmp_path.iterdir())


def test_the_scripts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    tiny = shlex.split(
        "digits_dcgan --generator.name mlp --generator.width 8 --generator.base None "
        "--discriminator.name mlp --discriminator.width 8 "
        "--discriminator.norm None --discriminator.base None --latents 4 --batch-size 16 "
        "--steps 20 --log-every 20 --sample-every 20 "
        "--checkpoint-every 10 --workdir run --seeds 2 --sweep g_optimizer.lr=1e-4,1e-3"
    )
    assert train_script.main([*tiny, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert (
        "members: 4, seeds 0 to 1 g_optimizer.lr=0.0001 g_optimizer.lr=0.001" in out
        and not list(tmp_path.iterdir())
    )
    assert f"generator: {(4 + 10) * 8 + 8 + 8 * 8 + 8 + 8 * 64 + 64:,} parameters" in out
    assert train_script.main(tiny) == 0
    assert "step_000020_best.png" in capsys.readouterr().out
    assert train_script.main(tiny) == 0  # finished
    signal.signal(signal.SIGTERM, handler)
    distances = iter([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr(
        Evaluator,
        "evaluate",
        lambda self, gan, state: evaluation(state, {"frechet_distance": next(distances)}),
    )
    assert eval_script.main(["run"]) == 0
    out = capsys.readouterr().out
    assert "g_optimizer.lr=0.001" in out and "0 of 2" in out
    values = json.loads((tmp_path / "run" / "eval" / "step_000020.json").read_text())
    assert values["settings"][1]["members"] == [2, 3] and len(values["members"]) == 4
    assert [setting["scores"]["frechet_distance"]["mean"] for setting in values["settings"]] == [
        1.5,
        3.5,
    ]


def evaluation(state, scores, real=None):
    step = int(state.step) if state is not None else 1
    return Evaluation(step, scores, real or {}, {}, {"seed": 0}, {})


def test_aggregates():
    """Of five members one diverged, one is far off, one lacks modes; of the others' scores the
    interval is Student's.
    """
    scores = [{"frechet_distance": d, "modes_covered": m, "by_class": {"a": 1.0}} for d, m in
              ((1.0, 8), (1.2, 8), (1.4, 7), (9.0, 8))]  # fmt: skip
    evaluations = {i: evaluation(None, s, {"modes_covered": 8}) for i, s in enumerate(scores)}
    (found,) = evaluation_members.aggregate(Population(5), evaluations, {4: "g/loss became nan"})
    assert set(found.failed) == {2, 3, 4} and found.failed[4] == "g/loss became nan"
    assert "9 is above 3 times the median 1.3" in found.failed[3] and "7" in found.failed[2]
    score = found.scores["frechet_distance"]
    interval = scipy.stats.ttest_1samp([1.0, 1.2], 0).confidence_interval(0.95)
    assert (score["mean"], score["low"], score["high"]) == pytest.approx(
        (1.1, interval.low, interval.high)
    )
    assert score["members"] == 2 and "by_class" not in found.scores
    share, low, high = (
        found.share
    )  # Wilson 1927: (p + z^2/2n -+ z sqrt(p q / n + z^2 / 4n^2)) / (1 + z^2 / n)
    z, p, n = 1.959964, 0.6, 5
    middle, half, norm = (
        p + z**2 / (2 * n),
        z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)),
        1 + z**2 / n,
    )
    assert (share, low, high) == pytest.approx(
        (p, (middle - half) / norm, (middle + half) / norm), rel=1e-5
    )
    assert "failed" in evaluation_members.table([found])
