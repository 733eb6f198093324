"""The vocoder: sizes as published, parts against definitions, and a small one trains."""

import dataclasses
import functools
import json
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import soundfile

import gan_jax
from gan_jax import recognizers
from gan_jax.config import Config, Network, Pairs, Penalty
from gan_jax.data import load
from gan_jax.errors import ConfigError
from gan_jax.modality import Sounds
from gan_jax.models import vocoder
from gan_jax.nn.conv import Conv
from gan_jax.nn.dilated import dilated, folded, unfolded
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.regularizers import G_REGULARIZERS
from gan_jax.runs import folder as run_folder
from gan_jax.runs import restore
from gan_jax.sound.mel import Mel
from gan_jax.studies import vocoder as study
from gan_jax.types import Batch, Critique, Fake

RNG = np.random.default_rng(0)
V3 = {
    "width": 256,
    "upsampling": (8, 8, 4),
    "kernels": (3, 5, 7),
    "dilations": ((1, 2), (2, 6), (3, 12)),
    "double": False,
}
MEL = Mel(rate=1_000, window=16, hop=8, mels=4, low=0.0, high=500.0, floor=0.01)
LENGTH = 64


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def traced(network, *inputs):
    """The output and the variables of a network, by their shapes."""
    init = functools.partial(network.init_with_output, jax.random.key(0), train=False)
    return jax.eval_shape(init, *inputs)


