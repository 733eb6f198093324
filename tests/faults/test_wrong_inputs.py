"""Wrong inputs to every command: a single sentence on stderr, exit code 2, nothing written.

uv run pytest -m faults tests/faults/test_wrong_inputs.py
"""

import importlib
import pathlib
import shlex
import shutil

import numpy as np
import pytest
import soundfile

from gan_jax.commands import COMMANDS

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("signals_as_before")]
RUN = pathlib.Path(__file__).parent.parent / "data" / "run_v1_single"
LONG, NUL, HUGE = "x" * 300, "a\0b", 10**12
PROCESSES = "--coordinator localhost:1234 --num-processes 2 --process-id"

TRAIN = [
    "digits_dcgn", "mnist_mlp digits_dcgan", "--batch-siz 64", "--steps", "--steps 1.5",
    "--steps 0", "--steps nan", "--log-every 0", "--checkpoint-every -1", "--keep 0",
    "--batch-size 0",
    "--batch-size 30", f"--batch-size {HUGE}", "--ema -1", "--seed -1", f"--seed {2**32}",
    "--latents 0", f"--size {10**8}", "--size 4", "--size -3", "--g-optimizer.lr nan",
    "--d-optimizer adam:fast", "--g-optimizer adm", "--generator.width 0", "--generator.widht 8",
    "--generator.width", "--generator dcgan:widht=3", "--generator dcgn", "--generator ''",
    "--loss minmax", "--conditioning projektion", "--prior cauchy", "--precision fp8",
    "--fake-labels some", "--penalties r7:1", "--penalties r1", "--penalties r1:1:every=x",
    "--penalties r1:1 r1:2", "--penalties r1:-1", "--augmentations turn:1", "--dynamics none",
    "--dataset digit", "--dataset ''", "--split tran", "--workdir ''", f"--workdir {LONG}",
    "--workdir file", "--workdir file/below", "--workdir /proc/run", "--workdir folder",
    f"--seeds {10**8}", "--seeds 0", "--seeds -1", "--sweep lr=1,2", "--sweep g_optimizer.lr",
    "--sweep g_optimizer.lr=1e-4,1e-4", "--seeds 2 --fsdp", "--seeds 2 --on-divergence rollback",
    "--on-divergence ignore", "--coordinator localhost", "--coordinator localhost:999999",
    f"{PROCESSES} 2", f"{PROCESSES} 0 --patience 0", "--num-processes 2", "--config nowhere.json",
    "--config file", "--config folder", "mnist_mlp --config file", "--config ''",
    "--micro-batches 7", "--g-steps 0", "--ema linear/1/2", "--top-k 2", "--clip 0",
    "--labels 7 --labelled-batch 3", "ring8_mlp --generator dcgan", "ring8_mlp --flip",
    "ring8_mlp --diagnose-modes 100",
    "--dry-run --dataset digit",
    "--pairs edgs", "--pairs grey --generator pix2pix", "--pairs edges --conditioning none",
    "--pairs downsample:3 --generator pix2pix --discriminator pix2pix --conditioning none",
    "--pairs mask:2 --conditioning none", "--pairs edges:x --conditioning none",
    "--pairs captions --conditioning none", "--pairs features:network=cn --conditioning none",
    "--pairs features:above=nowhere --conditioning none --generator mlp",
    "--pairs domains --conditioning none", "--unpaired digits",
    "--pairs domains --unpaired ring8 --conditioning none", "--pool -1", "--pool 5",
    "--g-penalties encoded:1", "--g-penalties kl:2", "--prior none --generator mlp --latents 0",
    "--pairs captions --conditioning none --generator stackgan2 --discriminator stackgan",
    "--pairs captions --conditioning none --generator stackgan2:first=nowhere",
    "--length 9", "--rate 8000", "--no-normalize", "--dataset ./tones",
    "--dataset spoken_digit/speakers", "--size None --dataset ./tones",
    "--size None --dataset ./tones --length 0", "--size None --dataset ./tones --rate 8",
    "--size None --dataset ./mixed --length 9", "--size None --dataset ./empty --length 9",
    "--size None --dataset ./words --length 9",
]  # fmt: skip
EVAL = [
    "", "nowhere", "folder", "file", "run --checkpoint 0400", "run --checkpoint -1",
    "run --checkpoint newest", "run --checkpoint 7", f"run --num-samples {HUGE}",
    "run --num-samples 2", "run --num-samples 0", f"run --metrics fid{10**11}k",
    "run --metrics fid1k,fid1k",
    "run --metrics is1k", "run --metrics cas", "run --metrics fad1k", "run --metrics fid",
    "run --metrics ''",
    "run --metrics fid1k --num-samples 5000", "run --features incepton", "run --seed -1",
    "run --truncation 1e-30", "run --truncation -1", "run --truncation nan",
    f"run --export new --num-samples {HUGE}", f"run --export {LONG}", "run --export folder",
    "run --export file", "run --export ''", "run --export new --metrics fid1k",
    "run --export new --checkpoint all", "run --rejection 80", "run --min-confidence 0.9",
    "run --export new --rejection 100", "run --watch --export new", "run --watch --checkpoint 7",
    "run other", "run --num-sample 5", "run --captions 'a seven'",
    "run --captions seven --export new",
]  # fmt: skip
OTHERS = {
    "benchmark": [
        "--net dcgan3", "--precision fp16", "--batch 64,0", f"--batch {HUGE}", f"--seeds {10**8}",
        "--steps-per-call x", "--runs 0", "--lazy --loop", "--ops --lazy", "--lazy --every 4,-1",
        "--lazy --d-steps 0", "--loop --recipe mnist", "--json nowhere/out", "--json folder",
        "--json ''", "--profile file", "--profile ''", f"--json {LONG}",
    ],
    "recognizers": [
        "digitz", "digits --steps 0", f"digits --features {HUGE}", f"digits --width {HUGE}",
        f"digits --batch-size {HUGE}", "digits --seed -1", "digits --network cnm",
        "digits --size 4", "digits --test-on digitz", "digits --augmentation.noise -1", "ring8",
        "digits --lr 2", "digits more",
    ],
    "enlarge": [
        "", "digits", "digitz --out new", "ring8 --out new", "digits --out file",
        "digits --out folder", "digits --out ''", f"digits --out {LONG}", "digits --out /proc/new",
        "digits --out new --labels 1", "digits --out new --labels 1000",
        "digits --out new --size 4",
        "digits --out new --regime few", "digits --out new --regime unlabelled",
        "digits --out new --kept nan", "digits --out new --recognizer-batch 0",
        f"digits --out new --generated {HUGE}", "digits --out new --seeds 1",
    ],
    "study": [
        "convergenc", f"convergence --seeds {HUGE}", "convergence --seeds 0",
        "convergence --workdir file", "convergence --workdir /proc/study",
        "convergence --methods r3", "recognition --dataset digits --generated 7",
        "recognition --dataset digits --workdir file", "recognition --dataset ring8",
        "recognition --dataset digits --labels 0", "metric_times --count -1",
        "metric_times --count 0", "metric_times --features 0", "metric_times --metrics iss",
        f"metric_times --count {HUGE}", "metric_agreement theirs /nowhere",
    ],
    "recipes": ["--all", "mnist"],
    "compare": [
        "", "run", "run run", "run folder", "run nowhere", "run file", "run ''", f"run {LONG}",
        "run other --output nowhere/page.html", "run other --output folder", "run other --seed -1",
        "run copy --suffix _n7", "run copy --outpt x",
    ],
}  # fmt: skip
WITH_NUL = [("train", ["--workdir", NUL]), ("eval", [NUL]), ("benchmark", ["--json", NUL])]
CASES = [
    *[("train", shlex.split(text)) for text in TRAIN],
    *[("eval", shlex.split(text)) for text in EVAL],
    *[(name, shlex.split(text)) for name, texts in OTHERS.items() for text in texts],
    *WITH_NUL,
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a file, a folder that is in use, folders of sounds, and a run."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "file").write_text("mine")
    (folder / "folder").mkdir()
    (folder / "folder" / "thesis.tex").write_text("mine")
    tone = np.sin(np.arange(20, dtype=np.float32))
    for name, rates in {"tones": (8_000, 8_000), "mixed": (8_000, 16_000)}.items():
        (folder / name).mkdir()
        for i, rate in enumerate(rates):
            soundfile.write(folder / name / f"{i}.wav", tone, rate)
    for name, content in {"empty": b"", "words": b"words"}.items():
        (folder / name).mkdir()
        (folder / name / "0.wav").write_bytes(content)
    for name in ("run", "copy"):
        shutil.copytree(RUN, folder / name)
    return folder


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("command, arguments", CASES, ids=lambda v: str(v)[:60])
def test_wrong_input_is_one_sentence(command, arguments, place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    before = contents(place)
    with pytest.raises(SystemExit) as refusal:
        raise SystemExit(importlib.import_module(COMMANDS[command].module).main(arguments))
    out, err = capfd.readouterr()
    assert refusal.value.code == 2, err
    assert err.count("\n") == 1 and err.endswith(".\n") and "Traceback" not in err, err
    assert out == "" and contents(place) == before
