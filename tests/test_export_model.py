"""A GAN for others: a program and weights that jax alone loads, PNG files, an animation."""

import dataclasses
import functools
import json
import re
import subprocess
import sys
import textwrap

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays
from PIL import Image

import gan_jax
from gan_jax import Config, ConfigError, Network, build, init_state
from gan_jax.build import abstract_batch
from gan_jax.commands import eval as eval_script
from gan_jax.engine.trained import generate
from gan_jax.evaluation.model_card import model_card
from gan_jax.nn.conv import Conv, ConvTranspose, UpConv
from gan_jax.parts.priors import Normal
from gan_jax.runs import folder as run_folder
from gan_jax.runs import model, restore
from gan_jax.runs.run import Run
from gan_jax.sampling.images import _loop, export_images, export_interpolation, numbers_from_text
from gan_jax.sampling.model import export_model, program
from gan_jax.sampling.model import inputs as inputs_of

CONV = Config(
    dataset="digits", size=16, conditioning="projection", latents=4,
    generator=Network("dcgan", width=8), discriminator=Network("mlp", width=8, depth=1),
)  # fmt: skip
MLP = Config(
    dataset="digits", latents=3, prior="uniform", generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1), ema=0,
)  # fmt: skip
EDGES = Config(
    dataset="digits", size=16, pairs="edges", prior="none", latents=3,
    generator=Network("pix2pix", width=2, base=4), loss="least_squares",
    discriminator=Network("pix2pix", width=2, layers=1),
)  # fmt: skip
CAPTIONS = Config(
    dataset="coloured_mnist", pairs="captions", latents=3, generator=Network("stackgan", width=2),
    discriminator=Network("stackgan", width=2),
)  # fmt: skip
TWO = Config(
    dataset="digits", unpaired="digits", pairs="domains", prior="none", loss="least_squares",
    generator=Network("cyclegan", width=2, blocks=0, same=True),
    discriminator=Network("cyclegan", width=2, layers=1),
)  # fmt: skip
LOAD = """
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from load import generate
assert not any(name.startswith("gan_jax") or name == "flax" for name in sys.modules)
for n in (2, 5):
    given = np.load(f"{sys.argv[1]}/../inputs{n}.npz")
    made = generate(*(given[f"arr_{i}"] for i in range(len(given))))
    np.save(f"{sys.argv[1]}/../made{n}.npy", made)
"""


def made(config, seed=0):
    gan = build(config)
    batch = abstract_batch(config, gan.source)
    state = init_state(gan, jax.random.key(seed), batch)
    return gan, state.replace(step=jnp.int32(300))


def inputs(gan, n):
    z = gan.prior.draw(jax.random.key(n), n)
    return (z, jnp.arange(n, dtype=jnp.int32)) if gan.num_classes else (z,)


@pytest.mark.parametrize("config", [MLP, CONV], ids=["mlp", "conv"])
def test_an_exported_model_is_the_generator(config, tmp_path):
    gan, state = made(config)
    folder = tmp_path / "model"
    export_model(gan, state, config, folder, card="A card.")
    for n in (2, 5):
        np.savez(tmp_path / f"inputs{n}.npz", *inputs(gan, n))
    (tmp_path / "script.py").write_text(textwrap.dedent(LOAD))
    command = [sys.executable, "-P", str(tmp_path / "script.py"), str(folder)]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
    for n in (2, 5):
        z, *y = inputs(gan, n)
        expected = generate(gan, state, z, *(y or [jnp.zeros(n, jnp.int32)]))
        np.testing.assert_allclose(np.load(tmp_path / f"made{n}.npy"), expected, atol=1e-5)

    again, loaded = gan_jax.load(folder)
    assert again == gan and int(loaded.step) == 300
    for side in ("generator", "discriminator"):
        ours, theirs = (getattr(s, side).variables(averaged=True) for s in (state, loaded))
        for a, b in zip(arrays(ours), arrays(theirs), strict=True):
            np.testing.assert_array_equal(a, b)
    assert {p.name for p in folder.iterdir()} == {
        "model.json", "generator.safetensors", "discriminator.safetensors", "generator.stablehlo",
        "load.py", "README.md", "grid.png",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"^export_model: .* is not empty; use a new folder"):
        export_model(gan, state, config, folder, card="")


class Layers(nn.Module):
    """Every way that convolutions are computed on the CPU."""

    @nn.compact
    def __call__(self, z, y, *, train):
        x = nn.Dense(4 * 4 * 128)(z).reshape(-1, 4, 4, 128)
        x = Conv(128, (3, 3))(x) + Conv(128, (1, 1))(x)  # minimal filtering, a product
        x = UpConv(16)(nn.relu(x))
        x = ConvTranspose(16, (4, 4), (2, 2), padding="SAME")(x)  # by phases
        return Conv(1, (3, 3), (2, 2))(ConvTranspose(3, (4, 4), (2, 2), padding="SAME")(x))


