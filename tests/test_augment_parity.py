"""DiffAugment and ADA against their authors' code, with draws that are given, and the draws against
the distributions that the papers state.
"""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from inception_reference import integers
from parity import TOLERANCE, assert_small, images, number, reference
from scipy.special import erfinv

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError
from gan_jax.parts.augment.diffaugment import diffaugment

ada = importlib.import_module("gan_jax.parts.augment.ada")
warping = importlib.import_module("gan_jax.parts.augment.warping")
REFERENCE = reference("augment")
KEY = jax.random.key(0)


def sampled(x, every):
    return np.asarray(x).ravel()[::every]


def close(found, expected, of, quantity="values"):
    far = np.abs(np.asarray(found) - expected).max() / max(1, np.abs(expected).max())
    assert_small(far, TOLERANCE["float32"], quantity, "images", f"{of}, float32")


@pytest.fixture
def drawn_by_formula(monkeypatch):
    """Draws are numbers of the formula, counted by kind."""
    calls = {"uniform": 0, "randint": 0}

    def draw(sample, key, shape, low=None, high=None, minval=0.0, maxval=1.0):
        kind = sample.__name__
        i, calls[kind] = calls[kind], calls[kind] + 1
        if kind == "randint":
            found = low + integers(f"randint{i}", shape).astype(int) % (high - low)
            return jnp.asarray(-found if low < 0 else found)  # their moves have the other sign
        return jnp.asarray(minval + (maxval - minval) * (number(f"rand{i}", shape) + 1) / 2)

    monkeypatch.setattr(batch_axis, "draw", draw)


@pytest.mark.parametrize("case", REFERENCE["diffaugment"])
def test_diffaugment_is_that_of_its_authors(case, drawn_by_formula):
    side, policy = case.split("/")
    chosen = {
        ours: theirs in policy.split(",")
        for ours, theirs in (("colour", "color"), ("translation",) * 2, ("cutout",) * 2)
    }
    x = jnp.asarray(images(f"diffaugment/{side}", 6, int(side)))
    changed = diffaugment(KEY, x, jnp.float32(1), **chosen)
    close(sampled(changed, 503), REFERENCE["diffaugment"][case], "diffaugment")


def test_diffaugment_changes_a_share_of_the_images_and_grey_ones_too():
    x = jnp.full((400, 8, 8, 1), 0.5)
    changed = diffaugment(KEY, x, jnp.float32(0.25))
    assert 0.18 < np.mean(np.abs(changed - x).max((1, 2, 3)) > 0) < 0.32
    np.testing.assert_array_equal(diffaugment(KEY, x, jnp.float32(0)), x)
    brightness = diffaugment(KEY, x, jnp.float32(1), translation=False, cutout=False)[:, 0, 0, 0]
    assert brightness.min() < 0.05 and brightness.max() > 0.95
    assert brightness.min() >= 0 and brightness.max() <= 1


SINGLE = {
    "xflip": ["flip"], "rotate90": ["quarter_turns"], "xint": ["shift"], "scale": ["log_scale"],
    "rotate": ["turn_before"], "aniso": ["log_stretch"], "xfrac": ["fraction"],
    "brightness": ["brightness"], "contrast": ["log_contrast"], "lumaflip": ["luma_flip"],
    "hue": ["hue"], "saturation": ["log_saturation"], "cutout": ["cutout"],
    "imgfilter": [f"log_band_{i}" for i in range(4)],
}  # fmt: skip
GROUPS = {
    "blit": ["xflip", "rotate90", "xint"],
    "geom": ["scale", "rotate", "aniso", "xfrac"],
    "color": ["brightness", "contrast", "lumaflip", "hue", "saturation"],
}
GROUPS["bgc"] = [*GROUPS["blit"], *GROUPS["geom"], *GROUPS["color"]]
GROUPS["bgcf"] = [*GROUPS["bgc"], "imgfilter"]


def transformed(x, name, q):
    """Images under the transformations of a name in the authors' code, each at the percentile q of
    its distribution; of a normal one their code takes erfinv(2 q - 1).
    """
    normal, uniform = erfinv(2 * q - 1), 2 * q - 1
    values = {
        "flip": q >= 0.5, "quarter_turns": np.floor(4 * q), "shift": 0.125 * uniform,
        "log_scale": 0.2 * normal, "turn_before": np.pi * uniform, "log_stretch": 0.2 * normal,
        "fraction": 0.125 * normal, "brightness": 0.2 * normal, "log_contrast": 0.5 * normal,
        "luma_flip": q >= 0.5, "hue": np.pi * uniform, "log_saturation": normal, "cutout": 0.5,
        **{f"log_band_{i}": normal for i in range(4)},
    }  # fmt: skip
    chosen = [part for single in GROUPS.get(name, [name]) for part in SINGLE[single]]
    groups = {ada.RULES[part].group for part in chosen}
    amounts = {
        part: jnp.full(
            (len(x), 2)[: rule.numbers], values[part] if part in chosen else 0, jnp.float32
        )
        for part, rule in ada.RULES.items()
    }
    if groups & {"blit", "geometry"}:
        x = ada.warped(x, ada.inverse_map(amounts, *x.shape[1:3]))
    if "colour" in groups:
        x = ada.recoloured(x, amounts)
    if "bands" in groups:
        x = ada.amplified(x, amounts)
    return ada.cut(x, amounts, jnp.full((len(x), 2), q)) if "cutout" in groups else x


