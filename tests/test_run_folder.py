"""A run folder that was edited, damaged or mixed up is refused or named in one sentence; one in
which nothing was made yet gives way.
"""

import dataclasses
import json
import warnings

import pytest

from gan_jax.config import Config, Network, Optimizer, Penalty, Schedule, leaves
from gan_jax.errors import ConfigError
from gan_jax.evaluation import checkpoints as evaluation
from gan_jax.runs import folder, logs
from gan_jax.runs.run import Run
from gan_jax.training import prolonging

CONFIG = Config(
    dataset="ring8",
    generator=Network("mlp", width=4, depth=1),
    discriminator=Network("mlp", width=4, depth=1),
    steps=8,
)
LINE = '{"step": 4, "seconds": 1.5, "images_per_second": 2.0, "d/loss": 0.5}\n'


@pytest.fixture
def workdir(tmp_path):
    """A run that was begun and has a line of metrics."""
    workdir = tmp_path / "run"
    folder.begin(workdir, Run(CONFIG), 0)
    (workdir / folder.METRICS).write_text(LINE)
    return workdir


def checked(workdir, config=CONFIG, **options):
    return folder.check(workdir, Run(config), **options)


BAD_LINES = {
    "not UTF-8": (b"\xff\xfe\n", "it is not JSON"),
    "nested too deep": (b"[" * 100_000 + b"\n", "it is not JSON"),
    "NaN": (b'{"step": 8, "seconds": 1.0, "d/loss": NaN}\n', "it is not JSON"),
    "a number": (b"8\n", "it is not a JSON object"),
    "no step": (b'{"seconds": 1.0}\n', "its step is None"),
    "a word as step": (b'{"step": "eight"}\n', "its step is 'eight'"),
    "half a step": (b'{"step": 8.5}\n', "its step is 8.5"),
    "a word as metric": (b'{"step": 8, "seconds": 1.0, "d/loss": "low"}\n', "its d/loss is 'low'"),
    "a list as metric": (b'{"step": 8, "seconds": 1.0, "d/loss": [1]}\n', "its d/loss is .1."),
    "an event that is no word": (b'{"step": 8, "event": {}}\n', "its event is {}"),
    "an event at no time": (b'{"step": 8, "event": "x", "seconds": "1"}\n', "its seconds is '1'"),
}


@pytest.mark.parametrize("line, expected", BAD_LINES.values(), ids=BAD_LINES)
def test_a_damaged_line_is_refused_in_training_and_evaluation(workdir, line, expected):
    path = workdir / folder.METRICS
    path.write_bytes(LINE.encode() + line + LINE.encode())
    for read in (checked, evaluation.of_run, lambda w: logs.lines(w / folder.METRICS)):
        with pytest.raises(ConfigError, match=rf"metrics\.jsonl: line 2 is damaged: {expected}"):
            read(workdir)
    assert not checked(workdir, overwrite=True)
    path.write_bytes(LINE.encode() + line[:-1])  # as a kill leaves it
    assert len(logs.lines(path)) == 1


def test_metrics_that_are_a_folder_are_refused_and_overwritten(workdir):
    (workdir / folder.METRICS).unlink()
    (workdir / folder.METRICS).mkdir()
    with pytest.raises(ConfigError, match=r"metrics\.jsonl cannot be read \(Is a directory\)"):
        checked(workdir)
    folder.begin(workdir, Run(CONFIG), 0)
    assert not (workdir / folder.METRICS).exists()


def test_a_config_that_is_nested_too_deep_is_refused(workdir):
    (workdir / folder.CONFIG).write_text('{"a":' * 100_000)
    with pytest.raises(ConfigError, match=r"config\.json is corrupted: it is not JSON"):
        checked(workdir)


@pytest.mark.parametrize(
    "starts", [["a", "b"], "ab", [{"step": "0"}], [{"end_step": 1.5}], [{"origin": 3}], None]
)
def test_starts_that_no_run_writes_are_refused(workdir, starts):
    record = {"program": "gan_jax", "starts": starts}
    (workdir / folder.RUN).write_text(json.dumps(record))
    for read in (checked, evaluation.of_run):
        with pytest.raises(ConfigError, match=r"run\.json is damaged: its starts must be objects"):
            read(workdir)
    assert not checked(workdir, overwrite=True)


def test_a_stranger_is_no_run(workdir):
    for text in ("{}", "[" * 100_000, '{"program": "other", "starts": []}'):
        (workdir / folder.RUN).write_text(text)
        with pytest.raises(ConfigError, match="is not empty and not a run folder"):
            checked(workdir, overwrite=True)


def test_files_that_do_not_belong_together_are_named_in_an_evaluation(workdir, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation.of_run(workdir)
    other = tmp_path / "other"
    folder.begin(other, Run(dataclasses.replace(CONFIG, seed=1)), 0)
    (workdir / folder.RUN).write_bytes((other / folder.RUN).read_bytes())
    with pytest.warns(UserWarning, match=r"config\.json is not the one that run\.json was written"):
        evaluation.of_run(workdir)
    (workdir / folder.RUN).unlink()
    with pytest.warns(
        UserWarning, match=r"run\.json is missing .*it is unknown how this run was made"
    ):
        evaluation.of_run(workdir)


def test_a_run_that_made_nothing_gives_way_to_another_config(workdir):
    other = dataclasses.replace(CONFIG, batch_size=32)
    with pytest.raises(ConfigError, match="these settings changed: batch_size; restore"):
        checked(workdir, other)
    (workdir / folder.METRICS).write_text("")
    (workdir / folder.SAMPLES).mkdir()
    assert not checked(workdir, other) and not checked(workdir, other, origin={"stage": "a"})
    (workdir / folder.SAMPLES / "step_000001.png").write_text("")
    with pytest.raises(ConfigError, match="these settings changed: batch_size; restore"):
        checked(workdir, other)


def test_only_steps_may_grow(workdir):
    assert checked(workdir, dataclasses.replace(CONFIG, steps=9))
    with pytest.raises(ConfigError, match=r"changed: steps; restore them \(only steps may grow\)"):
        checked(workdir, dataclasses.replace(CONFIG, steps=7))
    with pytest.raises(ConfigError, match="these settings changed: seed; restore"):
        checked(workdir, dataclasses.replace(CONFIG, steps=9, seed=1))


def test_what_the_schedules_of_a_prolonged_run_do_is_said():
    former = Config(
        steps=100,
        g_optimizer=Optimizer(lr=Schedule(1e-3, 1e-4, 100)),
        penalties=(Penalty("r1", Schedule(1.0, 0.0, 50, begin=200)),),
        ema=Schedule(5.0, 5.0, 1, warmup=10),
    )
    assert prolonging.notes(former, former) == []
    told = prolonging.notes(former, dataclasses.replace(former, steps=220))
    assert told == [
        "Prolonged from 100 to 220 steps.",
        "Schedules do not stretch: g_optimizer.lr is 0.0001 from step 100 on.",
        "These schedules continue unchanged: penalties.r1.weight.",
    ]


def test_leaves_of_a_config():
    found = leaves(Config(penalties=(Penalty("r1", 2.0),), clip=None))
    assert found["g_optimizer"] == "adam" and found["g_optimizer.lr"] == 2e-4
    assert found["penalties.r1"] == "r1" and found["penalties.r1.weight"] == 2.0
    assert "clip" not in found and "g_penalties" not in found
