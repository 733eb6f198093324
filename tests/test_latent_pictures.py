"""``gan-jax eval --latents``: what it draws, writes and refuses."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import SHAPE
from pages import evaluated_run, written
from PIL import Image
from test_latents import LAYERS, Linear, Plain, made

from gan_jax import Config, ConfigError, Network
from gan_jax.evaluation import latent_pictures, latent_subject
from gan_jax.evaluation.latents import KINDS, explore, kinds_from_text, save
from gan_jax.evaluation.settings import Settings
from gan_jax.latents import Objective
from gan_jax.modality import Vectors, to_float
from gan_jax.runs import evaluations
from gan_jax.runs import folder as run_folder

DIGITS = Config(dataset="digits", generator=Network("mlp"))


class Halves:
    """Two features, the means of the halves of an image; ten classes by the difference."""

    key, about = "halves", {}

    def apply(self, images):
        features = to_float(jnp.asarray(images)).reshape(len(images), 2, -1).mean(axis=-1)
        apart = features[:, :1] - features[:, 1:]
        return features, -jnp.abs(apart - jnp.linspace(-0.1, 0.1, 10)[None])

    def features(self, images):
        return jax.device_get(self.apply(images))


@pytest.fixture(scope="module")
def explored():
    """Of a generator with a ``w`` for each layer, and what it is explored with."""
    with pytest.MonkeyPatch.context() as patch:
        quick = functools.partial(latent_pictures.invert, objective=Objective(steps=3))
        patch.setattr(latent_pictures, "invert", quick)
        patch.setattr(latent_subject, "POINTS", 400)
        options = {"num_images": 6, "feature_network": Halves()}
        return explore(*made(Linear()), DIGITS, None, **options)


def tiles(picture, columns):
    """``[rows, columns, h, w]`` of a grid of 8x8 images, enlarged six times."""
    h, w = picture.pixels.shape[:2]
    rows = (h + 2) // 50
    padded = np.zeros((50 * rows, 50 * columns), np.uint8)
    padded[:h, :w] = picture.pixels[..., 0]
    return padded.reshape(rows, 50, columns, 50).swapaxes(1, 2)[:, :, :48:6, :48:6]


def test_every_kind_has_its_pictures(explored):
    names = [name for own in explored.values() for name in own.pictures]
    assert tuple(explored) == tuple(KINDS) and names == [
        "interpolation_z", "interpolation_w", "truncation_mean", "truncation_class", "mixing",
        "sefa", "pca", "attributes", "neighbours", "inversion",
    ]  # fmt: skip
    assert all(own.caption for kind in explored.values() for own in kind.pictures.values())


def test_the_grid_of_mixing_begins_with_its_sources(explored):
    """In a linear generator, a mixed image and the one mixed the other way add up to both."""
    found = explored["mixing"]
    grid = tiles(found.pictures["mixing"], latent_pictures.FINE + 1).astype(float)
    assert grid.shape[:2] == (latent_pictures.ROWS + 1, latent_pictures.FINE + 1)
    assert found.values == {"cutoff": LAYERS // 2, "layers": LAYERS}
    inner = grid[1:, 1:]
    between = inner[:1, :1] + inner - inner[:1] - inner[:, :1]  # rows and columns do not interact
    assert np.abs(between).max() <= 2 and np.ptp(inner, axis=(0, 1)).max() > 4  # rounding


def test_ends_of_interpolations_are_the_same_in_both_spaces(explored):
    z, w = (tiles(own, 10) for own in explored["interpolation"].pictures.values())
    np.testing.assert_array_equal(z[:, [0, -1]], w[:, [0, -1]])


def test_strips_of_directions_go_through_one_sample(explored):
    sefa, pca = (
        tiles(own, latent_pictures.STEPS) for own in explored["directions"].pictures.values()
    )
    middle = latent_pictures.STEPS // 2
    assert (sefa[:, middle] == sefa[0, middle]).all() and (pca[:, middle] == sefa[0, middle]).all()
    assert len(explored["directions"].values["sefa"]["vectors"]) == len(sefa) == 5  # w has 5


def test_inversion_reports_means_with_intervals(explored):
    found = explored["inversion"].values
    assert list(found) == ["images", "restarts", "nearest sample", "z", "w", "w+"]
    for name in ("nearest sample", "z", "w", "w+"):
        for value, low, high in (found[name]["psnr"], found[name]["feature_distance"]):
            assert low < value < high
    first, *_ = tiles(explored["inversion"].pictures["inversion"], 5)[:, 0]
    assert first.shape == SHAPE[:2] and first.max() > 200  # a digit


def test_a_generator_without_w_is_explored_in_z(monkeypatch):
    monkeypatch.setattr(latent_subject, "POINTS", 100)
    supported = dict.fromkeys(("interpolation", "directions", "inversion"))
    for kind in KINDS.keys() - supported:  # of all, what it supports
        monkeypatch.setitem(KINDS, kind, lambda subject: None)
    monkeypatch.setitem(KINDS, "inversion", lambda subject: subject.spaces)
    found = explore(*made(Plain()), DIGITS, feature_network=Halves())
    assert found.keys() == KINDS.keys() - {"truncation", "mixing"} and found["inversion"] == ("z",)
    assert list(found["interpolation"].pictures) == ["interpolation_z"]
    assert found["directions"].values["space"] == "z"


@pytest.mark.parametrize(
    "kinds, options, words",
    [
        (
            "mixing",
            {},
            "mixing needs a generator with w for each layer .*, which mlp does not have",
        ),
        ("truncation", {}, "truncation needs a generator with w .methods mapping and synthesis"),
        ("neighbours", {"seed": -1}, "seed must be"),
        ("neighbours", {"num_images": 3}, "num_samples 3 has no effect on neighbours: with"),
        ("neighbours", {"truncation": 0.0}, "truncation must be in"),
    ],
)
def test_wrong_use_is_refused(kinds, options, words):
    with pytest.raises(ConfigError, match=words):
        explore(*made(Plain()), DIGITS, kinds_from_text(kinds), **options)


def test_points_have_no_pictures():
    gan, state = made(Plain())
    gan = dataclasses.replace(gan, modality=Vectors((2,)))
    with pytest.raises(ConfigError, match="latents need a GAN of images, not of vectors"):
        explore(gan, state, DIGITS, ("neighbours",))


def test_kinds_are_read_in_their_order():
    assert kinds_from_text("inversion,mixing") == ("mixing", "inversion")
    assert kinds_from_text("all") is None
    with pytest.raises(ConfigError, match="latents: 'mix' is unknown; use all, or interpolation"):
        kinds_from_text("mix")


def test_files_are_added_to_and_shown_in_the_report(explored, tmp_path):
    folder = evaluated_run(tmp_path)
    for kind in ("mixing", "directions"):
        files = save(folder, 30, {kind: explored[kind]}, Settings())
    assert [file.name for file in files] == [
        "step_000030_latents.json", "step_000030_latents_sefa.png", "step_000030_latents_pca.png",
        "report.html",
    ]  # fmt: skip
    kept = evaluations.read_latents(folder / run_folder.EVAL, 30)
    assert list(kept) == ["mixing", "directions"]
    assert kept["directions"]["values"] == explored["directions"].values
    with Image.open(files[1]) as picture:
        np.testing.assert_array_equal(
            picture, explored["directions"].pictures["sefa"].pixels[..., 0]
        )
    page = written(folder)
    assert (
        "Style mixing" in page.text and explored["mixing"].pictures["mixing"].caption in page.text
    )
    files[1].unlink()
    page = written(folder)
    assert "Directions: SeFa" not in page.text and "principal components" in page.text