@pytest.mark.parametrize("case", [c for c in REFERENCE["ada"] if not c.endswith("cotangent")])
def test_ada_is_that_of_its_authors(case):
    name, q, *grey = case.split("/")
    x = images("ada/grey", 1, 24, 1) if grey else images("ada/images", 2, 24)
    changed = transformed(jnp.asarray(x), name, float(q))
    close(sampled(changed, 53 if grey else 211), REFERENCE["ada"][case], "ada")


@pytest.mark.parametrize("side", [1, 2, 5, 6, 24])
def test_a_line_of_pixels_sampled_up_repeats_except_near_its_ends(side):
    """The rows of every two neighbouring places, with 0 before the first and after the last."""
    line, filter = warping.sampled_up(side), 2 * warping.SYM6
    reflected = np.pad(np.eye(side), ((side - 1, side - 1), (0, 0)), mode="reflect")
    places = np.arange(-1, line.length + 1)[:, None]
    taps = places + 5 - 2 * np.arange(len(reflected))[None, :]
    inside = (taps >= 0) & (taps < 12) & (places >= 0) & (places < line.length)
    wanted = np.where(inside, filter[np.clip(taps, 0, 11)], 0) @ reflected
    rows = np.asarray(line.row(places[:, 0]))
    np.testing.assert_allclose(line.pixels[rows], wanted, atol=1e-12)
    np.testing.assert_allclose(line.pixels[rows[:-1] + 1], wanted[1:], atol=1e-12)


def test_the_derivative_of_ada_is_that_of_its_authors():
    x = jnp.asarray(images("ada/images", 2, 24))
    changed, pull = jax.vjp(lambda x: transformed(x, "bgc", 0.65), x)
    slope = jnp.asarray(number("ada/cotangent", x.shape))
    wanted = REFERENCE["ada"]["bgc/0.65/cotangent"]
    close(sampled(pull(slope)[0], 211), wanted, "ada", "gradients")
    linear = changed - transformed(0 * x, "bgc", 0.65)
    close(jax.vjp(pull, slope)[1]((x,))[0], linear, "ada", "gradients")  # R1 differentiates twice


def test_ada_draws_with_the_probabilities_and_deviations_of_the_paper():
    """Half of the mirrored images and a quarter of the turned ones are drawn as they were; one turn
    or the other happens with the probability that each other transformation has.
    """
    p, b = 0.4, 10_000
    multipliers = dict.fromkeys(("blit", "geometry", "colour", "bands", "noise", "cutout"), 1.0)
    draw = jax.jit(lambda p: ada.drawn(KEY, b, p, multipliers | {"colour": 0.5}))
    amounts = draw(jnp.float32(p))
    share = {name: np.mean(np.asarray(a).reshape(b, -1)[:, 0] != 0) for name, a in amounts.items()}
    expected = {
        name: p * (0.5 if rule.group == "colour" else 1) for name, rule in ada.RULES.items()
    }
    expected |= {"flip": p / 2, "quarter_turns": 3 / 4 * p, "luma_flip": p / 4}
    turned = (np.asarray(amounts["turn_before"]) != 0) | (np.asarray(amounts["turn_after"]) != 0)
    assert abs(turned.mean() - p) < 0.015
    one = 1 - (1 - p) ** 0.5
    expected |= {"turn_before": one, "turn_after": one}
    for name, value in expected.items():
        assert abs(share[name] - value) < 0.015, name
    deviations = {
        "shift": 0.125 / 3**0.5, "log_scale": 0.2, "turn_before": np.pi / 3**0.5,
        "log_stretch": 0.2, "fraction": 0.125, "brightness": 0.2, "log_contrast": 0.5,
        "hue": np.pi / 3**0.5, "log_saturation": 1.0, "log_band_3": 1.0, "noise": 0.1,
    }  # fmt: skip
    for name, value in deviations.items():
        acting = np.asarray(amounts[name])[np.asarray(amounts[name]) != 0]
        np.testing.assert_allclose(np.sqrt(np.mean(acting**2)), value, rtol=0.05, err_msg=name)
    certain = draw(jnp.float32(2))
    assert all(np.all(certain[name] != 0) for name in deviations)


def test_ada_leaves_images_alone_without_strength():
    x = jnp.asarray(images("ada/images", 2, 24))
    whole = jax.jit(lambda p: ada.ada(KEY, x, p, bands=1.0, noise=1.0, cutout=1.0))
    close(whole(jnp.float32(0)), x, "ada")
    assert np.isfinite(whole(jnp.float32(2))).all()  # above 1 as at 1


def test_images_of_four_channels_have_no_colours_to_change():
    x = jnp.zeros((2, 8, 8, 4))
    with pytest.raises(ConfigError, match=r"^ada\.colour must be 0 for images with 4 channels"):
        ada.recoloured(x, {})
    assert ada.ada(KEY, x, jnp.float32(1), blit=0.0, geometry=0.0, colour=0.0) is x
