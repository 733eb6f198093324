"""The benchmark: what its records hold, and that its arithmetic is that of a closed form."""

import dataclasses
import functools
import gzip
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.benchmarks import lazy, ops, profile, steps
from gan_jax.benchmarks.loop import measure_loop
from gan_jax.benchmarks.nets import NETS
from gan_jax.commands import benchmark
from gan_jax.config import Network
from gan_jax.engine.gan import Turns
from gan_jax.recipes import recipe

FIELDS = {
    "framework", "version", "jax", "jaxlib", "flax", "optax", "python", "device", "net", "batch",
    "precision", "steps_per_call", "seeds", "params_g", "params_d", "compile_s", "runs",
    "ms_median", "ms_min", "ms_iqr", "images_per_s", "gflops", "pct_of_matmul_peak", "peak_mib",
    "process_peak_mib",
}  # fmt: skip

# Products for an example in mlp28, by hand.
G, D = 100 * 128 + 128 * 128 + 128 * 784, 784 * 128 + 128 * 128 + 128
UPDATE_D = G + 2 * (3 * D - 784 * 128)  # images need no gradient
UPDATE_G = 3 * G - 100 * 128 + 2 * D  # nor do latents, nor D's weights


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(steps, "RUN_SECONDS", 0.01)
    monkeypatch.setattr(steps, "matmul_peak", lambda precision: 1e11)


@pytest.mark.parametrize(
    "net, sizes",
    [
        ("r3gan32", (274_912, 266_848)),
        ("stylegan2_32", (263_987, 288_993)),
        ("specgan64", (1_213_889, 693_665)),
        ("wavegan4k", (476_161, 271_489)),
    ],
)
def test_networks_have_the_sizes_of_their_peers(net, sizes):
    gan = NETS[net](jnp.float32)
    y = jnp.zeros(2, jnp.int32)
    inputs = gan.prior.draw(jax.random.key(0), 2), jnp.zeros((2, *gan.modality.shape))
    counts = []
    for player, x in zip(gan.players, inputs, strict=True):
        init = functools.partial(player.network.init, train=False)
        params = jax.eval_shape(init, jax.random.key(0), x, y)["params"]
        counts.append(sum(a.size for a in jax.tree.leaves(params)))
    assert tuple(counts) == sizes


def test_records_of_steps(tmp_path, capsys):
    """mlp28's products by hand: a dense layer takes as many for its value, its weights' gradient
    and its input's gradient.
    """
    arguments = [
        "--net",
        "mlp28",
        "--batch",
        "64",
        "--steps-per-call",
        "1,3",
        "--seeds",
        "1,2",
        "--runs",
        "4",
    ]
    assert (
        benchmark.main(
            [*arguments, "--json", str(tmp_path / "out.jsonl"), "--profile", str(tmp_path / "p")]
        )
        == 0
    )
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(r["steps_per_call"], r["seeds"]) for r in records] == [(1, 1), (1, 2), (3, 1), (3, 2)]
    for record in records:
        assert set(record) == FIELDS | {"ms_by_kind"}
        assert record["params_g"] == G + 128 + 128 + 784 and record["params_d"] == D + 128 + 128 + 1
        operations = record["gflops"] * 1e9 * record["ms_median"] / 1e3
        assert operations == pytest.approx(2 * 64 * (UPDATE_D + UPDATE_G), rel=0.05)
        assert {"dense layer", "activations, sums", "optimizers, losses, data"} <= set(
            record["ms_by_kind"]
        )
        assert record["images_per_s"] == pytest.approx(64 / record["ms_median"] * 1e3, rel=0.01)
        assert record["pct_of_matmul_peak"] == pytest.approx(
            record["gflops"] * 1e9 / 1e11 * 100, abs=0.1
        )
        assert record["ms_min"] <= record["ms_median"]
        weights = (
            3 * 4 * (record["params_g"] + record["params_d"]) / 2**20
        )  # and Adam's two moments
        assert weights * record["seeds"] < record["peak_mib"] < 20
    assert len(list((tmp_path / "p").rglob("perfetto_trace.json.gz"))) == 4
    assert "images/s" in capsys.readouterr().out


def test_time_is_divided_among_what_is_under_way(tmp_path):
    """conv from 0 to 30 us, Adam from 10 to 20, a sum from 40 to 50; of two steps, by hand."""
    conv = "jit(f)/jvp(Generator)/Conv_0/conv/conv_general_dilated"
    total = "jit(f)/transpose(jvp(Discriminator))/reduce_sum"
    hlo = f"""
  %fusion.1 = (f32[8,4]{{1,0}}, s32[]) fusion(%a, %b), metadata={{op_name="{conv}"}}
  ROOT %adam = f32[] add(%c, %d), metadata={{op_name="jit(f)/add"}}
  %sum.2 = f32[] reduce(%c, %d), metadata={{op_name="{total}"}}
  %while.3 = f32[] while(%c), metadata={{op_name="jit(f)/while"}}
"""
    times = {"fusion.1": (0, 30), "adam": (10, 20), "sum.2": (40, 50), "while.3": (0, 60)}
    events = [
        {"ph": "X", "ts": a, "dur": b - a, "args": {"hlo_op": name}}
        for name, (a, b) in times.items()
    ]
    file = tmp_path / "plugins" / "profile" / "now" / "vm.trace.json.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(json.dumps({"traceEvents": [*events, {"ph": "M"}]}).encode()))
    expected = {
        "convolution": 0.0125,
        "activations, sums": 0.005,
        "optimizers, losses, data": 0.0025,
    }
    assert profile.milliseconds(tmp_path, hlo, steps=2) == expected


