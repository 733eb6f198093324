"""The pages of reports in tests: run folders without a run, and a parser of HTML."""

import base64
import dataclasses
import html.parser
import json
import re

import numpy as np

from gan_jax import pictures, recipe, report
from gan_jax.config import to_dict
from gan_jax.evaluation.files import save
from gan_jax.evaluation.result import Evaluation
from gan_jax.runs import folder as run_folder

EVIL = "<script>alert('\"&')</script>"


VOID = {"meta", "img", "line", "path", "circle", "br"}


class Page(html.parser.HTMLParser):
    """Elements, text, rows of tables, and whether every element that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text, self.rows = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []
        self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += f"{data} "

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def evaluation(step, **changes):
    fields = {
        "step": step,
        "scores": {
            "frechet_distance": 0.1234 + step,
            "label_agreement": 0.875,
            "class_shares": {"zero": 0.25, EVIL: 0.75},
        },
        "real": {
            "frechet_distance": 0.0567,
            "label_agreement": 0.991,
            "class_shares": {"zero": 0.5, EVIL: 0.5},
        },
        "left_out": {"recall": EVIL},
        "provenance": {
            "dataset": "digits",
            "version": "1.0.0",
            "samples": {"images": 355, "reference": {"split": "train", "images": 1442}},
            "real": {
                "split": "test",
                "images": 355,
                "reference": {"split": "train", "images": 1442},
            },
            "seed": 5,
            "nested": {"note": EVIL},
            "command": ["eval.py", "a b"],
        },
        "pictures": {
            name: np.full((48, 48, 1), 99, np.uint8)
            for name in ("samples", "worst_by_discriminator")
        },
        "extremes": {"worst_by_discriminator": [-1.25, -0.5]},
        "truncation": [
            {"psi": 0.5, "frechet_distance": 0.4321, "precision": 0.8125, "recall": 0.375},
            {"psi": None, "frechet_distance": None, "precision": 0.75, "recall": 0.5},
        ],
    }
    return Evaluation(**(fields | changes))


def evaluated_run(tmp_path):
    """A run folder as training and evaluation write it, with a string that must be escaped wherever
    there is one.
    """
    workdir = tmp_path / "run"
    workdir.mkdir()
    config = dataclasses.replace(recipe("digits_dcgan"), dataset=EVIL)
    (workdir / run_folder.CONFIG).write_text(json.dumps(to_dict(config)))
    starts = [
        {"step": 0, "command": ["train.py", EVIL], "device": "cpu", "devices": 1},
        {"step": 20, "time": "later"},
    ]
    (workdir / run_folder.RUN).write_text(json.dumps({"program": "gan_jax", "starts": starts}))
    lines = [
        {
            "step": s,
            "seconds": s / 2,
            "images_per_second": 10.0 * s,
            "d/loss": 1 / s,
            "d/score_real": 0.5,
        }
        for s in (10, 20, 30)
    ]
    lines.append({"step": 10, "event": "rollback", "from": 15, "reason": EVIL, "seconds": 1.0})
    (workdir / run_folder.METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    for step in (20, 30):
        save(evaluation(step), workdir / run_folder.EVAL)
    for step in range(1, 31):
        pictures.save(run_folder.picture(workdir, step), np.full((8, 8, 1), step, np.uint8))
    return workdir


def written(workdir):
    path = report.write_report(workdir)
    assert [p for p in path.parent.iterdir() if p.name.startswith(".")] == []
    return Page(path.read_text())


def check_alone(page):
    """Nothing is loaded from elsewhere, every picture is inside and says what it shows."""
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not (
                name in ("src", "href", "srcset", "action", "data") and re.match(r"\w*:?//", value)
            ), (
                tag,
                value,
            )
    assert page.all("img") and not any(
        page.all(tag) for tag in ("script", "link", "iframe", "object", "base")
    )
    for image in page.all("img"):
        assert image["src"].startswith("data:image/png;base64,")
        assert base64.b64decode(image["src"].split(",")[1]).startswith(b"\x89PNG")
        assert len(image["alt"]) > 10
    anchors = {attributes.get("id") for _, attributes in page.elements}
    assert all(
        a["href"].removeprefix("#") in anchors for a in page.all("a") if a["href"].startswith("#")
    )
