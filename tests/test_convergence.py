"""The study of convergence: its verdicts are those of the theory, its local rates those of the
Jacobian.
"""

import dataclasses
import pathlib
import re

import numpy as np
import pytest

from gan_jax.build import build
from gan_jax.studies import convergence, games
from gan_jax.studies.methods import METHODS

ON_DIRAC = [name for name, method in METHODS.items() if method.dirac is not None]


@pytest.mark.parametrize("name", ON_DIRAC)
def test_the_dirac_gan_obeys_the_theory(name):
    """Mescheder et al. 2018 and the methods' papers: from every starting point, or from none."""
    result = games.dirac(METHODS[name], seeds=4)
    assert result.success.all() if METHODS[name].converges else not result.success.any()


@pytest.mark.parametrize("name", ["r1", "r1_r2", "consensus", "extragradient"])
def test_the_local_rate_is_that_of_the_jacobian(name):
    theory, measured = games.local_rate(METHODS[name])
    assert theory < 0.999 and (1 - measured) / (1 - theory) == pytest.approx(1, abs=0.05)


def test_the_local_rate_of_r1_in_closed_form():
    """Mescheder et al. 2018, theorem 4.1: with f'(0) = 1/2 the flow's eigenvalues are ``-gamma / 2
    +- sqrt(gamma^2 / 4 - 1 / 4)``.

    Here for the alternating step ``theta + lr psi' / 2`` after ``psi' = psi - lr (theta / 2 + gamma
    psi)``.
    """
    lr, gamma = 0.2, 0.3
    d = np.array([[1, 0], [-lr / 2, 1 - lr * gamma]])
    g = np.array([[1, lr / 2], [0, 1]])
    expected = np.abs(np.linalg.eigvals(g @ d)).max()
    assert games.local_rate(METHODS["r1"])[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_a_valid_config(name):
    method = METHODS[name]
    for base, own in (
        (games.DIRAC, method.dirac),
        (dataclasses.replace(games.MIXTURE, dataset="ring8"), method.mixtures),
    ):
        if own is not None:
            network = {key: own[key] for key in games.NETWORK & own.keys()}
            config = method.config(
                base, {key: value for key, value in own.items() if key not in network}
            )
            build(
                dataclasses.replace(
                    config, discriminator=dataclasses.replace(config.discriminator, **network)
                )
            )


def test_end_to_end(tmp_path, capsys):
    folder = tmp_path / "study"
    arguments = [
        "--workdir",
        str(folder),
        "--methods",
        "r1,minimax",
        "--seeds",
        "3",
        "--steps",
        "4",
        "--problems",
        "dirac,ring8",
    ]
    assert convergence.main(arguments) == 0
    assert {file.name for file in folder.iterdir()} == {
        "success.csv",
        "success.md",
        "dirac.png",
        "ring8.png",
    }
    text = (folder / "success.md").read_text()
    assert (
        "| R1 (Mescheder et al. 2018) | 3 / 3 |" in text
        and "| minimax (Goodfellow et al. 2014) | 0 / 3 |" in text
    )
    columns = convergence.DIRAC_COLUMNS, convergence.MIXTURE_COLUMNS
    dirac, ring8 = (f"| {' | '.join(names)} |" for names in columns)
    page = pathlib.Path(__file__).parents[1].joinpath("docs/stability.md").read_text()
    assert all(header in text and header in page for header in (dirac, ring8))
    assert re.search(r"\| R1 \| 0\.969\d+ \| 0\.969\d+ \|", text)
    with pytest.raises(SystemExit):
        convergence.main(arguments)
    assert "is not empty; use a new folder, or --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option, words",
    [("--methods r3", "methods.*'r3'"), ("--seeds 0", "seeds"), ("--problems grid", "grid25")],
)
def test_wrong_options_are_refused(option, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as refusal:
        convergence.main(["--workdir", str(tmp_path / "new"), *option.split()])
    assert refusal.value.code == 2 and not (tmp_path / "new").exists()
    assert re.search(words, capsys.readouterr().err)
