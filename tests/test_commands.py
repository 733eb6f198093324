"""The commands as a whole: fast to their first word, stopped at any moment, called by any name."""

import ast
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys

import pytest

import gan_jax
from gan_jax import command_line, recognizers
from gan_jax.commands import COMMANDS, parts, recipes, starting, study, train
from gan_jax.config import Config, Penalty, to_dict
from gan_jax.errors import ConfigError, fits_memory
from gan_jax.recipes import RECIPES
from gan_jax.studies import command as study_command
from gan_jax.sweeps import Population

ROOT = pathlib.Path(__file__).parent.parent
HEAVY = ("jax", "flax", "scipy", "orbax", "tensorflow_datasets", "matplotlib")
HELP = f"""
import importlib, sys
from gan_jax.commands import COMMANDS
from gan_jax.commands.study import STUDIES
import gan_jax
for name, *rest in [[name] for name in COMMANDS] + [["study", name] for name in STUDIES]:
    try:
        importlib.import_module(COMMANDS[name].module).main([*rest, "--help"])
    except SystemExit as end:
        assert not end.code, name
importlib.import_module(COMMANDS["recipes"].module).main([])
loaded = [name for name in {HEAVY} if name in sys.modules]
assert not loaded, loaded
"""


def python(program, **options):
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def test_help_needs_no_jax():
    process = python(HELP)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "--batch-size N" in out and "--checkpoint" in out and "STR" not in out


def imports_of(package):
    """The module of each name that a package declares for type checkers."""
    tree = ast.parse(pathlib.Path(package.__file__).read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        name.name: node.module.removeprefix(f"{package.__name__}.")
        for node in checked.body for name in node.names
    }  # fmt: skip


def test_names_of_recognizers_are_loaded_on_first_use():
    assert imports_of(recognizers) == recognizers._PLACES
    assert sorted(recognizers._PLACES) == sorted(recognizers.__all__)
    for name in recognizers.__all__:
        assert getattr(recognizers, name)
    with pytest.raises(AttributeError, match="no attribute 'recogniser'"):
        _ = recognizers.recogniser


def test_public_names_are_loaded_on_first_use():
    import gan_jax.build  # the module does not take the function's place

    imports = imports_of(gan_jax)
    assert sorted(imports) == sorted(gan_jax.__all__)
    assert imports.pop("latents") == "gan_jax" and gan_jax.latents.slerp  # a chapter
    assert imports == gan_jax._PLACES
    for name in imports:
        assert callable(getattr(gan_jax, name)), name
    assert set(gan_jax.__all__) <= set(dir(gan_jax))
    with pytest.raises(AttributeError, match="no attribute 'bild'"):
        _ = gan_jax.bild


def test_the_table_of_parts_is_up_to_date():
    assert parts.known() == parts.registered(), "run: python -m gan_jax.commands.parts"
    text = parts.listing()
    for names in parts.known().values():
        for options in names.values():
            assert all(option in text for option in options)


def test_every_command_and_study_is_there(capsys):
    for command in COMMANDS.values():
        assert ROOT.joinpath(*command.module.split(".")).with_suffix(".py").exists()
    assert study.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in study.STUDIES:
        assert name in out and (ROOT / "gan_jax" / "studies" / f"{name}.py").exists()


def test_recipes_are_listed(capsys):
    assert recipes.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(RECIPES)
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    "program, calls",
    [
        ("/usr/bin/gan-jax", ["gan-jax train", "gan-jax study"]),
        ("train.py", ["uv run train.py", "uv run gan-jax study"]),
        ("/x/gan_jax/__main__.py", ["python -m gan_jax train", "python -m gan_jax study"]),
        ("ipykernel_launcher.py", ["gan-jax train", "gan-jax study"]),
    ],
)
def test_messages_name_commands_as_the_user_calls_them(monkeypatch, program, calls):
    monkeypatch.setattr(sys, "argv", [program, "--steps", "5"])
    assert [command_line.called("train"), command_line.called("study")] == calls


