"""The report: from written files, without a run, and of real runs, as a browser sees it."""

import base64
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from pages import EVIL, Page, check_alone, evaluated_run, evaluation, written
from PIL import Image

from gan_jax import Config, ConfigError, pictures, recipe, report, sweeps
from gan_jax.commands import eval as eval_script
from gan_jax.commands import train
from gan_jax.config import to_dict
from gan_jax.evaluation.files import save
from gan_jax.report import hyperparameters
from gan_jax.runs import folder as run_folder

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ),
    *(
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--virtual-time-budget=2000",
    ),
)


@pytest.fixture
def folder(tmp_path):
    return evaluated_run(tmp_path)


def test_page_holds_what_the_files_hold(folder):
    page = written(folder)
    check_alone(page)
    numbers = (
        "30.12",
        "0.0567",
        "87.5%",
        "99.1%",
        "25.0%",
        "0.4321",
        "81.2%",
        "37.5%",
        "-1.25 to -0.5",
        "from step 15",
    )
    for told in (
        *numbers,
        "uv run eval.py 'a b'",
        "15 s",
        "r1, every 4, weight 1",
        "nested.note",
        "recognized as their label",
    ):
        assert told in page.text, told
    assert (
        page.text.count(EVIL) >= 8
    )  # the data set, a class, a reason, an event, provenance, commands, config
    assert page.all("script") == []
    labels = [svg["aria-label"] for svg in page.all("svg") if "aria-label" in svg]
    assert any(label.startswith("Fréchet distance: samples ends at 30.1") for label in labels)
    assert any("loss of D ends at 0.0333" in label for label in labels)
    assert sum(attributes.get("class") == "mark" for attributes in page.all("line")) >= 2


def test_the_newest_step_is_shown_and_pictures_are_its_own(folder):
    save(
        evaluation(100, pictures={"something_new": np.zeros((8, 8, 3), np.uint8)}),
        folder / run_folder.EVAL,
    )
    page = written(folder)
    assert "at step 100" in page.text and "100.1" in page.text and "something new" in page.text
    own = [image for image in page.all("img") if not image["alt"].startswith("Step")]
    assert len(own) == 1


def test_sounds_are_heard_within_the_page(folder):
    assert written(folder).all("audio") == [] and "Listen" not in written(folder).text
    files = {EVIL[1:7]: b"RIFF one", "two": b"RIFF two"}
    save(evaluation(40, sounds=files), folder / run_folder.EVAL)
    saved = folder / run_folder.EVAL / "step_000040_samples_two.wav"
    assert saved.read_bytes() == files["two"]
    page = written(folder)
    check_alone(page)
    assert "Listen" in page.text
    heard = {sound["aria-label"]: sound["src"] for sound in page.all("audio")}
    begin = "data:audio/wav;base64,"
    assert {
        name.removeprefix("Samples of "): base64.b64decode(source.removeprefix(begin))
        for name, source in heard.items()
    } == files
    (policy,) = (own["content"] for own in page.all("meta") if "http-equiv" in own)
    assert "media-src data:;" in policy
    saved.unlink()
    assert "Unreadable files: step_000040_samples_two.wav" in written(folder).text


def test_samples_over_training_are_evenly_spread(folder):
    page = written(folder)
    shown = [image for image in page.all("img") if image["alt"].startswith("Step")]
    steps = [int(re.match(r"Step (\d+)", image["alt"])[1]) for image in shown]
    assert steps == [1, 5, 9, 13, 18, 22, 26, 30]
    for step, image in zip(steps, shown, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1]))) as picture:
            assert picture.getpixel((0, 0)) == step
    shutil.rmtree(folder / run_folder.SAMPLES)
    assert "Samples over training" not in written(folder).text


def test_training_comes_first_and_hyper_parameters_say_what_differs_from_the_defaults(folder):
    page = written(folder)
    order = [attributes["id"] for tag, attributes in page.elements if tag == "h2"]
    assert order[:4] == ["training", "hyperparameters", "progress", "scores"]
    groups = hyperparameters.groups(to_dict(recipe("digits_dcgan")))
    assert list(groups) == ["Data", "Networks", "Objective", "Optimization", "Run"]
    values = {value.name: value for group in groups.values() for value in group}
    assert set(values) == {field.name for field in dataclasses.fields(Config)}
    assert values["generator"].text == "dcgan, base 2, width 64" and values["generator"].changed
    assert (values["batch_size"].text, values["batch_size"].changed) == ("64", False)


