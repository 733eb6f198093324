"""A run folder: everything that a run needs to be looked at, resumed, evaluated and repeated.

config.json      the config; of a population the one that its members share, its seeds and its
                 sweep
run.json         provenance of every start: versions, devices, revision, seed, command, first and
                 last step, peak memory, how it diverged; what its first state was made from, if not
                 from random numbers
metrics.jsonl    a line per log: step, seconds, images_per_second and every metric; a line per
                 event, which has the key "event"
members.jsonl    populations only: the metrics of every member
events.out.*     the same for TensorBoard, with the samples
samples/         step_XXXXXX.png; for a population step_XXXXXX_{best,median,worst}.png
checkpoints/     a folder per step
eval/            written by evaluations, in training (eval_every) or by eval.py
lock             who trains in it now, see `gan_jax.runs.lock`
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
from typing import Any

from gan_jax import checkpoint, files
from gan_jax.errors import ConfigError
from gan_jax.runs import events, logs
from gan_jax.runs import run as runs
from gan_jax.runs.lock import LOCK
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
    """Whether the folder holds this run, or one of fewer steps, to be resumed. Writes nothing.

    A run that was stopped before it had made anything is as good as none.

    Args:
      workdir: the run folder, which need not exist.
      run: what shall be trained in it.
      overwrite: whether another run may lie in it.
      origin: what the first state is made from; None where it is initialized.

    Raises:
      ConfigError: if the folder cannot be written, holds something else than a run, or (unless it
        shall be overwritten) a run of another config or from another first state, or a damaged one.
    """
    accepted = "accepted: a run folder, an empty folder or a new name."
    try:
        absolute = workdir.absolute()
        nearest = next(path for path in (absolute, *absolute.parents) if path.exists())
        if not nearest.is_dir():
            raise ConfigError(f"workdir: {nearest} is a file; {accepted}")
        if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"workdir: {nearest} cannot be written; {accepted}")
        if nearest != absolute or not any(path.name != LOCK for path in workdir.iterdir()):
            return False
    except OSError as error:
        raise ConfigError(
            f"workdir: {workdir} cannot be used ({error.strerror}); {accepted}"
        ) from error
    if not is_run(workdir):
        raise ConfigError(f"workdir: {workdir} holds something else than a run; {accepted}")
    if overwrite or not _worth_keeping(workdir):
        return False
    found = read(workdir)
    different = found.differences(run)
    if "steps" in different and run.config.steps > found.config.steps:
        different.remove("steps")
    if different:
        raise ConfigError(
            f"workdir: {workdir} holds a run that differs in {', '.join(different)}; "
            "accepted: the same config, of which steps alone may grow, another --workdir, or "
            "--overwrite to delete that run."
        )
    check_lines(workdir)
    _check_origin(workdir, origin)
    return True


def begin(workdir: pathlib.Path, run: Run, step: int, origin: dict[str, Any] | None = None) -> None:
    """Makes or cleans the folder for training from a step: notes this start, sets checkpoints aside
    that could not be restored.

    A new start (step 0) removes what a former run left, and nothing else that lies in the folder.

    Raises:
      ConfigError: if the folder cannot be written after all.
    """
    former = (starts(workdir) or []) if step else []
    config = _text(run.to_dict())
    present = provenance() | {"seed": run.config.seed, "config_sha256": _sha256(config.encode())}
    present |= {"step": step}
    _write(workdir / RUN, _starts(*former, present | ({"origin": origin} if origin else {})))
    try:
        if not step:
            _remove_results(workdir)
        checkpoint.set_aside(workdir / CHECKPOINTS, newest=step)
    except OSError as error:
        raise ConfigError(f"workdir: {workdir} cannot be written ({error.strerror}).") from error
    files.write(workdir / CONFIG, config)


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
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: corrupted, this is no JSON ({error}); train.py --overwrite starts anew."
        ) from error


def starts(workdir: pathlib.Path) -> list[dict[str, Any]] | None:
    """What run.json says of the starts so far; None where the folder is not a run's.

    Raises:
      ConfigError: where run.json is a run's, and damaged.
    """
    record = _record(workdir)
    if record is None:
        return None
    found = record.get("starts")
    if not isinstance(found, list) or not all(_is_start(start) for start in found):
        raise ConfigError(
            f"{workdir / RUN}: damaged, its starts are no objects with whole numbers as steps; "
            "accepted: the file as it was written, or train.py --overwrite."
        )
    return found


def check_lines(workdir: pathlib.Path) -> None:
    """Refuses damaged records of metrics; raises as `gan_jax.runs.logs.lines`."""
    for name in (METRICS, MEMBERS):
        logs.lines(workdir / name)


def begun_from(workdir: pathlib.Path) -> dict[str, Any]:
    """What the first state of a folder's run was made from; empty for random numbers."""
    return (starts(workdir) or [{}])[-1].get("origin") or {}


