"""The study of an InfoGAN's codes: its scores, its picture, and its command."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

import gan_jax
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config, Network
from gan_jax.engine.gan import init_state
from gan_jax.engine.trained import generate
from gan_jax.studies import codes

SMALL = Network("mlp", width=8, depth=1)
CONFIG = Config(
    dataset="ring8", prior="infogan:8", latents=2, generator=SMALL, discriminator=SMALL,
    batch_size=8, steps=4, diagnose_every=0,
)  # fmt: skip


def test_scores_are_the_information_and_the_purity_of_the_codes():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 500)
    code = np.where(rng.random(500) < 0.6, classes, rng.integers(0, 3, 500))
    table = codes.counted(code, classes, 5)  # one category does not occur
    assert table.shape == (5, 4) and table.sum() == 500
    information, purity = codes.scores(table)
    assert information == pytest.approx(normalized_mutual_info_score(code, classes))
    most = [np.bincount(classes[code == c]).max() for c in np.unique(code)]
    assert purity == pytest.approx(sum(most) / 500)
    assert codes.scores(np.diag([3, 5])) == (pytest.approx(1), 1)


@pytest.mark.parametrize("continuous", [0, 1])
def test_the_picture_has_a_row_for_each_category(continuous):
    """Tiles are samples of one noise with all codes; or, without a continuous code, of ten."""
    config = dataclasses.replace(
        CONFIG, dataset="digits", prior=f"infogan:3:codes=2:continuous={continuous}"
    )
    gan = build(config)
    batch = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), abstract_batch(config, gan.source))
    state = init_state(gan, jax.random.key(1), batch)
    seen = []

    def generated(gan, state, z, labels):
        seen.append(z)
        return np.asarray(gan.modality.to_stored(generate(gan, state, z, labels)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gan_jax.sampling.draw.generated", generated)
        image = codes.picture(gan, state, seed=0)
    z = seen[0].reshape(3, 10, -1)
    assert image.ndim == 3 and np.ptp(image) > 0
    np.testing.assert_array_equal(z[..., 2:5], np.broadcast_to(np.eye(3)[:, None], (3, 10, 3)))
    np.testing.assert_array_equal(z[0, :, :2], z[2, :, :2])
    assert len(np.unique(z[0, :, 0])) == (1 if continuous else 10)
    if continuous:
        np.testing.assert_allclose(z[1, :, -1], np.linspace(-1, 1, 10), rtol=1e-6)


def test_the_command_prints_a_line_for_each_member(tmp_path, capsys):
    gan_jax.train(CONFIG, workdir=tmp_path / "run")
    assert codes.main([str(tmp_path / "run"), "--samples", "200"]) == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines[0].startswith("member 0: NMI 0.") and lines[1].startswith("mean of 1: NMI 0.")
    assert len(lines[2].rpartition(": ")[2].split()) == 8
    gan_jax.train(dataclasses.replace(CONFIG, prior="normal"), workdir=tmp_path / "other")
    with pytest.raises(SystemExit) as refusal:
        codes.main([str(tmp_path / "other")])
    assert refusal.value.code == 2
    assert "has no categorical codes; train with prior infogan." in capsys.readouterr().err
