"""Image-to-image translation with images of one's own: pairs from two folders, and translations of
a folder.
"""

import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import ConfigError, pictures
from gan_jax.commands import eval as evaluation
from gan_jax.config import Config, Network
from gan_jax.data import describe, load
from gan_jax.data.splits import held_out_split
from gan_jax.modality import Images
from gan_jax.sampling.conditions import conditions
from gan_jax.training.loop import train

SIDE, N = 8, 6


def folders(root, n=N):
    """Photos, and drawings of them: 255 minus the photo, of the same name."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, count in (("photos", N), ("drawings", n)):
            (root / name / split).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                level = 20 * i if name == "photos" else 255 - 20 * i
                pixels = np.full((SIDE, SIDE, 1), level, np.uint8)
                pixels[0, 0] = rng.integers(256)
                pictures.save(root / name / split / f"{i}.png", pixels)
    return Config(
        dataset=str(root / "photos"),
        paired=str(root / "drawings"),
        pairs="given",
        prior="none",
        generator=Network("pix2pix", width=2, base=2),
        discriminator=Network("pix2pix", width=2, layers=1),
        batch_size=4,
        steps=2,
        sample_every=2,
        diagnose_every=0,
    )


def test_images_are_paired_in_the_order_of_their_files(tmp_path):
    config = folders(tmp_path)
    gan = gan_jax.build(config)
    assert gan.condition == gan.modality == Images((SIDE, SIDE, 1))
    for _, batch in zip(range(4), gan_jax.batches(config), strict=False):
        seen = gan_jax.engine.gan.prepared(
            gan, {}, jax.tree.map(lambda a: a[0], batch), jax.random.key(0)
        )
        np.testing.assert_allclose(seen.x[:, 4, 4], -seen.y[:, 4, 4], atol=1e-6)
    assert held_out_split(config, False) == "test"
    asked = conditions(gan, config, np.zeros(3, np.int32))
    np.testing.assert_array_equal(asked.real, load(config.dataset, "test", None).examples[:3])
    np.testing.assert_allclose(
        asked.y[:, 4, 4], 1 - np.float32(asked.real[:, 4, 4]) / 127.5, atol=1e-6
    )


@pytest.mark.parametrize(
    "changes, message",
    [
        ({}, "has 5 images in 'train', but .* has 6; each image needs one"),
        ({"pairs": "edges"}, "paired '.*' has no effect with pairs 'edges'; use pairs 'given'"),
        ({"paired": None}, "pairs given needs a second dataset; set paired"),
        ({"paired": "mnist"}, r"examples of the shape \[28, 28, 1\], but"),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path, changes, message):
    config = dataclasses.replace(folders(tmp_path, n=5), **changes)
    with pytest.raises(ConfigError, match=message):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Level:
    """A feature network: the mean of an image."""

    key, about = "level", {}

    def features(self, images):
        return np.asarray(images, np.float32).mean((1, 2, 3))[:, None], None


def test_samples_are_compared_with_the_paired_images(tmp_path):
    config = folders(tmp_path)
    gan = gan_jax.build(config)
    state = gan_jax.init_state(gan, jax.random.key(0), next(gan_jax.batches(config)))
    found = gan_jax.evaluate(gan, state, config, num_samples=N, feature_network=Level())
    real = np.float64(load(config.dataset, "test", None).examples) / 127.5 - 1
    made = gan_jax.generate(gan, state, (), conditions(gan, config, np.zeros(N, np.int32)).y)
    expected = np.abs(np.asarray(made) - real).mean()
    assert found.scores["l1"] == pytest.approx(expected, abs=0.01)
    assert "translations" in found.pictures


def test_a_folder_is_translated(tmp_path, capsys):
    config, run = folders(tmp_path), tmp_path / "run"
    train(config, run)
    own = tmp_path / "own"
    own.mkdir()
    for i in range(3):
        pictures.save(own / f"{i}.png", np.full((16, 12, 3), 60 * i, np.uint8))
    assert evaluation.main([str(run), "--translate", str(own)]) == 0
    made = run / "eval" / "translated"
    assert sorted(p.name for p in made.iterdir()) == [
        "00000.png", "00001.png", "00002.png", "overview.png",
    ]  # fmt: skip
    gan, state = gan_jax.load(run)
    frame = dataclasses.replace(config.framing, size=SIDE, channels=1, fit="pad")
    images = load(str(own), "train", frame).examples
    y = gan.condition.to_network(np.asarray(images))
    expected = gan.modality.to_stored(gan_jax.generate(gan, state, (), y))
    shown = np.asarray(Image.open(made / "00001.png"))
    np.testing.assert_allclose(shown, expected[1, ..., 0], atol=1)
    with pytest.raises(SystemExit, match="2"):
        evaluation.main([str(run), "--translate", str(tmp_path / "nothing.zip")])
    assert "nothing.zip does not exist" in capsys.readouterr().err
    assert describe(str(own)).splits == {"train": 3}
