"""The model card of an exported GAN: usage, data, training and scores."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, NamedTuple

import jax

from gan_jax.config import Config
from gan_jax.data import describe
from gan_jax.engine.gan import Gan
from gan_jax.modality import Modality
from gan_jax.parts.priors import Codes, Normal, Nothing, Uniform
from gan_jax.report.scores import compared, protocols, score_rows
from gan_jax.runs import evaluations, model
from gan_jax.runs import folder as run_folder
from gan_jax.sampling.model import inputs
from gan_jax.types import Prior

CLASSES_SHOWN = 20


def model_card(workdir: Path, gan: Gan, config: Config, step: int) -> str:
    """The card of a run's state after a step, as Markdown, with the scores of its evaluation with
    default settings if there is one.
    """
    evaluation = evaluations.read(workdir / run_folder.EVAL).by_step.get(step)
    return (
        "\n\n".join(
            [
                f"# A GAN trained on {describe(config.dataset).name}",
                f"![Samples]({model.GRID})",
                _use(gan),
                _data(config),
                _training(workdir, config, step),
                _scores(evaluation),
                _licence(config),
            ]
        )
        + "\n"
    )


def _use(gan: Gan) -> str:
    columns = _columns(gan.prior)
    given = [_latents(columns)] if columns else []
    given += [f"labels [n] int32 in [0, {gan.num_classes})"] if gan.num_classes else []
    given += [_condition(gan)] if gan.condition is not None else []
    return f"""## Use

Run `pip install jax flatbuffers`, then, in this folder, on a CPU, GPU or TPU:

```python
import jax
from load import generate

{_example(columns, gan)}
```

- Inputs: {", ".join(given)}; any n.
- Output: {_output(gan.modality.represented)}.

With gan_jax, `gan, state = gan_jax.load(FOLDER)` loads both networks for sampling, evaluation or
further training. `generator.safetensors` holds the weights and `{model.PROGRAM}` the program
(StableHLO by jax.export, with a symbolic batch size)."""


class _Columns(NamedTuple):
    """Some columns of the latents: how many, their distribution, and code that draws 16 rows."""

    count: int
    text: str
    code: str


def _columns(prior: Prior) -> list[_Columns]:
    """The columns of the latents of a prior that a config names."""
    match prior:
        case Normal(size):
            code = f"jax.random.normal({{key}}, (16, {size}))"
            return [_Columns(size, "from N(0, 1)", code)]
        case Uniform(size):
            code = f"jax.random.uniform({{key}}, (16, {size}), minval=-1)"
            return [_Columns(size, "from the uniform distribution on [-1, 1]", code)]
        case Codes(size, categorical, continuous):
            draw = "jax.nn.one_hot(jax.random.randint({{key}}, 16, 0, {k}), {k})"
            one_hot = [_Columns(k, "of a one-hot code", draw.format(k=k)) for k in categorical]
            return [*_columns(Normal(size)), *one_hot, *_columns(Uniform(continuous))]
        case Nothing():
            return []
    raise TypeError(f"{prior} is not a prior that a config names")


def _latents(columns: list[_Columns]) -> str:
    each = [f"{own.count} {own.text}" for own in columns]
    text = columns[0].text if len(columns) == 1 else f"({', '.join(each)})"
    return f"latents [n, {sum(own.count for own in columns)}] float32 {text}"


def _condition(gan: Gan) -> str:
    """The condition as an exported G takes it, a pytree of arrays."""
    leaves = jax.tree.leaves_with_path(inputs(gan)[-1])
    each = [
        (jax.tree_util.keystr(path, simple=True), _array(a.shape[1:], a.dtype))
        for path, a in leaves
    ]
    text = ", ".join(f'"{key}": {array}' if key else array for key, array in each)
    text = f"{{{text}}}" if each[0][0] else text
    return f"{gan.condition.name} {text}{_bounds(gan.condition)}"


def _example(columns: list[_Columns], gan: Gan) -> str:
    draws = [own.code.format(key=f"jax.random.key({i})") for i, own in enumerate(columns)]
    lines = []
    if len(draws) > 1:
        lines = ["latents = jax.numpy.concatenate([", *(f"    {d}," for d in draws), "], axis=1)"]
        draws = ["latents"]
    if gan.num_classes:
        draws.append(f"jax.numpy.arange(16) % {gan.num_classes}")
    if gan.condition is not None:
        zeros = lambda a: f"jax.numpy.zeros((16, {_sizes(a.shape[1:])}), {str(a.dtype)!r})"
        code = str(jax.tree.map(zeros, inputs(gan)[-1])).replace('"', "")
        lines.append(f"condition = {code}  # yours, as described below")
        draws.append("condition")
    return "\n".join([*lines, f"examples = generate({', '.join(draws)})"])


def _output(modality: Modality) -> str:
    return f"{modality.name} {_array(modality.shape, 'float32')}{_bounds(modality)}"


def _array(shape: tuple[int, ...], dtype: Any) -> str:
    return f"[n, {_sizes(shape)}] {dtype}"


def _sizes(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _bounds(modality: Modality) -> str:
    return " in [-1, 1]" if modality.bounded else ""


def _data(config: Config) -> str:
    about = describe(config.dataset)
    rows = [
        ("dataset", f"{about.name} {about.version}"),
        ("split", config.split),
        ("examples", f"{about.modality}, {_number(about.splits.get(config.split))} in the split"),
        ("classes", _classes(about.class_names)),
    ]
    return "## Data\n\n" + _table(("", ""), rows)


def _number(count: int | None) -> str:
    return "unknown number" if count is None else f"{count:,}"


def _classes(names: tuple[str, ...]) -> str:
    more = f", ... ({len(names)} in total)" if len(names) > CLASSES_SHOWN else ""
    return ", ".join(names[:CLASSES_SHOWN]) + more if names else "none"


def _training(workdir: Path, config: Config, step: int) -> str:
    starts = run_folder.starts(workdir) or [{}]
    command = starts[-1].get("command")
    text = f"""## Training

The GAN was trained for {step:,} of {config.steps:,} steps with batch size {config.batch_size} and
seed {config.seed}: generator {config.generator}, discriminator {config.discriminator}, loss
{config.loss}. `{model.MODEL}` holds the full configuration, the versions and the revision."""
    return f"{text}\n\n```bash\n{shlex.join(map(str, command))}\n```" if command else text


def _scores(evaluation: dict[str, Any] | None) -> str:
    if evaluation is None:
        return "## Scores\n\nThis step was not evaluated before the export."
    cell = lambda value, within: f"{value} ({within})" if within else value
    rows = [
        (row.title, cell(*row.sample), cell(*row.real) if row.real else "")
        for row in score_rows(evaluation)
    ]
    rows += [(f"{title}, {name}", cell(*own), "") for name, title, own in protocols(evaluation)]
    notes = [f"- {label}: {text}" for label, text in compared(evaluation)]
    header = ("score (95% interval)", "samples", "real examples")
    return "## Scores\n\n" + _table(header, rows) + "\n\n" + "\n".join(notes)


def _licence(config: Config) -> str:
    return f"""## Licence

The program, the loader and this card were written by gan_jax (Apache-2.0). The weights were trained
on {describe(config.dataset).name}, whose terms also apply to them; if you publish them, state their
licence here."""


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    line = lambda cells: "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])
