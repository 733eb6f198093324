"""Run a study: an experiment that answers a question with tables and figures."""

from __future__ import annotations

import importlib
import sys

from gan_jax import command_line
from gan_jax.commands import interrupts
from gan_jax.errors import one_of

STUDIES = {
    "ledger": "what did each recipe reach, and what was published?",
    "translation": "does translating images into another domain train a classifier for it?",
    "text": "does a GAN write better than maximum likelihood, and than counting?",
    "oracle": "how far are text GANs from a language whose probabilities are known?",
    "convergence": "which methods make a GAN converge, and how often?",
    "recognition": "when does a GAN help a classifier?",
    "cas": "how good is a classifier that was trained on generated images alone?",
    "few_labels": "does a GAN help a classifier if most images have no labels?",
    "imbalance": "does a GAN help a classifier if some classes are rare?",
    "filters": "which generated images train a classifier best, and among how many real ones?",
    "captions": "do images show what their captions say?",
    "codes": "do the codes of an InfoGAN follow the classes of its data?",
    "vocoder": "does a vocoder make better sounds than Griffin-Lim?",
    "diversity": "how diverse are the images of one condition?",
    "few_images": "how does a GAN overfit few images, and does augmentation help?",
    "text_ladder": "what do the scores of texts say of samplers that only count?",
    "metric_times": "how long does each metric take?",
    "unlabelled_features": "which features suit datasets without labels?",
    "metric_agreement": "do the scores agree with established implementations?",
}
"""The modules of `gan_jax.studies` that are commands, each with a ``main(argv) -> exit code``."""


def main(argv: list[str] | None = None) -> int:
    """Runs the study named by the first argument; returns its exit code, or 2 for wrong input."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    with command_line.running("study"):
        if name in ("-h", "--help"):
            print(_help())
            return 0
        one_of("study", name, STUDIES)
        if not {"-h", "--help"} & set(rest):
            command_line.loading()
        with interrupts.ends_with("Stopped."):
            return importlib.import_module(f"gan_jax.studies.{name}").main(rest)


def _help() -> str:
    studies = "\n".join(f"  {name:18} {question}" for name, question in STUDIES.items())
    program = command_line.called("study")
    return f"""usage: {program} NAME [OPTIONS]

{__doc__}

Studies:
{studies}

{program} NAME --help lists the options of a study."""