def test_the_program_has_a_branch_for_each_platform_and_any_batch_size():
    gan, state = made(MLP)
    network = Layers()
    z = inputs(gan, 3)[0]
    variables = network.init(jax.random.key(0), z, None, train=False)
    player = dataclasses.replace(gan.generator, network=network)
    own = state.generator.replace(params=variables["params"])
    gan, state = dataclasses.replace(gan, generator=player), state.replace(generator=own)
    exported = jax.export.deserialize(program(gan, state))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    text = exported.mlir_module()
    # XLA's own operation for accelerators beside what is written for the CPU.
    assert "stablehlo.case" in text and "_platform_index" in text
    weights = {
        f"params.{m}.{n}": a for m, own in variables["params"].items() for n, a in own.items()
    }
    for n in (1, 3):
        expected = network.apply(variables, z[:n], None, train=False)
        np.testing.assert_allclose(exported.call(weights, z[:n]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "config, text",
    [
        (EDGES, "- Inputs: images [n, 16, 16, 1] float32 in [-1, 1]; any n."),
        (CAPTIONS, "- Inputs: latents [n, 3] float32 from N(0, 1), captions [n, 12] int32; any n."),
        (
            TWO,
            '- Inputs: images of two domains {"a": [n, 8, 8, 1] float32, "b": [n, 8, 8, 1] '
            "float32} in [-1, 1]; any n.",
        ),
    ],
    ids=["images", "captions", "domains"],
)
def test_conditions_of_other_kinds_are_inputs_of_the_program(config, text, tmp_path):
    gan, state = made(config)
    exported = jax.export.deserialize(program(gan, state))
    weights = model.flat(state.generator.variables(averaged=True))
    for n in (1, 3):
        key = jax.random.key(n)
        rows = lambda a: (jax.random.uniform(key, (n, *a.shape[1:])) * 2).astype(a.dtype)
        given = jax.tree.map(rows, inputs_of(gan))
        z = given[0] if len(given) == 2 else ()
        found, expected = exported.call(weights, *given), generate(gan, state, z, given[-1])
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), found, expected)
    card = model_card(tmp_path, gan, config, 300)
    assert text in card
    example = card.partition("```python\n")[2].partition("```")[0]
    names = {"generate": lambda *given: given}
    exec(example.replace("from load import generate", ""), names)
    given = names["examples"]
    like = jax.eval_shape(
        lambda: jax.tree.map(lambda a: jnp.zeros((16, *a.shape[1:]), a.dtype), inputs_of(gan))
    )
    assert jax.tree.map(jnp.shape, list(given)) == jax.tree.map(jnp.shape, like)


def test_a_translator_is_exported_and_loaded(tmp_path):
    gan, state = made(EDGES)
    export_model(gan, state, EDGES, tmp_path / "model", card="A card.")
    with Image.open(tmp_path / "model" / "grid.png") as grid:
        assert grid.size[0] > 16
    again, _ = gan_jax.load(tmp_path / "model")
    assert again == gan


def test_a_damaged_model_is_refused(tmp_path):
    gan, state = made(MLP)
    export_model(gan, state, MLP, tmp_path / "m", card="")
    file = tmp_path / "m" / "generator.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:50])
    with pytest.raises(ConfigError, match=r"generator\.safetensors cannot be read"):
        gan_jax.load(tmp_path / "m")
    file.write_bytes((tmp_path / "m" / "discriminator.safetensors").read_bytes())
    with pytest.raises(ConfigError, match="does not match the networks of"):
        gan_jax.load(tmp_path / "m")
    (tmp_path / "m" / "model.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"model\.json cannot be read"):
        gan_jax.load(tmp_path / "m")


def test_the_card_says_how_to_use_it_and_how_good_it_is(tmp_path):
    gan, _ = made(CONV)
    card = model_card(tmp_path, gan, CONV, 300)
    assert "was not evaluated" in card and "latents [n, 4] float32 from N(0, 1), labels" in card
    evaluation = {
        "step": 300, "scores": {"frechet_distance": 0.25}, "real": {"frechet_distance": 0.5},
        "intervals": {"frechet_distance": [0.2, 0.3]},
        "matched": {"frechet_distance": 0.75},
        "protocols": {"kid1k": {"kernel_distance": [0.01, 0.0, 0.02]}},
    }  # fmt: skip
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "step_000300.json").write_text(json.dumps(evaluation))
    card = model_card(tmp_path, gan, CONV, 300)
    assert "| Fréchet distance | 0.25 (0.2 to 0.3) |  |" in card  # of more samples than real images
    assert "| 0.75 | 0.5 |" in card and "kid1k | 0.01 (0 to 0.02)" in card
    example = card.partition("```python\n")[2].partition("```")[0]
    compile(example, "card", "exec")


