"""A run folder: everything that a run needs to be looked at, resumed, evaluated and repeated.

config.json      the config; for a population the one that its members share, its seeds and its sweep
run.json         provenance of every start: versions, devices, revision, seed, command, last step,
                 peak memory
metrics.jsonl    a line per log: step, seconds, images_per_second and every metric; a line per
                 event, which has the key "event"
members.jsonl    populations only: the metrics of every member
events.out.*     the same for TensorBoard, with the samples
samples/         step_XXXXXX.png; for a population step_XXXXXX_{best,median,worst}.png
checkpoints/     a folder per step
eval/            written by evaluations, in training (eval_every) or by eval.py
"""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import jax

from gan_jax import sweeps
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config, differences, from_dict, to_dict
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.population import build_members, init_population
from gan_jax.engine.population import member as member_of
from gan_jax.errors import ConfigError
from gan_jax.sweeps import Population
from gan_jax.types import GanState, PyTree

CONFIG, RUN, METRICS, MEMBERS = "config.json", "run.json", "metrics.jsonl", "members.jsonl"
SAMPLES, CHECKPOINTS, EVAL = "samples", "checkpoints", "eval"
_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "tensorflow-datasets",
    "numpy",
    "gan_jax",
)


def check(
    workdir: pathlib.Path,
    config: Config,
    overwrite: bool = False,
    population: Population | None = None,
) -> bool:
    """Whether the folder holds a run of this config and population, to be resumed. Writes nothing.

    Raises:
      ConfigError: if the folder cannot be written, holds something else than a run, or (unless it
        shall be overwritten) a run of another config.
    """
    accepted = "accepted: a run folder, an empty folder or a new name."
    try:
        nearest = next(
            path for path in (workdir.absolute(), *workdir.absolute().parents) if path.exists()
        )
        if not nearest.is_dir():
            raise ConfigError(f"workdir: {nearest} is a file; {accepted}")
        if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"workdir: {nearest} cannot be written; {accepted}")
        if nearest != workdir.absolute() or not any(workdir.iterdir()):
            return False
    except OSError as error:
        raise ConfigError(
            f"workdir: {workdir} cannot be used ({error.strerror}); {accepted}"
        ) from error
    if _starts(workdir) is None:
        raise ConfigError(f"workdir: {workdir} holds something else than a run; {accepted}")
    if overwrite:
        return False
    different = differences(read_config(workdir), config)
    if read_population(workdir) != population:
        different.append("seeds or sweep")
    if different:
        raise ConfigError(
            f"workdir: {workdir} holds a run that differs in {', '.join(different)}; "
            "accepted: the same config, another --workdir, or --overwrite to delete that run."
        )
    return True


def begin(
    workdir: pathlib.Path, config: Config, step: int, population: Population | None = None
) -> None:
    """Makes or cleans the folder for training from a step: notes this start, sets checkpoints aside
    that could not be restored.

    A new start (step 0) removes what a former run left, and nothing else that lies in the folder.

    Raises:
      ConfigError: if the folder cannot be written after all.
    """
    from gan_jax import checkpoint

    starts = _starts(workdir) or [] if step else []
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        _write(
            workdir / RUN,
            {
                "program": "gan_jax",
                "starts": [*starts, provenance() | {"seed": config.seed, "step": step}],
            },
        )
        if not step:
            _remove_results(workdir)
        checkpoint.set_aside(workdir / CHECKPOINTS, newest=step)
        _write(
            workdir / CONFIG,
            to_dict(config) | ({"population": sweeps.to_dict(population)} if population else {}),
        )
    except OSError as error:
        raise ConfigError(f"workdir: {workdir} cannot be written ({error.strerror}).") from error


def end(workdir: pathlib.Path, **values: Any) -> None:
    """Notes how the present start ended."""
    *former, present = _starts(workdir) or [{}]
    _write(workdir / RUN, {"program": "gan_jax", "starts": [*former, present | values]})


def read_config(workdir: str | pathlib.Path) -> Config:
    """The config of a run.

    Raises:
      ConfigError: if there is none, or none that this version understands.
    """
    return _read(workdir)[0]


def read_population(workdir: str | pathlib.Path) -> Population | None:
    """The seeds and the sweep of a run; None for a single GAN. Raises as `read_config`."""
    return _read(workdir)[1]