def size(variables):
    return sum(math.prod(a.shape) for a in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(
    "options, expected", [({}, 13_926_017), ({"width": 128}, 925_985), (V3, 1_462_273)]
)
def test_the_generators_have_the_sizes_of_the_paper(options, expected):
    """V1, V2 and V3 have 13.92 M, 0.92 M and 1.46 M weights (Kong et al. 2020, table 1); those of
    each layer are added up here.
    """
    network = vocoder.Generator((8_192, 1), normalized=False, **options)
    made, variables = traced(network, (), floats(1, 32, 80))
    assert (made.shape, made.dtype) == ((1, 8_192, 1), jnp.float32)
    c, conv = network.width, lambda taps, i, o: taps * i * o + o
    total, per_kernel = conv(7, 80, c), 2 if "double" in options else 6
    for factor in network.upsampling:
        total, c = total + conv(2 * factor, c, c // 2), c // 2
        total += sum(per_kernel * conv(kernel, c, c) for kernel in network.kernels)
    assert size(variables) == total + conv(7, c, 1) == expected


def test_the_discriminators_have_the_sizes_of_the_authors_code():
    """41.1 M of five periods and 29.6 M of three scales."""
    network = vocoder.Discriminator(normalized=False)
    seen, variables = traced(network, floats(1, 8_192, 1), None)
    assert size(variables) == 5 * 8_218_433 + 3 * 9_870_209
    layers = [[a.shape for a in own] for own in seen.extras["layers"]]
    assert len(layers) == 8 and {len(own) for own in layers} == {6, 8}
    assert layers[1][-1] == (1, 34, 3, 1) and layers[-1][-1] == (1, 33, 1)
    assert (seen.score.shape, seen.score.dtype) == ((1, 8, 8 * 128), jnp.float32)
    normalized = traced(vocoder.Discriminator(), floats(1, 8_192, 1), None)[1]
    assert set(normalized["spectral"]) == {"Scale_0"}
    assert "WeightNorm_0" in normalized["params"]["Scale_1"]


@pytest.mark.parametrize("n, dilation, taps", [(7, 1, 3), (12, 3, 5), (13, 5, 3), (4, 12, 7)])
def test_a_dilated_convolution_is_that_of_jax(n, dilation, taps):
    x = RNG.normal(size=(2, n, 3)).astype(np.float32)
    params = {"kernel": RNG.normal(size=(taps, 1, 3, 4)), "bias": RNG.normal(size=4)}
    layer = Conv(4, (taps, 1)).bind({"params": params})
    expected = jax.lax.conv_general_dilated(
        x, jnp.float32(params["kernel"][:, 0]), (1,), "SAME", rhs_dilation=(dilation,),
        dimension_numbers=("NHC", "HIO", "NHC"),
    )  # fmt: skip
    expected = np.asarray(expected) + params["bias"]
    np.testing.assert_allclose(dilated(layer, x, dilation), expected, rtol=1e-4, atol=1e-5)


def test_folded_sequences_are_rows_of_a_period():
    x = np.arange(7.0)[None, :, None]
    np.testing.assert_array_equal(
        folded(x, 3, "reflect")[0, ..., 0], [[0, 1, 2], [3, 4, 5], [6, 5, 4]]
    )
    np.testing.assert_array_equal(folded(x, 3)[0, 2, :, 0], [6, 0, 0])
    np.testing.assert_array_equal(unfolded(folded(x, 3), 7), x)


def test_each_sub_discriminator_has_the_same_share():
    """The mean of any function of the joined scores is the mean over sub-discriminators of their
    means, up to how evenly scores are repeated; exactly for scores that are equal within each.
    """
    shapes = [(3, 17, 2), (3, 17, 3), (3, 50), (3, 16)]
    scores = [jnp.full(shape, i, jnp.float32) for i, shape in enumerate(shapes)]
    loss = lambda a: jnp.square(a - 1)
    joined = vocoder.joined(scores)
    assert joined.shape == (3, 4, 8 * 51)
    np.testing.assert_allclose(loss(joined).mean(), np.mean([loss(s).mean() for s in scores]))
    own = [jnp.arange(math.prod(shape), dtype=jnp.float32).reshape(shape) for shape in shapes]
    for score, repeated in zip(own, vocoder.joined(own)[0], strict=True):
        values, counts = np.unique(repeated, return_counts=True)
        np.testing.assert_array_equal(values, np.unique(score[0]))
        assert counts.min() >= 8 and counts.max() - counts.min() <= 1


def test_the_terms_are_those_of_the_paper():
    """Equations 4 and 5, in numpy; gradients flow to the fakes only."""
    x, other = RNG.uniform(-1, 1, (2, 2, LENGTH, 1)).astype(np.float32)
    y = MEL.of(other[..., 0])
    real = Critique(jnp.zeros(2), {"layers": ([jnp.asarray(x)], [jnp.asarray(x[:, :8])])})

    def shown(x):
        seen = Critique(jnp.zeros(2), {"layers": ([x - 1], [2 * x[:, :8]])})
        return players.context(
            fake=Fake(x, y), real=Batch(other, y), fake_critique=seen, real_critique=real,
            frozen={"mel": lambda x: MEL.of(x[..., 0])},
        )  # fmt: skip

    value, _ = G_REGULARIZERS["layer_features"]().apply((), shown(jnp.asarray(x)))
    np.testing.assert_allclose(value, 1 + np.abs(x[:, :8]).mean((1, 2)), rtol=1e-5)
    value, _ = G_REGULARIZERS["mel"]().apply((), shown(jnp.asarray(x)))
    np.testing.assert_allclose(
        value, np.abs(np.asarray(MEL.of(x[..., 0]) - y)).mean((1, 2)), rtol=1e-5
    )
    with pytest.raises(ConfigError, match="mel compares a sound with its condition; use pairs mel"):
        G_REGULARIZERS["mel"]().apply((), players.context(frozen={}))


# A GAN of the smallest networks.
WEIGHTS = {
    "g_loss_weight": 3.0,
    "g_penalties": (Penalty("layer_features", 2.0), Penalty("mel", 45.0)),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Of tones in two classes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        hertz = np.repeat([100.0, 200.0], 8)[:, None]
        x = np.sin(2 * np.pi * (hertz * np.arange(LENGTH) / MEL.rate + RNG.uniform(size=(16, 1))))
        labels = np.repeat([0, 1], 8)
        x = x.astype(np.float32)
        yield Config(
            dataset=gan_jax.dataset(x, labels, test=(x, labels), rate=MEL.rate),
            pairs=Pairs("mel", window=16, hop=8, mels=4),
            prior="none", loss="least_squares", batch_size=4, steps=2, **WEIGHTS,
            generator=Network("vocoder", width=4, upsampling=8, kernels=3, dilations=2),
            discriminator=Network("vocoder", width=2, widest=4, periods=3, scales=1, groups=2),
            diagnose_every=0,
        )  # fmt: skip


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "tones"
    gan_jax.train(config, workdir=workdir)
    return workdir


def test_a_small_vocoder_trains(config, run):
    gan, state = gan_jax.load(run)
    assert (gan.modality, gan.condition.shape) == (Sounds((LENGTH, 1), MEL.rate), (8, 4))
    assert gan.condition.mel == MEL and int(state.step) == 2
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["g/mel"] > 0 < last["g/layer_features"]
    assert sorted(path.suffix for path in (run / "samples").iterdir()) == [".png", ".wav", ".wav"]


class Listener:
    """A recognizer that knows tones by their zero crossings."""

    key, about = "listener", {}

    def features(self, x):
        assert x.shape[1:] == (LENGTH, 1) and x.dtype == np.int16
        crossings = np.sum(np.diff(np.signbit(x[..., 0]), axis=1), axis=1)
        logits = np.stack([25 - crossings, crossings - 19], axis=1).astype(np.float32)
        return logits, logits


def test_an_evaluation_makes_sounds_of_held_out_spectrograms(config, run):
    found = gan_jax.evaluate(*gan_jax.load(run), config, num_samples=16, feature_network=Listener())
    assert np.isfinite(found.scores["frechet_distance"]) and set(found.sounds) == {
        "0",
        "1",
        "beside_real",
    }


def test_the_study_compares_with_griffin_lim(config, run, monkeypatch, capsys):
    """Griffin-Lim improves with its iterations, and with all frequencies over mel bands; the clips
    themselves are the best.
    """
    monkeypatch.setattr(recognizers, "recognizer", lambda *_: Listener())
    assert study.main([str(run), "--shown", "3"]) == 0
    table = (run / "vocoder" / study.TABLE).read_text()
    assert table in capsys.readouterr().out
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[4:]]
    found = {name: float(convergence.split()[0]) for name, convergence, *_ in rows}
    assert len(found) == 8 and list(found)[-1] == str(run)
    assert found["real"] == 0 and rows[0][2:4] == ["0.000 [0.000, 0.000]", "100.0% [80.6%, 100.0%]"]
    assert found["Griffin-Lim, all frequencies, 60"] < found["Griffin-Lim, all frequencies, 0"]
    assert found["Griffin-Lim, all frequencies, 60"] < found["Griffin-Lim, log-mel, 60"]
    heard, rate = soundfile.read(run / "vocoder" / "real.wav", dtype="int16")
    assert rate == MEL.rate and len(list((run / "vocoder").glob("*.wav"))) == 8
    np.testing.assert_array_equal(
        heard.reshape(3, -1)[:, :LENGTH],
        load(config.dataset, "test", config.framing).examples[:3, :, 0],
    )


def test_the_study_refuses_runs_that_do_not_fit(config, run, monkeypatch, capsys):
    loaded = {"tones": gan_jax.load(run), "other": (gan_jax.build(mels(config, 3)), None)}
    loaded["labels"] = (dataclasses.replace(loaded["other"][0], condition=None), None)
    monkeypatch.setattr(restore, "load", lambda folder: loaded[folder.name])
    monkeypatch.setattr(run_folder, "read", lambda folder: types.SimpleNamespace(config=config))
    for name, words in (
        ("other", "other must have the dataset and the spectrograms of tones."),
        ("labels", "labels must be a GAN with pairs mel."),
    ):
        with pytest.raises(SystemExit, match="2"):
            study.main(["tones", name, "--workdir", str(run / "none")])
        assert capsys.readouterr().err.strip().endswith(words)
    assert not (run / "none").exists()
    with pytest.raises(SystemExit, match="2"):
        study.main(["tones", "--workdir", str(run)])
    assert (
        capsys.readouterr().err.strip().endswith("other files than this study's; use a new folder.")
    )


def mels(config, n):
    return dataclasses.replace(config, pairs=Pairs("mel", window=16, hop=8, mels=n))


def test_the_objective_is_the_sum_over_sub_discriminators():
    """3 x the mean of all scores' losses is the sum of three means."""
    scores = [RNG.normal(size=(2, n)).astype(np.float32) for n in (8, 8, 8)]
    losses = LOSSES["least_squares"].g(vocoder.joined(scores), vocoder.joined(scores))
    one = [LOSSES["least_squares"].g(s, s).mean() for s in scores]
    np.testing.assert_allclose(3 * losses.mean(), sum(one), rtol=1e-6)


REFUSED = {
    "another hop": (
        {"generator": Network("vocoder", width=4, upsampling="4,4")},
        "generator.upsampling 4,4 makes 16 samples of a frame, but the hop of pairs is 8; their "
        "product must equal the hop.",
    ),
    "a width": (
        {"generator": Network("vocoder", width=6, upsampling="4,2")},
        "generator.width must be a multiple of 4 for 2 factors of upsampling, not 6.",
    ),
    "dilations": (
        {"generator": Network("vocoder", width=4, upsampling="4,2", dilations="1/2")},
        "generator.dilations must be one list, or one for each of the 3 kernels, not 2.",
    ),
    "an even kernel": (
        {"generator": Network("vocoder", width=4, upsampling=8, kernels="3,4")},
        "generator.kernels must be odd, not 4.",
    ),
    "no numbers": (
        {"generator": Network("vocoder", upsampling="4,x")},
        "generator.upsampling must be positive integers separated by commas, such as 8,4,2, not "
        "'4,x'.",
    ),
    "no factor": (
        {"generator": Network("vocoder", dilations="1/0,2")},
        "generator.dilations must be positive integers separated by commas, such as 8,4,2, not "
        "'0,2'.",
    ),
    "too many bands": (
        {"pairs": Pairs("mel", window=16, hop=8, mels=20)},
        "pairs.mels 20 is too large: 5 of the bands contain none of the 9 frequencies of a window "
        "of 16; use fewer, or a larger window.",
    ),
    "a long hop": (
        {"pairs": Pairs("mel", window=16, hop=10)},
        "pairs.hop must be an even number from 2 to 8, half of the window, not 10.",
    ),
    "a high band": (
        {"pairs": Pairs("mel", window=16, hop=8, mels=4, high=600)},
        "pairs.high must be in (0, 500], not 600.",
    ),
    "vectors": ({"dataset": "ring8"}, "pairs mel needs sounds, but the examples are vectors of 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_make_is_refused(name, config):
    changes, message = REFUSED[name]
    with pytest.raises(ConfigError) as error:
        gan_jax.build(dataclasses.replace(config, **changes))
    assert message in str(error.value)
