"""A population in the training loop: its lines, its pictures, and how failures are handled."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.build import abstract_batch, trace
from gan_jax.data import load, some
from gan_jax.devices import parallel
from gan_jax.engine.population import (
    finite_members,
    generate_members,
    init_population,
    members_mesh,
    shardings,
)
from gan_jax.errors import ConfigError
from gan_jax.runs import logs
from gan_jax.runs.folder import MEMBERS
from gan_jax.runs.run import Run
from gan_jax.training import diagnosing
from gan_jax.training.divergence import NotFinite
from gan_jax.training.stepping import Steps, population_stepper
from gan_jax.training.trainee import first_key
from gan_jax.types import Array, GanState

_REAL = 10_000
"""Number of training examples from which the moments of the dataset are computed."""


class Members:
    """The `gan_jax.training.trainee.Trainee` of a population. A member fails when a metric or a
    weight is not finite. It is marked and keeps running, without effect on the other members.

    ``members.jsonl`` in the run folder has three kinds of lines, each with its ``step``: the
    metrics, as lists of the members' values (null if a member has failed); ``moment_distance`` of
    all members' samples with the numbers of the best, median and worst member; and ``member`` and
    ``failed``, the number of a failed member and the reason.
    """

    def __init__(self, run: Run, fsdp: bool = False):
        if fsdp:
            raise ConfigError(
                "fsdp: a population distributes its members over the devices, not their weights; "
                "drop it."
            )
        if jax.process_count() > 1:
            raise ConfigError(
                f"num_processes: a population runs in one process, with all its devices, not in "
                f"{jax.process_count()}."
            )
        self._configs, self._gans, self._pictures = run.configs, run.gans, run.pictures
        self.gan, self.size = run.gan, len(run.gans)
        self._mesh = members_mesh(self.size)
        self.everywhere = parallel.replicated(self._mesh)
        trace(self.gan, self._configs[0])
        self.shardings = shardings(run.abstract_state(), self._mesh)
        self._failed: dict[int, int] = {}
        self._real: np.ndarray | None = None

    @property
    def failed(self) -> tuple[int, ...]:
        """Numbers of the members that have failed so far."""
        return tuple(sorted(self._failed))

    def init(self, returns: int = 0) -> GanState:
        keys = jnp.stack([first_key(config, returns) for config in self._configs])
        batch = abstract_batch(self._configs[0], self.gan.source)
        return jax.device_put(init_population(self._gans, keys, batch), self.shardings)

    def steps(self, start: int) -> Steps:
        return population_stepper(self.gan, self._configs, self._mesh)

    def diagnosis(self, steps: Steps) -> diagnosing.Diagnosis | None:
        return diagnosing.diagnosis_of_members(self.gan, self._configs[0], self._mesh, steps)

    def compile(self, state: GanState, latents: Array, labels: Array) -> None:
        generate_members.lower(self.gan, state, latents, labels).compile()
        finite_members.lower(state).compile()

    @contextlib.contextmanager
    def recording(self, workdir: pathlib.Path, step: int) -> Iterator[None]:
        """Writes ``members.jsonl``, and reads from it which members failed before the step at which
        the run resumes.
        """
        self._failed = {
            line["member"]: line["step"]
            for line in logs.lines(workdir / MEMBERS, step)
            if "member" in line
        }
        with contextlib.closing(logs.Lines(workdir / MEMBERS, step)) as self._record:
            yield

    def check(self, metrics: dict[str, np.ndarray], first: int, last: int) -> None:
        """Marks the members that failed in the steps from ``first`` to ``last``.

        Raises:
          NotFinite: if all members have failed.
        """
        for name, values in metrics.items():
            for i in np.flatnonzero(~np.isfinite(values)):
                self._fail(
                    int(i), last, f"{name} became {values[i]} between steps {first} and {last}"
                )
        self._check_left()

    def check_state(self, state: GanState, step: int) -> None:
        """Marks the members with a weight that is not finite; raises as `check`."""
        for i in np.flatnonzero(~np.asarray(finite_members(state))):
            self._fail(int(i), step, f"a weight became infinite or NaN by step {step}")
        self._check_left()

    def summary(self, step: int, metrics: dict[str, np.ndarray]) -> dict[str, float]:
        """Mean and standard deviation of each metric over the members that have not failed, and the
        number of failed members.
        """
        self._record.write(
            {"step": step} | {name: self._listed(values) for name, values in metrics.items()}
        )
        alive = [i for i in range(self.size) if i not in self._failed]
        means = {name: float(values[alive].mean()) for name, values in metrics.items()}
        spread = lambda values: float(values.std(ddof=1)) if len(values) > 1 else 0.0
        spreads = {f"{name}_std": spread(values[alive]) for name, values in metrics.items()}
        return means | spreads | {"failed": float(len(self._failed))}

    def images(self, state: GanState, latents: Array, labels: Array) -> dict[str, np.ndarray]:
        """Images of the best, the median and the worst member, among those that have not failed, by
        `moment_distance` to the training set.
        """
        images = np.asarray(jax.device_get(generate_members(self.gan, state, latents, labels)))
        if self._real is None:
            config = self._configs[0]
            real = some(load(config.dataset, config.split, config.framing).examples, _REAL)
            self._real = moments(np.asarray(self.gan.modality.to_network(real)))
        distances = np.array([moment_distance(moments(own), self._real) for own in images])
        alive = [i for i in range(self.size) if i not in self._failed]
        order = sorted(alive, key=lambda i: (not np.isfinite(distances[i]), distances[i]))
        ranked = order[0], order[(len(order) - 1) // 2], order[-1]
        shown = dict(zip(self._pictures, ranked, strict=True))
        self._record.write(
            {"step": int(state.step), "moment_distance": self._listed(distances), **shown}
        )
        return {name: images[i] for name, i in shown.items()}

    def _fail(self, i: int, step: int, how: str) -> None:
        if i not in self._failed:
            self._failed[i] = step
            self._record.write({"step": step, "member": i, "failed": how})

    def _check_left(self) -> None:
        if len(self._failed) == self.size:
            last = max(self._failed.values())
            raise NotFinite(f"all {self.size} members failed, the last one by step {last}", last)

    def _listed(self, values: np.ndarray) -> list[float | None]:
        return [
            None if i in self._failed or not np.isfinite(v) else float(v)
            for i, v in enumerate(values)
        ]


def moments(images: np.ndarray) -> np.ndarray:
    """Mean and standard deviation per element of examples ``[n, ...]``: ``[2, ...]`` float64."""
    return np.stack([images.mean(0, dtype=np.float64), images.std(0, dtype=np.float64)])


def moment_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The squared distance of two `moments`: the Fréchet distance of Gaussians with independent
    elements.

    It is cheap and reveals members that collapsed or diverged; `eval.py` measures quality.
    """
    return float(np.sum((a - b) ** 2))
