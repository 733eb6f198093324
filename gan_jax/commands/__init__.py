"""The commands: ``gan-jax NAME``, ``python -m gan_jax NAME``, and in a clone ``train.py``,
``eval.py`` and ``benchmark.py``.

A command is a module with ``main(argv) -> exit code``; it loads JAX only after it has read its
command line.
"""

from __future__ import annotations

import importlib
import sys
from typing import NamedTuple, NoReturn

from gan_jax.commands import interrupts
from gan_jax.errors import one_of


class Command(NamedTuple):
    """The module of a command and a short description."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "train": Command("gan_jax.commands.train", "train a GAN from a recipe"),
    "eval": Command("gan_jax.commands.eval", "score a trained GAN, write pictures and a report"),
    "runs": Command("gan_jax.commands.runs", "list the runs of a folder"),
    "compare": Command("gan_jax.commands.compare", "compare runs on one page"),
    "recipes": Command("gan_jax.commands.recipes", "list the recipes"),
    "recognizers": Command("gan_jax.commands.recognizers", "train a classifier on a dataset"),
    "enlarge": Command(
        "gan_jax.commands.enlarge", "add a GAN's images to a dataset; do they help?"
    ),
    "study": Command("gan_jax.commands.study", "run an experiment that answers a question"),
    "benchmark": Command("gan_jax.commands.benchmark", "measure training steps and kernels"),
}


def main() -> NoReturn:
    """``gan-jax``: runs the command named by the first argument."""
    interrupts.begin()
    from gan_jax import command_line

    name, *rest = sys.argv[1:] or ["--help"]
    with command_line.running("gan-jax"):
        if name in ("-h", "--help"):
            print(_help())
            sys.exit(0)
        if name == "--version":
            from gan_jax import __version__

            print(__version__)
            sys.exit(0)
        _run(one_of("command", name, COMMANDS), rest)


def start(name: str) -> NoReturn:
    """Runs a command with the arguments of this process, for the scripts at the top level."""
    interrupts.begin()
    _run(name, sys.argv[1:])


def _run(name: str, arguments: list[str]) -> NoReturn:
    try:
        code = importlib.import_module(COMMANDS[name].module).main(arguments)
    finally:
        interrupts.finish()
    sys.exit(code)


def _help() -> str:
    commands = "\n".join(f"  {name:12} {command.help}" for name, command in COMMANDS.items())
    return f"""usage: gan-jax COMMAND [OPTIONS]

Generative adversarial networks in JAX.

Commands:
{commands}

gan-jax COMMAND --help lists the options of a command; gan-jax --version prints the version."""