def _is_start(start: Any) -> bool:
    if not isinstance(start, dict) or not isinstance(start.get("origin", {}), dict):
        return False
    return all(type(start.get(name, 0)) is int for name in ("step", "end_step"))


def is_run(workdir: pathlib.Path) -> bool:
    """Whether a folder is a run's."""
    return _record(workdir) is not None


def _record(workdir: pathlib.Path) -> dict[str, Any] | None:
    """What run.json holds, if this program wrote it."""
    try:
        record = json.loads((workdir / RUN).read_text())
        return record if record["program"] == "gan_jax" else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _worth_keeping(workdir: pathlib.Path) -> bool:
    """Whether a run has made more than `begin` writes."""
    made = (path for name in (CHECKPOINTS, SAMPLES, EVAL) for path in (workdir / name).rglob("*"))
    lines = workdir / METRICS
    return any(path.is_file() for path in made) or (lines.exists() and lines.stat().st_size > 0)


def doubt(workdir: pathlib.Path) -> str | None:
    """A sentence on why config.json and run.json may not belong together; None where they do.

    Raises:
      ConfigError: as `starts`, and where there is no config.json.
    """
    found = starts(workdir)
    if not found:
        return f"{workdir / RUN} is missing or names no start: how this run was made is unknown"
    try:
        own = _sha256((workdir / CONFIG).read_bytes())
    except OSError as error:
        raise ConfigError(f"workdir: {workdir} has no readable {CONFIG}.") from error
    if found[-1].get("config_sha256", own) != own:
        return f"{workdir / CONFIG} is not the one that {RUN} was written for"
    return None


def picture(workdir: pathlib.Path, step: int, name: str = "") -> pathlib.Path:
    """Where the samples of a step are; ``name``: which of a population's members made them."""
    return workdir / SAMPLES / f"step_{step:06}{name and '_' + name}.png"


def kept(workdir: pathlib.Path) -> str:
    """What an ended run can go back to, as the end of a sentence."""
    steps = checkpoint.steps(workdir / CHECKPOINTS)
    if not steps:
        return "no checkpoint had been saved yet (--checkpoint-every sets how often)"
    return f"the last checkpoint is that of step {steps[-1]:,} in {workdir}"


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


def _check_origin(workdir: pathlib.Path, origin: dict[str, Any] | None) -> None:
    found = begun_from(workdir)
    if found != (origin or {}):
        words = lambda own: " ".join(f"{n} {v}" for n, v in own.items()) or "random numbers"
        raise ConfigError(
            f"workdir: {workdir} holds a run whose first state was made from {words(found)}, not "
            f"from {words(origin or {})}; accepted: the same first state, another workdir, or none "
            "of this name."
        )


def _starts(*starts: dict[str, Any]) -> dict[str, Any]:
    return {"program": "gan_jax", "starts": starts}


def _remove_results(workdir: pathlib.Path) -> None:
    made = [workdir / name for name in (SAMPLES, CHECKPOINTS, EVAL, METRICS, MEMBERS)]
    for path in [*made, *workdir.glob(events.PATTERN)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _write(path: pathlib.Path, values: dict[str, Any]) -> None:
    files.write(path, _text(values))


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