def test_lazy_penalties_beside_their_parts(tmp_path, capsys):
    arguments = [
        "--lazy",
        "--net",
        "mlp28",
        "--every",
        "0,2",
        "--d-steps",
        "1,2",
        "--batch",
        "4",
        "--runs",
        "2",
    ]
    assert benchmark.main([*arguments, "--json", str(tmp_path / "out.jsonl")]) == 0
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(r["r1_every"], r["d_steps"]) for r in records] == [(0, 1), (0, 2), (2, 1), (2, 2)]
    for r in records:
        assert r["ratio_min"] <= r["ratio"] <= r["ratio_max"] and r["ms_median"] > 0
    assert "predicted" in capsys.readouterr().out
    assert lazy.predicted(step=10, d=6, d_r1=14, every=4, d_steps=5) == 4 + 5 * 6 + 5 / 4 * 8
    assert lazy.predicted(step=10, d=6, d_r1=14, every=0, d_steps=1) == 10


def test_half_a_step_is_an_update_of_d():
    program = steps.compiled_steps(NETS["mlp28"](jnp.float32), 64)
    update = (
        lazy.d_update(NETS["mlp28"](jnp.float32), program.minibatch).lower(program.state).compile()
    )
    assert update.cost_analysis()["flops"] == pytest.approx(2 * 64 * UPDATE_D, rel=0.05)


def test_a_minibatch_that_g_reserves_is_not_one_less_for_d():
    gan = dataclasses.replace(NETS["mlp28"](jnp.float32), turns=Turns(fresh=True))
    assert steps.compiled_steps(gan, 8, d_steps=2, examples=8).minibatch.x.shape[:2] == (3, 8)


def test_the_loop_beside_its_steps():
    config = dataclasses.replace(
        recipe("digits_dcgan"),
        generator=Network("mlp", width=8, depth=1),
        discriminator=Network("mlp", width=8, depth=1),
        penalties=(),
        batch_size=8,
        log_every=5,
        sample_every=20,
        checkpoint_every=20,
    )
    record = measure_loop(config, seconds=0.05, rounds=1)
    assert record["loop_images_per_s"] > 0 and record["bare_images_per_s"] > 0
    share = 100 * record["loop_images_per_s"] / record["bare_images_per_s"]
    assert record["pct_of_bare"] == pytest.approx(share, abs=0.06)
    assert record["pct_of_bare_min"] == record["pct_of_bare"] == record["pct_of_bare_max"]


def test_records_of_operations(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        ops, "CASES", (ops.conv_case(2, 4, 3, 5, 3, 1), ops.transposed_case(2, 4, 3, 5))
    )
    whole = ops.compare_ops
    part = lambda cases, width, dtype: whole(cases, ("plain",), width and 2, 2, dtype, rounds=1)
    monkeypatch.setattr(ops, "compare_ops", part)
    assert benchmark.main(["--ops", "--json", str(tmp_path / "out.jsonl")]) == 0
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [r["name"].split(",")[0] for r in records] == [
        "conv k3 s1",
        "transposed conv k4 s2",
        *["discriminator"] * 2,
    ]
    assert all(r["precision"] == "fp32" and r["ours_ms"] > 0 and r["stock_ms"] > 0 for r in records)
    assert capsys.readouterr().out.count("plain") == 4


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--net dcgan3", "net 'dcgan3' is unknown; did you mean 'dcgan32'"),
        ("--precision fp16", "precision 'fp16' is unknown"),
        (
            "--batch 64,0",
            "batch must be a list of integers of at least 1, such as 4,16, not '64,0'",
        ),
        (
            "--steps-per-call x",
            "steps_per_call must be a list of integers of at least 1, such as 4,16, not 'x'",
        ),
        ("--runs 0", "runs must be at least 1, not 0"),
        (
            "--lazy --every 4,-1",
            "every must be a list of integers of at least 0, such as 4,16, not '4,-1'",
        ),
        (
            "--lazy --d-steps 0",
            "d_steps must be a list of integers of at least 1, such as 4,16, not '0'",
        ),
        ("--loop --recipe mnist", "recipe 'mnist' is unknown"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_measured(arguments, words, capsys):
    with pytest.raises(SystemExit) as refusal:
        benchmark.main(arguments.split())
    assert refusal.value.code == 2
    output = capsys.readouterr()
    assert words in output.err and output.out == ""


def test_benchmark_compares_the_same_functions():
    cases = (ops.up_case(1, 4, 3), ops.pool_case(1, 4, 3), ops.population_case(2, 1, 4, 3, 2))
    pairs = [ops._pair(case, jnp.float32) for case in cases]
    results = jax.jit(lambda: [[f(*args) for f in functions] for functions, args in pairs])()
    for stock, ours in results:
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(stock), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


def test_benchmark_rows():
    (row,) = ops.compare_ops((ops.conv_case(1, 4, 2, 2, 3, 1),), ("scan",), width=None, rounds=1)
    assert row["place"] == "scan" and row["speedup"] == pytest.approx(
        row["stock_ms"] / row["ours_ms"]
    )
    assert row["ours_gflops"] * row["ours_ms"] * 1e6 == pytest.approx(3 * 2 * 4 * 4 * 9 * 2 * 2)
    assert len(ops.table([row]).splitlines()) == 2
