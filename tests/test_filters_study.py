"""The study of filters: the choice on validation examples, and a tiny one from end to end."""

import json
import re

import numpy as np
import pytest

from gan_jax.data import load
from gan_jax.enlarging.candidates import Candidate
from gan_jax.enlarging.examples import labelled
from gan_jax.studies import augmenting, filters, filters_study, recognition

TINY = ["--dataset", "digits", "--labels", "2", "--validation", "200", "--gan-steps", "2"]
TINY += ["--generated", "20", "--recognizer-steps", "3", "--recognizer-batch", "8"]
TINY += ["--seeds", "2", "--real", "20,50", "--min-confidence", "0", "--rejection", "0"]


@pytest.fixture
def seen(monkeypatch):
    """Small GANs; returns the examples of each classifier, and the real ones of each GAN."""
    classifiers, gans = [], []
    fit, train = filters_study.candidates.fit, augmenting.train_gan
    small = recognition.Options(dataset="digits", gan_width=8).gan
    monkeypatch.setattr(filters_study, "conditional", lambda *_: small)
    note = lambda *a, **options: classifiers.append(a[1]) or fit(*a, **options)
    monkeypatch.setattr(filters_study.candidates, "fit", note)
    note_gan = lambda config, real, **told: gans.append(real.x) or train(config, real, **told)
    monkeypatch.setattr(filters_study, "train_gan", note_gan)
    return classifiers, gans


def images(x):
    return {image.tobytes() for image in x}


def test_a_tiny_study_chooses_on_validation_examples_and_is_resumed(seen, tmp_path, capsys):
    classifiers, gans = seen
    command = [*TINY, "--workdir", str(tmp_path / "study")]
    assert filters.main(command) == 0
    written = (tmp_path / "study/results.jsonl").read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    scores = [line for line in lines if "accuracy" in line]
    tried = [line for line in scores if line["labels"] != "test"]
    arms = ["unfiltered", "truncation", "confidence", "rejection"]
    assert [(own["labels"], own["seed"], own["arm"]) for own in tried] == [
        (share, seed, arm) for share in ("20", "50") for seed in (0, 1) for arm in arms
    ]
    means = {
        (own["labels"], own["arm"]): np.mean(
            [o["accuracy"] for o in tried if (o["labels"], o["arm"]) == (own["labels"], own["arm"])]
        )
        for own in tried
    }
    share, arm = max(means, key=means.__getitem__)
    best = str(Candidate(arm, int(share) / 100))
    assert [own["arm"] for own in scores[-4:]] == ["nothing", best] * 2
    assert f"examples: {best}. On the test examples" in (tmp_path / "study/results.md").read_text()

    # The GANs and the classifiers saw the labelled images alone, and no image that validates.
    data = labelled(load("digits", "train"))
    assert len(gans) == 2 and all(len(x) == 20 for x in gans)
    assert all(images(x) <= images(data.x) for x in gans)
    seen_by = [images(x) & images(data.x) for x in classifiers]
    of_gans = [images(x) for x in gans]
    assert all(seen_by) and all(own <= of_gans[0] or own <= of_gans[1] for own in seen_by)

    before = len(classifiers)
    assert filters.main(command) == 0 and len(classifiers) == before
    assert filters.main([*command, "--real", "50,20,80"]) == 0
    assert len(classifiers) - before in (8, 10) and len(gans) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--real", "0"], "real '0' is not a number of real"),
        (["--real", "100"], r"real must be in \[1, 99\], not 100"),
        (["--validation", "2000"], "validation 2000 is more than the 1422 examples"),
        (["--min-confidence", "1"], r"min_confidence must be in \[0, 1\), not 1"),
    ],
)
def test_wrong_input_is_told_before_anything_is_written(options, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        filters.main(["--dataset", "digits", "--labels", "2", *options, "--workdir", str(tmp_path)])
    message = capsys.readouterr().err
    assert end.value.code == 2 and not list(tmp_path.iterdir())
    assert re.search(told, message)