def test_the_card_draws_the_latents_of_each_prior(tmp_path):
    """Noise, one-hot codes and uniform codes are drawn by the code that the card shows."""
    config = dataclasses.replace(MLP, prior="infogan:4:codes=2:continuous=1")
    gan = build(config)
    card = model_card(tmp_path, gan, config, 300)
    assert "latents [n, 12] float32 (3 from N(0, 1), 4 of a one-hot code, 4 of a one" in card
    example = card.partition("```python\n")[2].partition("```")[0]
    names = {"generate": lambda z: z}
    exec(example.replace("from load import generate", ""), names)
    z = names["examples"]
    assert z.shape == gan.prior.draw(jax.random.key(0), 16).shape
    codes = np.asarray(z[:, 3:11]).reshape(16, 2, 4)
    assert np.all(codes.sum(2) == 1) and set(np.unique(codes)) == {0, 1}
    assert np.abs(z[:, 11]).max() <= 1 and np.abs(z[:, :3]).max() > 1


# Files for other programs


def test_a_png_for_each_seed_and_class(tmp_path):
    gan, state = made(CONV)
    export_images(gan, state, CONV, tmp_path / "all", seeds=(0, 1, 12))
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == [
        "seed00000_class0.png", "seed00001_class1.png", "seed00012_class2.png",
    ]  # fmt: skip
    assert export_images(gan, state, CONV, tmp_path / "two", seeds=(1, 7), classes=(1, 5)) == 4
    alike = [Image.open(tmp_path / name / "seed00001_class1.png") for name in ("all", "two")]
    assert alike[0].size == (8, 8) and alike[0].mode == "L"  # the padding is cropped
    np.testing.assert_allclose(*map(np.asarray, alike), atol=1)


def test_an_animation_plays_in_a_loop(tmp_path):
    gan, state = made(CONV)
    frames = export_interpolation(gan, state, tmp_path / "x.gif", classes=(3, 5))
    with Image.open(tmp_path / "x.gif") as animation:
        assert animation.n_frames <= frames == 64 and animation.is_animated
        assert animation.info["loop"] == 0
    way = np.asarray(_loop(Normal(300), jax.random.normal(jax.random.key(0), (4, 1, 300))))
    steps = np.linalg.norm(np.diff(np.concatenate([way, way[:1]]), axis=0), axis=-1)
    assert steps.max() < 0.2 * np.linalg.norm(way, axis=-1).min()  # no jump, at the end neither


@pytest.mark.parametrize(
    "text, found", [("3,5", (3, 5)), ("0-3", (0, 1, 2, 3)), ("7,1-2,2", (1, 2, 7))]
)
def test_lists_of_numbers(text, found):
    assert numbers_from_text("seeds", text) == found


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1,,2", "0-99999999999"])
def test_wrong_lists_are_refused(text):
    with pytest.raises(ConfigError, match=r"^seeds(: .* must ascend| must be a list)"):
        numbers_from_text("seeds", text)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(run_folder, "read", lambda _: Run(CONV))
    monkeypatch.setattr(restore, "load", lambda *_: made(CONV))


def test_the_script_writes_each_of_them(run, tmp_path, capsys):
    for option, name in (
        ("--export-model", "m"), ("--export-images", "i"), ("--interpolation", "i.gif"),
    ):  # fmt: skip
        more = ["--classes", "3,5"] * (name != "m") + ["--seeds", "0-2"] * (name == "i")
        assert eval_script.main(["run", option, str(tmp_path / name), *more]) == 0
        assert f"written:     {tmp_path / name}" in capsys.readouterr().out
    assert len(list((tmp_path / "i").iterdir())) == 6
    assert (tmp_path / "m" / "README.md").read_text().startswith("# A GAN trained on digits")


@pytest.mark.parametrize(
    "command, words",
    [
        ("--export-model m --export-images i", "export_model and export_images cannot be combined"),
        (
            "--export-model m --classes 3",
            "classes can only be used with --export-images or --interpolation",
        ),
        ("--export-model m --truncation 0.5", "truncation has no effect with --export-model"),
        ("--seeds 3", "seeds can only be used with --export-images"),
        ("--export-images i --classes 10", r"classes must be in \[0, 10\), not 10"),
        ("--export-images i --seeds x", "seeds must be a list such as 0,2,10-19, not 'x'"),
        ("--interpolation i.mp4", "must be a file that ends in .gif or .webp"),
        ("--latents mixing", "mixing needs a generator with w for each layer .*, which dcgan does"),
        ("--latents mix", "latents: 'mix' is unknown; use all, or interpolation, "),
        ("--latents all --checkpoint all", "latents needs a single checkpoint"),
        ("--images x", "images can only be used with --latents"),
        ("--export-images i --checkpoint all", "export_images needs a single checkpoint"),
    ],
)
def test_the_script_refuses_in_one_line(command, words, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        eval_script.main(["run", *command.split()])
    lines = capsys.readouterr().err.splitlines()
    assert exit.value.code == 2 and len(lines) == 1
    assert re.search(words, lines[0]) and not list(tmp_path.iterdir())
