"""The study of texts: trains the generators that are missing, scores them, writes the table."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json

from gan_jax.build import build, trace
from gan_jax.data import describe
from gan_jax.errors import ConfigError
from gan_jax.evaluation.settings import Settings
from gan_jax.evaluation.text_evaluator import ORDERS, SHOWN, drawn
from gan_jax.evaluation.texts import OfDataset, of_dataset
from gan_jax.files import write
from gan_jax.metrics.texts import ladder, text_scores
from gan_jax.runs import lines
from gan_jax.runs.lines import Lines
from gan_jax.runs.restore import load
from gan_jax.sampling.temperature import NAME as TEMPERATURE
from gan_jax.studies import text_report as report
from gan_jax.studies.text_methods import METHODS
from gan_jax.studies.text_options import Options
from gan_jax.training.loop import train

LADDER = "ladder.json"
"""The scores of the samplers that count, and of real texts."""


class Study:
    """Its results so far, in ``folder``.

    Raises:
      ConfigError: for a data set of other examples, or a folder of other results.
    """

    def __init__(self, options: Options, methods: tuple[str, ...]):
        self.options, self.methods, self.folder = options, methods, options.folder
        about = describe(options.dataset)
        if about.modality.name != "texts":
            raise ConfigError(f"dataset {options.dataset!r} must contain texts.")
        data = {name: getattr(options, name) for name in ("dataset", "tokens", "field")}
        data["conditioning"] = "projection" if about.num_classes else "none"
        self.configs = {name: METHODS[name].config(data, options.steps) for name in methods}
        for config in self.configs.values():
            trace(build(config), config)
        lines.check(self.folder)
        kept = dataclasses.asdict(options)
        for name in ("workdir", "methods", "seeds"):  # these may grow
            del kept[name]
        self.lines = Lines(self.folder, kept)

    def run(self) -> None:
        """Trains and scores what is missing, then writes the table."""
        for name, seed in itertools.product(self.methods, range(self.options.seeds)):
            missing = [t for t in self._temperatures(name) if not self._has(name, seed, t)]
            if missing:
                self._cell(name, seed, missing)
        text = report.as_markdown(self.lines.lines, self._ladder, self._about())
        write(self.folder / "results.md", text)
        report.draw(self.lines.lines, self._ladder, self.folder / "results.png")
        print(f"{text}\nwritten: {self.folder}: results.md, results.png")

    @functools.cached_property
    def _found(self) -> OfDataset:
        return of_dataset(next(iter(self.configs.values())))

    @functools.cached_property
    def _ladder(self) -> dict[str, dict[str, float]]:
        """By the name of the sampler, and ``real``."""
        path = self.folder / LADDER
        if not path.exists():
            found, n = self._found, self.options.samples
            rungs = ladder(found.real, found.texts[:n], ORDERS, n)
            plain = {
                rung: {name: own.value for name, own in scores.items()}
                for rung, scores in rungs.items()
            }
            write(path, json.dumps(plain, indent=2) + "\n")
        return json.loads(path.read_text())

    def _temperatures(self, name: str) -> tuple[float, ...]:
        """Those at which the samples of a method are scored."""
        numbers = build(self.configs[name]).generator.numbers or {}
        return self.options.temperatures if TEMPERATURE in numbers else (1.0,)

    def _has(self, name: str, seed: int, temperature: float) -> bool:
        cell = name, seed, temperature
        lines = self.lines.lines
        return any((x["method"], x["seed"], x["temperature"]) == cell for x in lines)

    def _cell(self, name: str, seed: int, temperatures: list[float]) -> None:
        """Trains a generator and scores it at the temperatures."""
        config = dataclasses.replace(self.configs[name], seed=seed)
        folder = self.folder / name / str(seed)
        print(f"{name}, seed {seed}: {METHODS[name].title}", flush=True)
        outcome = train(config, folder)
        if outcome.step < config.steps:
            raise KeyboardInterrupt
        gan, state = load(folder)
        for temperature in temperatures:
            # 1 is that of the training, and the only one of a generator without a temperature.
            other = None if temperature == 1 else temperature
            settings = Settings(self.options.samples, seed, temperature=other)
            samples, labels = drawn(gan, state, config, settings)
            scores = text_scores(samples, self._found.real, labels)
            values = {score: own.value for score, own in scores.items()}
            about = {"method": name, "seed": seed, "temperature": temperature}
            if not seed:
                texts = self._found.vocabulary.texts(samples[:SHOWN])
                path = self.folder / "texts" / f"{name}_{temperature:g}.txt"
                write(path, "\n".join(texts) + "\n")
            self.lines.add(about | {"seconds": round(outcome.seconds, 1)} | values)
            print(report.described(self.lines.lines[-1]), flush=True)

    def _about(self) -> str:
        options, real = self.options, self._found.real
        return (
            f"{options.dataset}: {len(real.training):,} training and {len(real.held_out):,} "
            f"held-out texts; {options.steps:,} steps of {self._batch} texts, "
            f"{options.samples:,} samples; means with 95% intervals over the seeds."
        )

    @property
    def _batch(self) -> int:
        return next(iter(self.configs.values())).batch_size