def _read(workdir: str | pathlib.Path) -> tuple[Config, Population | None]:
    path = pathlib.Path(workdir) / CONFIG
    try:
        values = json.loads(path.read_text())
        population = values.pop("population", None) if isinstance(values, dict) else None
        return from_dict(values), population and sweeps.from_dict(population)
    except OSError as error:
        raise ConfigError(
            f"workdir: {path.parent} is no run folder; it has no readable {CONFIG}."
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValueError as error:
        raise ConfigError(
            f"{path}: corrupted, this is no JSON ({error}); train.py --overwrite starts anew."
        ) from error


def load(
    workdir: str | pathlib.Path, checkpoint: int | None = None, member: int | None = None
) -> tuple[Gan, GanState]:
    """The GAN of a run folder and its newest whole state, on the default device.

    Args:
      workdir: the run folder.
      checkpoint: the step of another checkpoint.
      member: the number of one of a population's GANs, from 0.

    Raises:
      ConfigError: if this is no run folder, the checkpoint is not there or damaged, or there is no
        such member.
    """
    configs, states = load_members(workdir, checkpoint)
    alone = read_population(workdir) is None
    if (member is None) != alone or not 0 <= (member or 0) < len(configs):
        accepted = "None, as it is a single GAN" if alone else f"0 to {len(configs) - 1}"
        raise ConfigError(f"member: {workdir} has no {member}; accepted: {accepted}.")
    return build(configs[member or 0]), states(member or 0)


def load_members(
    workdir: str | pathlib.Path, checkpoint: int | None = None
) -> tuple[tuple[Config, ...], Callable[[int], GanState]]:
    """The configs of all members of a run, and a function that gives the state of each by its
    number; a single GAN is its only member.

    Raises:
      ConfigError: as `load`.
    """
    workdir = pathlib.Path(workdir)
    config, population = _read(workdir)
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    state = restore(workdir, config, here, checkpoint, population)
    if state is None:
        raise ConfigError(f"workdir: {workdir} holds no checkpoint yet.")
    if population is None:
        return (config,), lambda _: state
    return population.members(config), functools.partial(member_of, state)


def restore(
    workdir: pathlib.Path,
    config: Config,
    placement: PyTree,
    step: int | None = None,
    population: Population | None = None,
) -> GanState | None:
    """The newest state that can be restored, with a warning where newer ones cannot; None where
    nothing was saved yet.

    Args:
      workdir, config, population: the run folder and what it is a run of.
      placement: where the arrays go: a sharding for all, or one for each leaf; that of the saved
        arrays does not matter.
      step: restore this one alone.

    Raises:
      ConfigError: if no checkpoint can be restored, or not the one asked for.
    """
    from gan_jax import checkpoint

    folder = workdir / CHECKPOINTS
    steps = checkpoint.steps(folder)
    if step is not None and step not in steps:
        accepted = ", ".join(map(str, steps)) or "none is there yet"
        raise ConfigError(f"checkpoint: {folder} has none of step {step}; accepted: {accepted}.")
    state = abstract_state(config, population)
    like = jax.tree.map(
        lambda a, sharding: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding),
        state,
        jax.tree.broadcast(placement, state),
    )
    damaged = []
    for candidate in reversed(steps) if step is None else [step]:
        try:
            state = checkpoint.restore(folder, candidate, like)
        except checkpoint.Damaged as error:
            damaged.append(f"{candidate} ({error})")
            continue
        if damaged:
            warnings.warn(
                f"{folder}: cannot be restored: {', '.join(damaged)}; going back to {candidate}.",
                stacklevel=2,
            )
        return state
    if damaged:
        raise ConfigError(
            f"{folder}: no checkpoint can be restored: {', '.join(damaged)}; train.py --overwrite starts anew."
        )
    return None


def abstract_state(config: Config, population: Population | None = None) -> GanState:
    """Shapes and dtypes of a run's state, without computing it."""
    if population is not None:
        gans = build_members(population.members(config))
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), len(gans)))
        return jax.eval_shape(functools.partial(init_population, gans), keys)
    gan = build(config)
    return jax.eval_shape(
        functools.partial(init_state, gan), jax.random.key(0), abstract_batch(config, gan.shape)
    )


def provenance() -> dict[str, Any]:
    """When, where and by what a result is made: time, command, versions, devices, git revision of
    this package.
    """
    devices = jax.devices()
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "platform": platform.platform(),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "processes": jax.process_count(),
        **_revision(),
    }


def forget_evaluations(workdir: pathlib.Path, newest: int) -> None:
    """Removes those of steps after ``newest``, which the run goes another way to, and tables and
    reports, which the next makes anew.
    """
    for path in (workdir / EVAL).rglob("step_*"):
        step = re.match(r"step_(\d+)", path.name)
        if step and int(step[1]) > newest:
            path.unlink(missing_ok=True)
    for pattern in ("scores*.csv", "report*.html"):
        for path in (workdir / EVAL).rglob(pattern):
            path.unlink(missing_ok=True)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _revision() -> dict[str, Any]:
    """The git revision of this package and whether files differ from it; nothing where it is not a
    git checkout's own.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(pathlib.Path(__file__).parent), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", pathlib.Path(__file__).name)
        return {
            "git_revision": git("rev-parse", "HEAD"),
            "git_dirty": bool(git("status", "--porcelain")),
        }
    except (OSError, subprocess.SubprocessError):
        return {"git_revision": None, "git_dirty": None}


def _starts(workdir: pathlib.Path) -> list[dict[str, Any]] | None:
    """What run.json says of the starts so far; None where the folder is not a run's."""
    try:
        run = json.loads((workdir / RUN).read_text())
        return list(run["starts"]) if run["program"] == "gan_jax" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove_results(workdir: pathlib.Path) -> None:
    for folder in (SAMPLES, CHECKPOINTS, EVAL):
        shutil.rmtree(workdir / folder, ignore_errors=True)
    for file in [workdir / METRICS, workdir / MEMBERS, *workdir.glob("events.out.tfevents.*")]:
        file.unlink(missing_ok=True)


def _write(path: pathlib.Path, values: dict[str, Any]) -> None:
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(json.dumps(values, indent=2) + "\n")
    os.replace(unfinished, path)
