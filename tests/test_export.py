"""Samples drawn through filters, and generated images as a data set."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import tensorflow_datasets as tfds

from gan_jax import Config, ConfigError, Network, Optimizer, build, init_state
from gan_jax.build import abstract_batch
from gan_jax.commands import eval as eval_script
from gan_jax.data import describe, load
from gan_jax.engine.trained import generate
from gan_jax.modality import Images
from gan_jax.parts.priors import Normal
from gan_jax.pictures import to_uint8
from gan_jax.runs import folder as run_folder
from gan_jax.runs import restore
from gan_jax.runs.run import Run
from gan_jax.sampling import draw as sampling
from gan_jax.sampling import export as export_module
from gan_jax.sampling.draw import discriminator_scores, draw
from gan_jax.sampling.export import export
from gan_jax.sampling.filters import Filters, by_discriminator, confident

CONFIG = Config(
    dataset="digits",
    size=16,
    conditioning="projection",
    latents=4,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1),
    g_optimizer=Optimizer(),
)


@pytest.fixture(scope="module")
def made():
    gan = build(CONFIG)
    batch = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), abstract_batch(CONFIG, gan.source))
    return gan, init_state(gan, jax.random.key(0), batch)


# What is drawn


def test_truncated_latents_are_truncated_normal():
    z = np.asarray(Normal(5).draw(jax.random.key(0), 2_000, truncation=0.7)).ravel()
    assert np.abs(z).max() <= 0.7
    assert scipy.stats.kstest(z, scipy.stats.truncnorm(-0.7, 0.7).cdf).pvalue > 0.01
    whole = np.asarray(Normal(5).draw(jax.random.key(0), 2_000)).ravel()
    assert scipy.stats.kstest(whole, scipy.stats.norm.cdf).pvalue > 0.01


def test_drawn_are_the_generators(made, monkeypatch):
    """Without a filter: block by block what `generate` makes of the latents, in the order of the
    labels.
    """
    monkeypatch.setattr(sampling, "SAMPLE_BLOCK", 4)
    gan, state = made
    labels, kept = np.arange(10) % 10, []
    images, drawn = draw(gan, state, labels, 7, progress=kept.append)
    assert drawn == sum(kept) == 10 and images.dtype == np.uint8
    for start in (0, 4, 8):
        z = gan.prior.draw(jax.random.fold_in(jax.random.key(7), start), 4)
        part = labels[start : start + 4]
        expected = to_uint8(generate(gan, state, z, np.resize(part, 4).astype(np.int32)))[
            : len(part)
        ]
        np.testing.assert_array_equal(images[start : start + 4], expected)
    np.testing.assert_array_equal(draw(gan, state, labels, 7)[0], images)


def test_kept_are_those_that_the_filter_accepts(made, monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLE_BLOCK", 8)
    gan, state = made
    labels = np.arange(20) % 10
    seen = []

    def bright(images, labels, chance):
        seen.append(labels)
        return images.mean((1, 2, 3)) > 127.5

    images, drawn = draw(gan, state, labels, 0, accepts=(bright,))
    assert (images.mean((1, 2, 3)) > 127.5).all() and drawn == 8 * len(seen) > 20
    with pytest.raises(ConfigError, match="only 0 of 1,600 images were kept"):
        draw(gan, state, labels, 0, accepts=(lambda images, *_: np.zeros(len(images), bool),))


def test_confidence_is_the_probability_of_the_label():
    class Known:
        def features(self, images):
            return None, np.log([[0.5, 0.3, 0.2]] * len(images)).astype(np.float32) + 7

    accept = confident(Known(), 0.29)
    assert accept(np.zeros((3, 1, 1, 1), np.uint8), np.arange(3), None).tolist() == [
        True,
        True,
        False,
    ]


def test_rejection_prefers_what_the_discriminator_takes_for_real(made):
    gan, state = made
    data = load("digits", "train", 16)
    labels = np.arange(300, dtype=np.int32) % 10
    accept = by_discriminator(gan, state, (data.examples, data.labels), 90, seed=1)
    images, _ = draw(gan, state, labels, 0)
    kept = accept(images, labels, np.random.default_rng(0))
    scores = discriminator_scores(gan, state, images, labels)
    expected = gan.discriminator.network.apply(
        {"params": state.discriminator.params}, images / np.float32(127.5) - 1, labels, train=False
    ).score
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert 0 < kept.mean() < 0.5


@pytest.mark.parametrize(
    ("filters", "classes", "told"),
    [
        (Filters(truncation=0.0), 10, "truncation must be in .*, not 0.0"),
        (Filters(min_confidence=1.0), 10, "min_confidence must be in .*, not 1.0"),
        (Filters(min_confidence=0.5), 0, "unconditional"),
        (Filters(rejection=100.0), 10, "rejection must be in .*, not 100.0"),
    ],
)
def test_wrong_filters(filters, classes, told):
    with pytest.raises(ConfigError, match=told):
        filters.check(classes)


# What is written


def test_export_is_a_data_set_of_the_real_one_s_shape(made, tmp_path):
    """Read by TFDS, by its folder and by its name: images, names of the classes, provenance."""
    gan, state = made
    folder = tmp_path / "my-fakes" / "1.2.0"
    about = export(
        gan,
        state,
        CONFIG,
        folder,
        num_samples=25,
        seed=3,
        filters=Filters(truncation=0.5),
        run="runs/x",
    )
    images, _ = draw(gan, state, np.arange(25) % 10, 3, truncation=0.5)

    builder = tfds.builder_from_directory(folder)
    assert (builder.name, str(builder.version)) == ("my_fakes", "1.2.0")
    assert builder.info.features["label"].names == list(describe("digits").class_names)
    metadata = dict(builder.info.metadata)
    assert metadata == json.loads(json.dumps(about))
    assert (metadata["run"], metadata["step"], metadata["seed"], metadata["truncation"]) == (
        "runs/x",
        0,
        3,
        0.5,
    )
    assert metadata["config"]["dataset"] == "digits" and metadata["jax"]

    data = load(str(folder), "train")
    assert data.description.num_classes == 10 and data.examples.shape == (25, 8, 8, 1)
    np.testing.assert_array_equal(data.examples, images[:, 4:12, 4:12])
    np.testing.assert_array_equal(data.labels, np.arange(25) % 10)
    assert (
        build(
            Config(dataset=str(folder), conditioning="projection", generator=Network("mlp"))
        ).num_classes
        == 10
    )


def test_export_is_known_by_its_name_below_the_data_folder(made, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    export(*made, CONFIG, tmp_path / "fakes" / "1.0.0", num_samples=10)
    assert describe("fakes").splits == {"train": 10}


def test_unlabelled_colours_survive(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), np.uint8)
    export_module.write(tmp_path / "x", images, Images((8, 9, 3)), None, (), {})
    data = load(str(tmp_path / "x"), "train")
    np.testing.assert_array_equal(data.examples, images)
    assert data.description.num_classes == 0


def test_failed_export_leaves_nothing(tmp_path, monkeypatch):
    """Stopped while writing: no folder that looks whole."""
    images = np.zeros((3, 8, 8, 1), np.uint8)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        labels = np.zeros(3, np.int32)
        export_module.write(tmp_path / "x", images, Images((8, 8, 1)), labels, ("a",), {})
    assert list(tmp_path.iterdir()) == []


def test_export_refuses_a_folder_in_use(made, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"^export: "):
            export(*made, CONFIG, folder, num_samples=10)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_path_that_is_no_data_set(tmp_path):
    with pytest.raises(ConfigError, match=r"has neither images .* nor dataset_info\.json"):
        describe(str(tmp_path))
    (tmp_path / "dataset_info.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be opened by TFDS"):
        describe(str(tmp_path))


def test_script_exports(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_folder, "read", lambda _: Run(CONFIG))
    monkeypatch.setattr(restore, "load", lambda *_: made)
    command = ["run", "--num-samples", "20", "--export", str(tmp_path / "x")]
    assert eval_script.main([*command, "--rejection", "20"]) == 0
    assert "20 of " in capsys.readouterr().out
    for wrong in (command, ["run", "--rejection", "20"]):
        with pytest.raises(SystemExit) as exit:
            eval_script.main(wrong)
        assert exit.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1