def dispatched(*arguments):
    command = [sys.executable, "-m", "gan_jax", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_an_unknown_command_is_refused():
    found = dispatched("trian")
    assert found.returncode == 2 and found.stdout == ""
    assert found.stderr.startswith("gan-jax: command 'trian' is unknown; did you mean 'train'?")
    assert found.stderr.count("\n") == 1


def test_a_recipe_may_follow_the_options():
    options, config = train.parse(shlex.split("--steps 5 mnist_mlp"))
    assert config.dataset == "mnist" and config.steps == 5
    assert options.workdir == pathlib.Path("runs/mnist_mlp")
    with pytest.raises(ConfigError, match="unexpected argument 'mnist_mlp'"):
        train.parse(["--joint", "mnist_mlp"])
    assert train.parse(["--workdir", "mnist_mlp"])[0].workdir == pathlib.Path("mnist_mlp")


def test_a_run_goes_on_from_its_config_file(tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    file = folder / "config.json"
    config = Config(steps=7, penalties=(Penalty("r1", 2.0),))
    sweep = (("g_optimizer.lr", (1e-4, 2e-4)),)
    values = to_dict(config) | {"population": {"seeds": 3, "sweep": {sweep[0][0]: sweep[0][1]}}}
    file.write_text(json.dumps(values))
    options, found = train.parse(["--config", str(file), "--steps", "9", "--seeds", "2"])
    assert found == gan_jax.Config(steps=9, penalties=(Penalty("r1", 2.0),))
    assert (options.workdir, options.seeds) == (pathlib.Path("runs/first"), 2)
    assert options.sweep == ("g_optimizer.lr=0.0001,0.0002",)
    assert starting.read(file) == starting.Start("first", config, Population(3, sweep))
    first_version = {"dataset": "digits", "penalties": [{"name": "gp", "weight": 1.0, "every": 1,
                     "numbers": {"target": 0.0}}]}  # fmt: skip
    file.write_text(json.dumps(first_version))
    assert train.parse([f"--config={file}"])[1].penalties == (Penalty("gp", 1.0, target=0.0),)
    for text, words in [
        ("{", "cannot read"),
        ("[" * 100_000, "cannot read"),
        ("[]", "must be a JSON object"),
        ('{"stepz": 1}', "did you mean 'steps'"),
    ]:
        file.write_text(text)
        with pytest.raises(ConfigError, match=words):
            train.parse(["--config", str(file)])


def test_sizes_beyond_memory_are_refused():
    fits_memory("seeds", "2 GANs", 1e6)
    with pytest.raises(ConfigError, match=r"^seeds: 9 GANs would need 9,313,226 GiB of memory; "):
        fits_memory("seeds", "9 GANs", 1e16)


@pytest.mark.parametrize(
    "error, code, line",
    [
        (None, 0, ""),
        (KeyboardInterrupt(), 130, "\nStopped; the same command continues where it was.\n"),
        (FloatingPointError("a weight became NaN by step 2"), 1,
         "few_images: a GAN diverged: a weight became NaN by step 2; earlier results are in f.\n"),
    ],
)  # fmt: skip
def test_a_study_ends_with_an_exit_code_and_a_line(capsys, error, code, line):
    class Study:
        folder = pathlib.Path("f")

        def run(self):
            if error:
                raise error

    assert study_command.run("few_images", Study(), "where it was") == code
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_that_jax_is_being_loaded(monkeypatch, capsys, terminal):
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    command_line.loading()
    assert capsys.readouterr().err == "Loading JAX ...\n" * terminal


STARTING = """
import time
from gan_jax.commands import interrupts
interrupts.begin()
print("ready", flush=True)
time.sleep(60)
"""
DEAF = """
import time
from gan_jax.commands import interrupts
interrupts.begin()
interrupts.PATIENCE = 0.1
with interrupts.ends_with("Stopped; all is kept."):
    print("ready", flush=True)
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass
"""


CONVERTED = """
import time
from gan_jax.commands import interrupts
interrupts.begin()
with interrupts.ends_with("Stopped; all is kept."):
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt as error:
        raise ImportError("an extension") from error
"""


@pytest.mark.parametrize(
    "program, line",
    [
        (STARTING, "Stopped before anything was written.\n"),
        (DEAF, "Stopped; all is kept.\n"),
        (CONVERTED, "Stopped; all is kept.\n"),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_one_line(program, line, number):
    process = python(program)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", line)


@pytest.mark.parametrize("call, code", [("recipes.main([])", 141), ("train.main(['--help'])", 0)])
def test_a_closed_pipe_ends_quietly(call, code):
    read, write = os.pipe()
    os.close(read)
    program = f"import sys; from gan_jax.commands import recipes, train; sys.exit({call})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (code, b"")
