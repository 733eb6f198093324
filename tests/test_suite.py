"""The suite of the benchmark: what is kept, what goes on, and what its tables say."""

import inspect
import json
import pathlib
import subprocess
import sys

import abacus
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.benchmarks.suite import checks, measurements, page, peer, plan, running, workers
from gan_jax.benchmarks.suite.plan import Task
from gan_jax.commands import benchmark
from gan_jax.errors import ConfigError

ROOT = pathlib.Path(__file__).parent.parent
ABSENT = (
    "array_record", "grain", "jinja2", "matplotlib", "PIL", "platformdirs", "requests",
    "safetensors", "sklearn", "soundfile", "soxr", "tensorboardX", "tensorflow_datasets", "tqdm",
)  # fmt: skip
BARE = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT}))
from gan_jax.benchmarks.suite import measurements, running
from gan_jax.commands import benchmark
"""
SPEED = {
    "net": "mlp28", "batch": 64, "precision": "fp32", "steps_per_call": 16, "ms_median": 2.0,
    "images_per_s": 30_000.0, "pct_of_matmul_peak": 40.0, "peak_mib": 8.0, "compile_s": 1.5,
}  # fmt: skip


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "MEASUREMENTS", abacus.__name__)

    def run(tasks, minutes=5, **options):
        told = []
        counts = running.Suite("abacus", tmp_path / "out", tasks, minutes, **options).run(
            told.append
        )
        return counts, told, json.loads((tmp_path / "out" / "abacus.json").read_text())

    return run


def test_a_failure_does_not_stop_the_rest_and_the_same_call_goes_on(suite):
    speed = lambda name, function: Task("steps", name, function, SPEED)
    tasks = [speed("first", "die"), speed("second", "fail"), speed("third", "made")]
    counts, told, results = suite(tasks)
    assert counts == (1, 2, 0) and not results["missing"]
    assert [line.get("error") for line in results["lines"]] == [
        "its process was ended by signal SIGKILL",
        "MemoryError: out of beads",
        None,
    ]
    assert told[2].startswith("third: 30,000 images/s")
    repaired = [*(task._replace(function="made") for task in tasks), speed("fourth", "made")]
    counts, told, results = suite(repaired)
    assert [line.partition(":")[0] for line in told] == ["fourth", "first", "second"]
    assert counts == (4, 0, 0) and all("error" not in line for line in results["lines"])


def test_the_time_limit_ends_a_task_and_names_what_is_left(suite, monkeypatch):
    monkeypatch.setattr(running, "LEAST", 0.1)
    tasks = [Task("steps", name, "wait", SPEED) for name in ("slow", "later")]
    counts, _, results = suite(tasks, minutes=0.1)
    assert counts == (0, 1, 1) and "took longer than" in results["lines"][0]["error"]
    assert [line["name"] for line in results["missing"]] == ["later"]


def test_a_suite_for_a_gpu_writes_nothing_without_one(suite, tmp_path):
    with pytest.raises(ConfigError, match="abacus needs a GPU, but jax found only abacus"):
        suite([], gpu=True)
    assert not (tmp_path / "out").exists()


def test_tables_of_results_and_of_a_page(tmp_path, capsys):
    results = abacus.call("environment", {}) | {
        "settings": {"name": "abacus"},
        "lines": [
            {"part": "steps", "name": "a", "options": SPEED, "values": SPEED},
            {
                "part": "peers", "name": "b", "options": SPEED,
                "values": {"images_per_s": 15_000.0, "mode": "eager"},
            },
            {"part": "loop", "name": "loop", "options": {}, "error": "no wheels"},
        ],
        "missing": [{"part": "checks", "name": "spectral norm"}],
    }  # fmt: skip
    (tmp_path / "abacus.json").write_text(json.dumps(results))
    text = page.whole(results)
    assert "| `mlp28` | 64 | fp32 | 16 | 2 | 30,000 | 40 | 8 | 1.5 | 15,000 | eager | 2 |" in text
    assert (
        "- loop: no wheels" in text and "- spectral norm" in text and "## Correctness" not in text
    )
    docs = tmp_path / "docs.md"
    docs.write_text("a\n<!-- results: abacus.json -->\nold\n<!-- end of results -->\nb\n")
    for _ in range(2):
        assert benchmark.main(["--tables", str(docs)]) == 0
    assert docs.read_text().count("| `mlp28` |") == 1 and "old" not in docs.read_text()
    assert docs.read_text().startswith("a\n") and docs.read_text().endswith("\nb\n")
    docs.write_text("no section")
    with pytest.raises(ConfigError, match="has no section"):
        page.update(docs)


def test_the_tables_of_the_documentation_are_those_of_its_results():
    """What `benchmark.py --tables docs/performance.md` writes is there."""
    text = (ROOT / "docs" / "performance.md").read_text()
    for found in page._SECTION.finditer(text):
        results = json.loads((ROOT / "docs" / found["file"]).read_text())
        assert page.tables(results, "###") in found[0]


def test_the_fastest_mode_of_the_peer(tmp_path):
    script = tmp_path / "peer.py"
    script.write_text(
        "import sys, json\n"
        "assert sys.argv[1:] == ['--net', 'mlp28', '--seconds', '2']\n"
        "for mode, ms in (('eager', 3.0), ('compile', 2.0)):\n"
        "    print(json.dumps({'mode': mode, 'ms_median': ms, 'images_per_s': 1 / ms}))\n"
        "print(json.dumps({'mode': 'autotune', 'error': 'no'}))\n"
    )
    options = {"net": "mlp28", "seconds": 2}
    found = peer.measure([sys.executable, str(script)], options, 30)
    assert found["mode"] == "compile" and len(found["modes"]) == 3
    script.write_text("import no_torch")
    with pytest.raises(workers.Failed, match="No module named 'no_torch'"):
        peer.measure([sys.executable, str(script)], options, 30)


def test_the_first_script_that_has_the_network_is_the_peer(tmp_path):
    scripts = [tmp_path / f"{net}.py" for net in ("mlp28", "dcgan32")]
    for script in scripts:
        script.write_text(
            "import argparse, json\n"
            "parser = argparse.ArgumentParser()\n"
            f"parser.add_argument('--net', choices=['{script.stem}'])\n"
            "print(json.dumps({'mode': parser.parse_args().net, 'ms_median': 1.0}))\n"
        )
    peers = [sys.executable, *map(str, scripts)]
    for net in ("mlp28", "dcgan32"):
        assert peer.measure(peers, {"net": net}, 30)["mode"] == net
    with pytest.raises(workers.Failed, match="no script of --peer has sngan32"):
        peer.measure(peers, {"net": "sngan32"}, 30)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--suite tpu", "suite 'tpu' is unknown"),
        ("--suite cpu --loop", "--loop and --suite cannot be combined"),
        ("--suite cpu --minutes 0", "minutes must be in (0, inf)"),
        ("--suite cpu --peer python", "peer must be PYTHON SCRIPT [SCRIPT ...], not python alone"),
        ("--suite cpu --peer no_python no_script", "peer no_python is not a file"),
    ],
)
def test_wrong_input_is_refused(arguments, words, capsys):
    with pytest.raises(SystemExit) as refusal:
        benchmark.main(arguments.split())
    assert refusal.value.code == 2 and words in capsys.readouterr().err


def test_every_task_has_a_function_that_takes_its_options():
    from gan_jax.benchmarks.suite.measurements import FUNCTIONS

    for task in [task for make in (plan.suite, plan.growth) for kind in plan.SIZES
                 for task in make(kind)]:  # fmt: skip
        if task.function != "peer":
            given = task.options | ({"seconds": 1, "workdir": ""} if task.rest else {})
            inspect.signature(FUNCTIONS[task.function]).bind(**given)
        assert task.part in page.PARTS or task.part == "peers"
    for make in (plan.suite, plan.growth):
        names = [task.name for task in make("gpu")]
        assert len(set(names)) == len(names)


def test_checks_pass_and_notice_a_wrong_kernel(monkeypatch):
    assert checks.spectral_norm()["passed"]
    found = checks.convolution("strided conv", "fp32")
    assert found["passed"] and len(found["orders"]) == 3
    case = checks.CONVOLUTIONS["strided conv"]
    wrong = {"strided conv": case.__class__(case.name, case.ours.copy(strides=(2, 2), padding=(
        (2, 0), (2, 0))), case.stock, case.shape, case.flops)}  # fmt: skip
    monkeypatch.setattr(checks, "CONVOLUTIONS", wrong)
    assert not checks.convolution("strided conv", "fp32")["passed"]


def test_the_reference_of_bf16_rounds_what_layers_return_and_their_gradients():
    class Two(nn.Module):
        @nn.compact
        def __call__(self, x):
            return 1.01 * nn.Dense(3, use_bias=False, kernel_init=lambda *_: jnp.eye(3))(x)

    x, weights = jax.random.normal(jax.random.key(0), (2, 4, 3))
    variables = Two().init(jax.random.key(1), x)
    with nn.intercept_methods(checks._round_outputs):
        y, gradient = jax.vjp(lambda x: Two().apply(variables, x), x)
    np.testing.assert_array_equal(y, 1.01 * checks._nearest(x))  # not that of the whole network
    np.testing.assert_array_equal(gradient(weights)[0], checks._nearest(1.01 * weights))
    assert not np.array_equal(x, checks._nearest(x))


def test_nothing_but_jax_and_its_like_is_needed():
    """As in an environment with jax, flax, optax and orbax alone."""
    ended = subprocess.run(
        [sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr


def test_errors_are_relative_to_the_largest_number():
    assert checks._error([np.array([1.0, 2.0])], [np.array([1.0, 4.0])]) == 0.5
    assert checks._error([np.array([np.nan])], [np.array([1.0])]) == float("inf")


def test_compiled_programs_are_kept_in_the_folder_that_was_named_last(tmp_path):
    """Although a process keeps to the first folder that it wrote to."""
    config = jax.config
    former = config.jax_compilation_cache_dir, config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        for name, factor in (("first", 2.0), ("second", 3.0)):
            measurements._cache_in(str(tmp_path / name))
            jax.jit(lambda x, factor=factor: factor * x)(1.0)
            assert any((tmp_path / name).iterdir())
    finally:
        measurements._cache_in(former[0])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", former[1])
