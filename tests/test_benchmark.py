"""The benchmark: what its records hold, and that its arithmetic is that of a closed form."""

import dataclasses
import json

import pytest

import benchmark
from gan_jax.benchmarks import ops, steps
from gan_jax.benchmarks.loop import measure_loop
from gan_jax.config import Network
from gan_jax.configs import recipe

FIELDS = {
    "framework", "version", "jax", "jaxlib", "flax", "optax", "python", "device", "net", "batch", "precision", "steps_per_call",
    "seeds", "params_g", "params_d", "compile_s", "runs", "ms_median", "ms_min", "ms_iqr", "images_per_s", "tflops",
    "pct_of_matmul_peak", "peak_mib",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(steps, "RUN_SECONDS", 0.01)
    monkeypatch.setattr(steps, "matmul_peak", lambda precision: 1e11)


def test_records_of_steps(tmp_path, capsys):
    """mlp28's products by hand: a dense layer takes as many for its value, its weights' gradient and its input's gradient."""
    arguments = ["--net", "mlp28", "--batch", "64", "--steps-per-call", "1,3", "--seeds", "1,2", "--runs", "4"]
    assert benchmark.main([*arguments, "--json", str(tmp_path / "out.jsonl"), "--profile", str(tmp_path / "p")]) == 0
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(r["steps_per_call"], r["seeds"]) for r in records] == [(1, 1), (1, 2), (3, 1), (3, 2)]
    g, d = 100 * 128 + 128 * 128 + 128 * 784, 784 * 128 + 128 * 128 + 128
    update_d = g + 2 * (3 * d - 784 * 128)  # images need no gradient
    update_g = 3 * g - 100 * 128 + 2 * d  # nor do latents, nor D's weights
    for record in records:
        assert set(record) == FIELDS
        assert record["params_g"] == g + 128 + 128 + 784 and record["params_d"] == d + 128 + 128 + 1
        operations = record["tflops"] * 1e12 * record["ms_median"] / 1e3
        assert operations == pytest.approx(2 * 64 * (update_d + update_g), rel=0.05)
        assert record["images_per_s"] == pytest.approx(64 / record["ms_median"] * 1e3, rel=0.01)
        assert record["pct_of_matmul_peak"] == pytest.approx(record["tflops"] * 1e12 / 1e11 * 100, abs=0.1)
        assert record["ms_min"] <= record["ms_median"]
        weights = 3 * 4 * (record["params_g"] + record["params_d"]) / 2**20  # and Adam's two moments
        assert weights * record["seeds"] < record["peak_mib"] < 20
    assert len(list((tmp_path / "p").rglob("perfetto_trace.json.gz"))) == 4
    assert "images/s" in capsys.readouterr().out


def test_the_loop_beside_its_steps():
    config = dataclasses.replace(
        recipe("digits_dcgan"), generator=Network("mlp", width=8), discriminator=Network("mlp", width=8), penalties=(),
        batch_size=8, log_every=5, sample_every=20, checkpoint_every=20,
    )  # fmt: skip
    record = measure_loop(config, seconds=0.05)
    assert record["loop_images_per_s"] > 0 and record["bare_images_per_s"] > 0
    share = 100 * record["loop_images_per_s"] / record["bare_images_per_s"]
    assert record["pct_of_bare"] == pytest.approx(share, abs=0.06)


def test_records_of_operations(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ops, "CASES", (ops._conv(2, 4, 3, 5, 3, 1), ops._transposed(2, 4, 3, 5)))
    whole = ops.compare_ops
    part = lambda cases, width, dtype: whole(cases, ("plain",), width and 2, 2, dtype, rounds=1)
    monkeypatch.setattr(ops, "compare_ops", part)
    assert benchmark.main(["--ops", "--json", str(tmp_path / "out.jsonl")]) == 0
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [r["name"].split(",")[0] for r in records] == ["conv k3 s1", "transposed conv k4 s2", *["discriminator"] * 2]
    assert all(r["precision"] == "fp32" and r["ours_ms"] > 0 and r["stock_ms"] > 0 for r in records)
    assert capsys.readouterr().out.count("plain") == 4


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--net dcgan3", "net: unknown 'dcgan3'; did you mean 'dcgan32'"),
        ("--precision fp16", "precision: unknown 'fp16'"),
        ("--batch 64,0", "batch: '64,0'"),
        ("--steps-per-call x", "steps_per_call: 'x'"),
        ("--runs 0", "runs: 0"),
        ("--loop --recipe mnist", "recipe: unknown 'mnist'"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_measured(arguments, words, capsys):
    with pytest.raises(SystemExit) as refusal:
        benchmark.main(arguments.split())
    assert refusal.value.code == 2
    output = capsys.readouterr()
    assert words in output.err and output.out == ""
