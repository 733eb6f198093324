"""A run folder: everything needed to inspect, resume, evaluate and repeat a run.

config.json      the config; for a population the shared config, the seeds and the sweep
run.json         provenance of every start: versions, devices, revision, seed, command, first and
                 last step, CPU time and peak memory of the process, divergence; the origin of the
                 first state, unless it was initialized randomly
metrics.jsonl    one line per log: step, seconds, images_per_second and every metric; one line per
                 event, which has the key "event"
members.jsonl    populations only: the metrics of every member
events.out.*     the same for TensorBoard, with the samples
samples/         step_XXXXXX.png; for a population step_XXXXXX_{best,median,worst}.png; for sounds
                 also step_XXXXXX_CLASS.wav, the samples of a class one after another; for texts
                 also step_XXXXXX.txt, with a line for each sample
checkpoints/     one folder per step
eval/            written by evaluations, during training (eval_every) or by eval.py
lock             the process that trains in it, see `gan_jax.runs.lock`
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
from gan_jax.config import FILE
from gan_jax.errors import ConfigError
from gan_jax.runs import events, logs
from gan_jax.runs import run as runs
from gan_jax.runs.lock import LOCK
from gan_jax.runs.provenance import provenance
from gan_jax.runs.run import Run

CONFIG, RUN, METRICS, MEMBERS = FILE, "run.json", "metrics.jsonl", "members.jsonl"
SAMPLES, CHECKPOINTS, EVAL = "samples", checkpoint.FOLDER, "eval"


def check(
    workdir: pathlib.Path,
    run: Run,
    overwrite: bool = False,
    origin: dict[str, Any] | None = None,
) -> bool:
    """Whether the folder contains this run, possibly with fewer steps, to resume. Writes nothing.

    A run that was stopped before its first output counts as absent.

    Args:
      workdir: the run folder, which need not exist.
      run: the run to train in it.
      overwrite: whether another run in it may be deleted.
      origin: the origin of the first state; None if it is initialized randomly.

    Raises:
      ConfigError: if the folder cannot be written, contains something other than a run, or (unless
        it may be overwritten) a run with another config or another first state, or a damaged run.
    """
    use = "use a run folder, an empty folder or a new name."
    try:
        absolute = workdir.absolute()
        nearest = next(path for path in (absolute, *absolute.parents) if path.exists())
        if not nearest.is_dir():
            raise ConfigError(f"workdir: {nearest} is a file; {use}")
        if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"workdir: {nearest} cannot be written; {use}")
        if nearest != absolute or not any(path.name != LOCK for path in workdir.iterdir()):
            return False
    except OSError as error:
        raise ConfigError(f"workdir: {workdir} cannot be used ({error.strerror}); {use}") from error
    if not is_run(workdir):
        raise ConfigError(f"workdir: {workdir} is not empty and not a run folder; {use}")
    if overwrite or not _worth_keeping(workdir):
        return False
    found = read(workdir)
    different = found.differences(run)
    if "steps" in different and run.config.steps > found.config.steps:
        different.remove("steps")
    if different:
        raise ConfigError(
            f"workdir: cannot resume {workdir}, because these settings changed: "
            f"{', '.join(different)}; restore them (only steps may grow), use another --workdir, "
            "or delete that run with --overwrite."
        )
    check_lines(workdir)
    _check_origin(workdir, origin)
    return True


def begin(workdir: pathlib.Path, run: Run, step: int, origin: dict[str, Any] | None = None) -> None:
    """Creates or cleans the folder for training from a step: records this start, and sets aside
    checkpoints that could not be restored.

    A new start (step 0) removes the files of a former run and no other files in the folder.

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
    """Records how the current start ended."""
    *former, present = starts(workdir) or [{}]
    _write(workdir / RUN, _starts(*former, present | values))