def test_intervals_and_protocols_are_shown_where_there_are_some(folder):
    path = folder / run_folder.EVAL / "step_000030.json"
    values = json.loads(path.read_text()) | {
        "intervals": {"frechet_distance": [29.5, 31.5], "label_agreement": [0.85, 0.9]},
        "real_intervals": {"frechet_distance": [0.01, 0.09]},
        "protocols": {
            "fid10k": {"frechet_distance": [1.5, 1.25, 1.75]},
            "is10k": {"inception_score": [7.5, None, None]},
        },
    }
    path.write_text(json.dumps(values))
    page = written(folder)
    for told in (
        "29.5 to 31.5",
        "85.0% to 90.0%",
        "(0.01 to 0.09)",
        "fid10k",
        "1.25 to 1.75",
        "7.5",
    ):
        assert told in page.text, told


def test_what_is_missing_is_left_out(folder):
    """An evaluation of before the report, of a run whose record is gone."""
    for name in (run_folder.METRICS, run_folder.RUN):
        (folder / name).unlink()
    (folder / run_folder.EVAL / "step_000020.json").write_text("{")
    (folder / run_folder.EVAL / "step_000030_samples.png").unlink()
    path = folder / run_folder.EVAL / "step_000030.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({name: values[name] for name in ("step", "scores", "pictures")}))
    page = written(folder)
    assert "30.12" in page.text and "Only one step has been evaluated" in page.text
    assert "Unreadable files: step_000020.json, step_000030_samples.png." in " ".join(
        page.text.split()
    )
    assert not any("truncation" in str(a.get("href")) for a in page.all("a"))


def test_page_is_replaced_whole_or_not_at_all(folder, monkeypatch):
    path = report.write_report(folder)
    before = path.read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ConfigError, match="No space left"):
        report.write_report(folder)
    assert path.read_text() == before
    assert [p for p in path.parent.iterdir() if p.name.startswith(".")] == []


def test_refuses_a_run_without_evaluation(folder, tmp_path):
    shutil.rmtree(folder / run_folder.EVAL)
    with pytest.raises(ConfigError, match=r"run is not evaluated yet"):
        report.write_report(folder)
    with pytest.raises(ConfigError, match="is not a run folder"):
        report.write_report(tmp_path / "nowhere")


