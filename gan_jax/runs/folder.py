"""A run folder: everything that a run needs to be looked at, resumed, evaluated and repeated.

config.json      the config; of a population the one that its members share, its seeds and its
                 sweep
run.json         provenance of every start: versions, devices, revision, seed, command, first and
                 last step, peak memory; of a later stage what its first state was made from
metrics.jsonl    a line per log: step, seconds, images_per_second and every metric; a line per
                 event, which has the key "event"
members.jsonl    populations only: the metrics of every member
events.out.*     the same for TensorBoard, with the samples
samples/         step_XXXXXX.png; for a population step_XXXXXX_{best,median,worst}.png
checkpoints/     a folder per step
eval/            written by evaluations, in training (eval_every) or by eval.py
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
from typing import Any

from gan_jax import checkpoint, files
from gan_jax.errors import ConfigError
from gan_jax.runs import run as runs
from gan_jax.runs.provenance import provenance
from gan_jax.runs.run import Run

CONFIG, RUN, METRICS, MEMBERS = "config.json", "run.json", "metrics.jsonl", "members.jsonl"
SAMPLES, CHECKPOINTS, EVAL = "samples", "checkpoints", "eval"


def check(
    workdir: pathlib.Path,
    run: Run,
    overwrite: bool = False,
    origin: dict[str, Any] | None = None,
) -> bool:
    """Whether the folder holds this run, to be resumed. Writes nothing.

    Args:
      workdir: the run folder, which need not exist.
      run: what shall be trained in it.
      overwrite: whether another run may lie in it.
      origin: what the first state is made from; None where it is initialized.

    Raises:
      ConfigError: if the folder cannot be written, holds something else than a run, or (unless it
        shall be overwritten) a run of another config or from another first state.
    """
    accepted = "accepted: a run folder, an empty folder or a new name."
    try:
        absolute = workdir.absolute()
        nearest = next(path for path in (absolute, *absolute.parents) if path.exists())
        if not nearest.is_dir():
            raise ConfigError(f"workdir: {nearest} is a file; {accepted}")
        if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"workdir: {nearest} cannot be written; {accepted}")
        if nearest != absolute or not any(workdir.iterdir()):
            return False
    except OSError as error:
        raise ConfigError(
            f"workdir: {workdir} cannot be used ({error.strerror}); {accepted}"
        ) from error
    former = starts(workdir)
    if former is None:
        raise ConfigError(f"workdir: {workdir} holds something else than a run; {accepted}")
    if overwrite:
        return False
    found = read(workdir)
    if different := found.differences(run):
        raise ConfigError(
            f"workdir: {workdir} holds a run that differs in {', '.join(different)}; "
            "accepted: the same config, another --workdir, or --overwrite to delete that run."
        )
    _check_origin(workdir, former, origin)
    return True


def begin(workdir: pathlib.Path, run: Run, step: int, origin: dict[str, Any] | None = None) -> None:
    """Makes or cleans the folder for training from a step: notes this start, sets checkpoints aside
    that could not be restored.

    A new start (step 0) removes what a former run left, and nothing else that lies in the folder.

    Raises:
      ConfigError: if the folder cannot be written after all.
    """
    former = (starts(workdir) or []) if step else []
    present = provenance() | {"seed": run.config.seed, "step": step}
    _write(workdir / RUN, _starts(*former, present | ({"origin": origin} if origin else {})))
    try:
        if not step:
            _remove_results(workdir)
        checkpoint.set_aside(workdir / CHECKPOINTS, newest=step)
    except OSError as error:
        raise ConfigError(f"workdir: {workdir} cannot be written ({error.strerror}).") from error
    _write(workdir / CONFIG, run.to_dict())


def end(workdir: pathlib.Path, **values: Any) -> None:
    """Notes how the present start ended."""
    *former, present = starts(workdir) or [{}]
    _write(workdir / RUN, _starts(*former, present | values))


def read(workdir: str | pathlib.Path) -> Run:
    """The run of a folder.

    Raises:
      ConfigError: if it is no run folder, or its config is not one that this version understands.
    """
    path = pathlib.Path(workdir) / CONFIG
    try:
        return runs.from_dict(json.loads(path.read_text()))
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


def starts(workdir: pathlib.Path) -> list[dict[str, Any]] | None:
    """What run.json says of the starts so far; None where the folder is not a run's."""
    try:
        run = json.loads((workdir / RUN).read_text())
        return list(run["starts"]) if run["program"] == "gan_jax" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def picture(workdir: pathlib.Path, step: int, name: str = "") -> pathlib.Path:
    """Where the samples of a step are; ``name``: which of a population's members made them."""
    return workdir / SAMPLES / f"step_{step:06}{name and '_' + name}.png"


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


def _check_origin(
    workdir: pathlib.Path, former: list[dict[str, Any]], origin: dict[str, Any] | None
) -> None:
    found = former[-1].get("origin") if former else None
    if found != origin:
        words = lambda own: " ".join(f"{name} {value}" for name, value in (own or {}).items())
        raise ConfigError(
            f"workdir: {workdir} holds a run whose first state was made from "
            f"{words(found) or 'random numbers'}, not from {words(origin) or 'random numbers'}; "
            "accepted: the same first state, another workdir, or none of this name."
        )


def _starts(*starts: dict[str, Any]) -> dict[str, Any]:
    return {"program": "gan_jax", "starts": starts}


def _remove_results(workdir: pathlib.Path) -> None:
    for folder in (SAMPLES, CHECKPOINTS, EVAL):
        shutil.rmtree(workdir / folder, ignore_errors=True)
    for file in [workdir / METRICS, workdir / MEMBERS, *workdir.glob("events.out.tfevents.*")]:
        file.unlink(missing_ok=True)


def _write(path: pathlib.Path, values: dict[str, Any]) -> None:
    files.write(path, json.dumps(values, indent=2) + "\n")
