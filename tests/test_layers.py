"""The layout: chapters import earlier chapters only, nothing imports itself, files stay small."""

import ast
import pathlib
import re
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
CHAPTERS = [
    ("errors", "types", "grammar", "framing", "config", "sweeps"),
    ("sound",),
    ("files", "pacing", "pictures", "vocabulary", "modality", "checkpoint", "command_line"),
    ("arguments",),
    ("recipes",), ("devices",), ("data",), ("nn",), ("parts",), ("models",), ("metrics",),
    ("engine",), ("recognizers",), ("build",), ("health",), ("latents",), ("runs",), ("sampling",),
    ("report",), ("evaluation",), ("training",), ("enlarging",), ("studies",), ("benchmarks",),
    ("commands",),
]  # fmt: skip
ORDER = {name: i for i, chapter in enumerate(CHAPTERS) for name in chapter}
FILES = sorted((ROOT / "gan_jax").rglob("*.py"))
LINES, FUNCTION = 400, 60


def parts(file):
    """``("engine", "gan")`` for gan_jax/engine/gan.py; a package is its own ``__init__``."""
    return tuple(
        p for p in file.relative_to(ROOT / "gan_jax").with_suffix("").parts if p != "__init__"
    )


MODULES = {parts(file): file for file in FILES}


def imports(file):
    """The modules of the package that a file imports, deferred imports included."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gan_jax":
            base = tuple(node.module.split(".")[1:])
            names = [(*base, a.name) if (*base, a.name) in MODULES else base for a in node.names]
        elif isinstance(node, ast.Import):
            names = [
                tuple(a.name.split(".")[1:]) for a in node.names if a.name.startswith("gan_jax.")
            ]
        yield from (name for name in names if name and name != parts(file))


def test_chapters_import_only_earlier_ones():
    wrong = [
        f"{'.'.join(own)} imports {'.'.join(name)}"
        for own, file in MODULES.items() if own and own[-1] != "__main__" for name in imports(file)
        if name[0] != own[0] and ORDER[name[0]] > ORDER[own[0]]
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_no_file_reaches_itself():
    graph = {own: {n for n in imports(file) if n in MODULES} for own, file in MODULES.items()}
    packages = {own for own in MODULES if MODULES[own].name == "__init__.py"}
    finished, path = set(), []

    def visit(own):
        assert own not in path, " -> ".join(".".join(p) for p in [*path[path.index(own) :], own])
        if own in finished:
            return
        path.append(own)
        for name in graph[own] - packages:
            visit(name)
        path.pop()
        finished.add(own)

    for own in graph:
        visit(own)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_rooms_are_small(file):
    text = file.read_text()
    assert len(text.splitlines()) <= LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < FUNCTION, f"{node.name} has more lines"


def test_all_that_is_imported_is_declared():
    """What a wheel needs is in pyproject.toml; what studies compare with need not be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", line)[0].lower() for line in project["dependencies"]}
    names = {
        "pil": "pillow",
        "orbax": "orbax-checkpoint",
        "sklearn": "scikit-learn",
        "absl": "absl-py",
    }
    optional = {"gan_jax", "torch", "numpy", "google"}  # of jax; protobuf, of TFDS
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in {m.partition(".")[0].lower() for m in modules}:
                module = names.get(module, module.replace("_", "-"))
                known = module.replace("-", "_") in {*sys.stdlib_module_names, *optional}
                assert known or module in declared, f"{file}: {module}"