def read(workdir: str | pathlib.Path) -> Run:
    """The run of a folder.

    Raises:
      ConfigError: if it is not a run folder, or this version cannot read its config.
    """
    path = pathlib.Path(workdir) / CONFIG
    try:
        return runs.from_dict(json.loads(path.read_text()))
    except OSError as error:
        raise ConfigError(
            f"workdir: {path.parent} is not a run folder; it has no readable {CONFIG}."
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is corrupted: it is not JSON ({error}); train.py --overwrite starts over."
        ) from error


def starts(workdir: pathlib.Path) -> list[dict[str, Any]] | None:
    """The starts recorded in run.json; None if the folder is not a run folder.

    Raises:
      ConfigError: if run.json belongs to a run but is damaged.
    """
    record = _record(workdir)
    if record is None:
        return None
    found = record.get("starts")
    if not isinstance(found, list) or not all(_is_start(start) for start in found):
        raise ConfigError(
            f"{workdir / RUN} is damaged: its starts must be objects with integer steps; restore "
            "the original file or use train.py --overwrite."
        )
    return found


def check_lines(workdir: pathlib.Path) -> None:
    """Refuses damaged records of metrics; raises as `gan_jax.runs.logs.lines`."""
    for name in (METRICS, MEMBERS):
        logs.lines(workdir / name)


def begun_from(workdir: pathlib.Path) -> dict[str, Any]:
    """The origin of the first state of a folder's run; empty if it was initialized randomly."""
    return (starts(workdir) or [{}])[-1].get("origin") or {}


def _is_start(start: Any) -> bool:
    if not isinstance(start, dict) or not isinstance(start.get("origin", {}), dict):
        return False
    return all(type(start.get(name, 0)) is int for name in ("step", "end_step"))


def is_run(workdir: pathlib.Path) -> bool:
    """Whether a folder is a run folder."""
    return _record(workdir) is not None


def _record(workdir: pathlib.Path) -> dict[str, Any] | None:
    """The content of run.json, if this program wrote it."""
    try:
        record = json.loads((workdir / RUN).read_text())
        return record if record["program"] == "gan_jax" else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _worth_keeping(workdir: pathlib.Path) -> bool:
    """Whether a run has written more than `begin` does."""
    made = (path for name in (CHECKPOINTS, SAMPLES, EVAL) for path in (workdir / name).rglob("*"))
    lines = workdir / METRICS
    return any(path.is_file() for path in made) or (lines.exists() and lines.stat().st_size > 0)


def doubt(workdir: pathlib.Path) -> str | None:
    """A sentence on why config.json and run.json may not belong together; None if they do.

    Raises:
      ConfigError: as `starts`, and if there is no config.json.
    """
    found = starts(workdir)
    if not found:
        return f"{workdir / RUN} is missing or lists no start: it is unknown how this run was made"
    try:
        own = _sha256((workdir / CONFIG).read_bytes())
    except OSError as error:
        raise ConfigError(f"workdir: {workdir} has no readable {CONFIG}.") from error
    if found[-1].get("config_sha256", own) != own:
        return f"{workdir / CONFIG} is not the one that {RUN} was written for"
    return None


def picture(workdir: pathlib.Path, step: int, name: str = "") -> pathlib.Path:
    """The path of the samples of a step; ``name`` is the rank of a population's member."""
    return workdir / SAMPLES / f"step_{step:06}{name and '_' + name}.png"


def kept(workdir: pathlib.Path) -> str:
    """The checkpoint from which an ended run can resume, as the end of a sentence."""
    steps = checkpoint.steps(workdir / CHECKPOINTS)
    if not steps:
        return "no checkpoint had been saved yet (--checkpoint-every sets how often)"
    return f"the last checkpoint in {workdir} is at step {steps[-1]:,}"


def forget_evaluations(workdir: pathlib.Path, newest: int) -> None:
    """Removes evaluations of steps after ``newest``, which no longer belong to the run, and tables
    and reports, which the next evaluation writes again.
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
            f"workdir: the run in {workdir} started from {words(found)}, not from "
            f"{words(origin or {})}; start from the same, use another workdir, or delete that run."
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
