"""How well does a vocoder make sounds from log-mel spectrograms, compared with Griffin-Lim?

  uv run train.py spoken_digit_vocoder
  uv run gan-jax study vocoder runs/spoken_digit_vocoder

Computes sounds from the spectrograms of held-out clips: from log-mel spectrograms by each vocoder,
and by Griffin-Lim with a pseudo-inverse of the mel bands; and, as a reference that knows more, from
the magnitudes of all frequencies by Griffin-Lim. Prints and writes a table of

  convergence   the distance of the magnitudes to those of the clip, relative to their norm
  log-mel L1    the mean distance of the log-mel spectrograms
  recognized    the share that a recognizer of the dataset recognizes as the class of the clip
  s per s       the time that a second of sound takes, without compilation

with 95% intervals over the clips, and WAV files in which the same clips follow one another.
Griffin-Lim begins with phases of 0 and has the momentum 0.9.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gan_jax import arguments, command_line
from gan_jax.errors import ConfigError, at_least
from gan_jax.files import check_folder, replacing
from gan_jax.studies import command

if TYPE_CHECKING:
    from gan_jax.data import Dataset
    from gan_jax.engine.gan import Gan
    from gan_jax.metrics import Estimate
    from gan_jax.modality import Sounds
    from gan_jax.recognizers import FeatureNetwork
    from gan_jax.sound.mel import Mel
    from gan_jax.types import Array, GanState

ITERATIONS = (0, 16, 60)
"""Of Griffin-Lim."""
BLOCK = 50
"""Sounds that Griffin-Lim computes at once."""
TABLE = "vocoder.md"
"""The name of the file with the table."""

Make = Callable[[np.ndarray], np.ndarray]
"""Stored clips ``[n, length, 1]`` int16 from their waves ``[n, length]`` float32, by way of a
spectrogram.
"""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: arguments.Positional[tuple[Path, ...]]
    """Run folders of vocoders of the same dataset, with the same spectrograms."""
    shown: int = 10
    """Clips in each WAV file."""
    workdir: Path | None = None
    """Folder of the table and the WAV files, replaced if there is one of this study; None: vocoder
    in the first run.
    """


class Row(NamedTuple):
    """What was measured of one way to make sounds, and the sounds themselves."""

    name: str
    convergence: Estimate
    log_mel: Estimate
    recognized: Estimate | None
    seconds: float
    sounds: np.ndarray


class Judge(NamedTuple):
    """What sounds are compared with. ``network``: None without classes."""

    mel: Mel
    clips: Dataset
    waves: np.ndarray
    network: FeatureNetwork | None


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("vocoder", __doc__, argv, Options) as options:
        at_least("shown", options.shown, 1)
        command_line.fast_cpu()
        command_line.keep_compilations()
        folder = options.workdir or options.runs[0] / "vocoder"
        check_folder("workdir", folder)
        if folder.exists() and any(folder.iterdir()) and not (folder / TABLE).exists():
            raise ConfigError(
                f"workdir {folder} contains other files than this study's; use a new folder."
            )
        print(measure(options, folder))
    return 0


def measure(options: Options, folder: Path) -> str:
    """Measures everything, writes the folder and returns the table."""
    from gan_jax.sound import wav

    vocoders, mel, kind, judge = _loaded(options.runs)
    ways = {"real": lambda waves: kind.to_stored(waves[..., None])}
    for source, magnitudes in (("log-mel", _from_mel), ("all frequencies", _from_spectrum)):
        for n in ITERATIONS:
            name = f"Griffin-Lim, {source}, {n}"
            ways[name] = _griffin_lim(mel, kind, magnitudes, n)
    rows = [_measured(name, make, judge, kind) for name, make in (ways | vocoders).items()]
    table = as_markdown(rows, judge)
    with replacing(folder) as new:
        new.mkdir()
        (new / TABLE).write_text(table)
        names = wav.file_names([row.name for row in rows])
        for name, row in zip(names, rows, strict=True):
            own = row.sounds[: options.shown, :, 0]
            (new / f"{name}.wav").write_bytes(wav.one_after_another(own, kind.rate))
    return f"{table}\nwritten:     {folder}"


def _loaded(runs: tuple[Path, ...]) -> tuple[dict[str, Make], Mel, Sounds, Judge]:
    """The vocoders by name, their spectrograms, the kind of the sounds, and the judge.

    Raises:
      ConfigError: for a run of another kind, or runs that do not fit together.
    """
    from gan_jax.data import load
    from gan_jax.data.splits import held_out_split
    from gan_jax.parts.pairs.mels import LogMels
    from gan_jax.recognizers import recognizer
    from gan_jax.runs import folder as run_folder
    from gan_jax.runs import restore

    made, first = {}, None
    for folder in runs:
        config = run_folder.read(folder).config
        gan, state = restore.load(folder)
        if not isinstance(gan.condition, LogMels):
            raise ConfigError(f"runs: {folder} must be a GAN with pairs mel.")
        own = config.dataset, config.split, config.framing, gan.condition
        first = first or own
        if own != first:
            raise ConfigError(
                f"runs: {folder} must have the dataset and the spectrograms of {runs[0]}."
            )
        made[str(folder)] = _vocoder(gan, state)
    split = held_out_split(config, False) or config.split
    clips = load(config.dataset, split, config.framing)
    waves = np.asarray(gan.modality.to_network(np.asarray(clips.examples)))[..., 0]
    labelled = clips.description.num_classes > 0
    network = recognizer(config.dataset, config.framing) if labelled else None
    mel = gan.condition.mel
    return made, mel, gan.modality, Judge(mel, clips, waves, network)


def _vocoder(gan: Gan, state: GanState) -> Make:
    """Sounds of a vocoder from the log-mel spectrograms of waves."""
    import jax

    from gan_jax.sampling.draw import generated

    def make(waves: np.ndarray) -> np.ndarray:
        z = gan.prior.draw(jax.random.key(0), len(waves))
        return generated(gan, state, z, np.asarray(gan.condition.mel.of(waves)))

    return make


def _from_mel(mel: Mel, waves: np.ndarray) -> Array:
    """Magnitudes that the log-mel spectrograms of waves leave to be known."""
    return mel.magnitudes(mel.of(waves))


def _from_spectrum(mel: Mel, waves: np.ndarray) -> Array:
    """Magnitudes of all frequencies."""
    from gan_jax.sound import spectra

    return spectra.magnitudes(waves, mel.window, mel.hop)


def _griffin_lim(mel: Mel, kind: Sounds, magnitudes: Callable, iterations: int) -> Make:
    """Sounds by Griffin-Lim from magnitudes of waves."""
    import jax

    from gan_jax.metrics.streaming import stream
    from gan_jax.sound import spectra

    @jax.jit
    def back(waves: np.ndarray) -> Array:
        length = waves.shape[-1]
        given = magnitudes(mel, waves), mel.window, mel.hop, length
        return spectra.griffin_lim(*given, iterations=iterations)

    def make(waves: np.ndarray) -> np.ndarray:
        return kind.to_stored(stream(back, waves, block=min(BLOCK, len(waves)))[..., None])

    return make


def _measured(name: str, make: Make, judge: Judge, kind: Sounds) -> Row:
    """Makes and measures the sounds of all clips; they are made once before the timed run."""
    from gan_jax.metrics import estimate
    from gan_jax.sound import spectra

    mel, real = judge.mel, judge.waves
    make(real)
    began = time.perf_counter()
    sounds = make(real)
    seconds = (time.perf_counter() - began) / (real.size / kind.rate)
    waves = np.asarray(kind.to_network(sounds))[..., 0]
    magnitudes = spectra.magnitudes(real, mel.window, mel.hop)
    apart = spectra.spectral_convergence(magnitudes, waves, mel.window, mel.hop)
    heard = np.abs(np.asarray(mel.of(waves) - mel.of(real))).mean(axis=(1, 2))
    recognized = None
    if judge.network is not None:
        right = judge.network.features(sounds)[1].argmax(1) == judge.clips.labels
        recognized = estimate.share(float(right.mean()), len(right))
    return Row(
        name, estimate.mean(np.asarray(apart)), estimate.mean(heard), recognized, seconds, sounds
    )


def as_markdown(rows: list[Row], judge: Judge) -> str:
    """The table."""
    about = f"{len(judge.waves):,} clips of {judge.clips.description.name}, {judge.mel}."
    lines = [
        about,
        "",
        "| sounds from log-mel spectrograms by | convergence | log-mel L1 | recognized | s per s |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        cells = [_cell(row.convergence, ".3f"), _cell(row.log_mel, ".3f")]
        cells += [_cell(row.recognized, ".1%") if row.recognized else "", f"{row.seconds:.2g}"]
        lines.append(" | ".join([f"| {row.name}", *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cell(found: Estimate, form: str) -> str:
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


if __name__ == "__main__":
    sys.exit(main())