def test_a_page_a_member_and_one_of_the_population(folder):
    members = sweeps.Population(2, (("g_optimizer.lr", (0.25, 0.5)),))
    config = json.loads((folder / run_folder.CONFIG).read_text()) | {
        "population": sweeps.to_dict(members)
    }
    (folder / run_folder.CONFIG).write_text(json.dumps(config))
    lines = [
        {"step": 10, "d/loss": [0.5, 0.25, 0.125, 1]},
        {"step": 20, "member": 1, "failed": EVIL},
    ]
    (folder / run_folder.MEMBERS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.rmtree(folder / run_folder.EVAL)
    for number in (0, 1, 3):
        save(evaluation(20 + number), folder / run_folder.EVAL / f"member_{number:02}")
    settings = [
        {
            "name": f"g_optimizer.lr={lr}",
            "members": [i, i + 1],
            "failed": {str(i): EVIL},
            "share": [0.5, 0.094, 0.906],
            "scores": {"frechet_distance": {"mean": 3.5, "low": 3.25, "high": None, "members": 1}},
        }
        for i, lr in ((0, 0.25), (2, 0.5))
    ]
    verdicts = {"step": 20, "settings": settings, "criterion": EVIL, "provenance": {"seed": 1}}
    (folder / run_folder.EVAL / "step_000020.json").write_text(json.dumps(verdicts))

    page = written(folder)
    check_alone(page)
    for told in (
        "g_optimizer.lr=0.25",
        "3.5",
        "50.0%",
        "9.4% to 90.6%",
        f"Member 2: {EVIL}",
        "20.12",
        "23.12",
    ):
        assert told in page.text, told
    for number in (0, 1, 3):
        link = f"member_{number:02}/report.html"
        assert link in [a["href"] for a in page.all("a")]
        member = Page((folder / run_folder.EVAL / link).read_text())
        check_alone(member)
        assert f"member {number}" in member.text
        lr = '"lr": 0.25' if number < 2 else '"lr": 0.5'
        assert lr in member.text and f'"seed": {number % 2}' in member.text
    assert (
        "failed" in Page((folder / run_folder.EVAL / "member_01" / "report.html").read_text()).text
    )


# Real runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two evaluated steps of a tiny GAN of points, whose feature network needs no training."""
    workdir = tmp_path_factory.mktemp("runs") / "ring"
    tiny = (
        "ring8_mlp --generator.width 8 --discriminator.width 8 --batch-size 16 --steps 20 "
        "--log-every 5 --checkpoint-every 10"
    )
    assert train.main([*tiny.split(), "--workdir", str(workdir)]) == 0
    for step in ("10", "20"):
        assert eval_script.main([str(workdir), "--checkpoint", step, "--num-samples", "200"]) == 0
    return workdir


def test_evaluating_writes_the_report(run):
    page = Page((run / run_folder.EVAL / "report_n200.html").read_text())
    check_alone(page)
    values = json.loads((run / run_folder.EVAL / "step_000020_n200.json").read_text())
    assert f"{values['scores']['frechet_distance']:,.4g}" in page.text
    assert f"{100 * values['truncation'][0]['precision']:.1f}%" in page.text
    assert [point["psi"] for point in values["truncation"]] == [0.25, 0.5, 0.75, 1.0, None]
    assert len(values["pictures"]) == 3 and len(page.all("img")) == 3 + 1  # and one over training
    assert "Only one step" not in page.text


@pytest.mark.skipif(BROWSER is None, reason="no headless browser is installed")
def test_a_browser_shows_the_page(folder, tmp_path):
    """Every picture is decoded, the page is no wider than a screen or a phone, and nothing is
    complained about.
    """
    pictures.save(
        folder / run_folder.EVAL / "step_000030_samples.png", np.zeros((900, 1200, 3), np.uint8)
    )
    path = report.write_report(folder)

    def browse(page, *options):
        command = [
            BROWSER,
            *QUIET,
            "--window-size=1280,900",
            f"--user-data-dir={tmp_path / 'user'}",
            *options,
        ]
        return subprocess.run(
            [*command, page.as_uri()], capture_output=True, text=True, timeout=300
        )

    shot = browse(path, f"--screenshot={tmp_path / 'page.png'}")
    assert (tmp_path / "page.png").stat().st_size > 10_000, shot.stderr
    assert "CONSOLE" not in shot.stderr

    # The page allows no scripts: a copy that looks at itself may, in frames of both widths, as no
    # window is as narrow as a phone.
    ask = """<script>addEventListener("load", () => parent.postMessage(JSON.stringify({
        frame: innerWidth, wide: document.documentElement.scrollWidth,
        pictures: [...document.images].map(image => image.naturalWidth)}), "*"))</script>"""
    text, policies = re.subn(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', ask, path.read_text()
    )
    assert policies == 1
    (tmp_path / "asking.html").write_text(text)
    frame = '<iframe src="asking.html" width="{}" height="800"></iframe>'
    hear = """<script>addEventListener("message",
        heard => document.body.append(heard.data + "\\n"))</script>"""
    (tmp_path / "frames.html").write_text(
        f"<body>{hear}{frame.format(1280)}{frame.format(390)}</body>"
    )
    told = re.findall(
        r"\{.*\}", browse(tmp_path / "frames.html", "--dump-dom").stdout.split("</iframe>")[-1]
    )
    assert len(told) == 2
    for found in map(json.loads, told):
        assert found["pictures"] == [*[8] * 8, 1200, 48]
        assert found["wide"] <= found["frame"] <= 1280
