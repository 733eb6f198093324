"""Every kind of file of a checkpoint, damaged in every way: each damage is noticed, and an older
checkpoint takes its place.
"""

import json
import shutil

import pytest

import gan_jax
from gan_jax import ConfigError
from gan_jax.training.loop import train
from tests.runs import RING

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "run"
    train(RING, workdir)
    return workdir


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(file):
    file.write_bytes(b"")


def delete(file):
    file.unlink()


def lengthen(file):
    file.write_bytes(file.read_bytes() + b" ")


def swap(file):
    """With the largest other file of the checkpoint."""
    (checkpoint,) = (path for path in file.parents if path.parent.name == "checkpoints")
    others = [path for path in checkpoint.rglob("*") if path.is_file() and path != file]
    other = max(others, key=lambda path: path.stat().st_size)
    own = file.read_bytes()
    file.write_bytes(other.read_bytes())
    other.write_bytes(own)


WAYS = (truncate, flip, empty, delete, lengthen, swap)
FILES = {
    "seal": "seal.json",
    "tree": "state/_METADATA",
    "sharding": "state/_sharding",
    "array metadata": "state/array_metadatas/process_0",
    "manifest": "state/manifest.ocdbt",
    "process manifest": "state/ocdbt.process_0/manifest.ocdbt",
    "data": "state/d/*",
    "process data": "state/ocdbt.process_0/d/*",
}


SEALS = {
    "{}": lambda seal: {},
    "without files": lambda seal: seal | {"files": {}},
    "with a file less": lambda seal: seal | {"files": dict(list(seal["files"].items())[1:])},
    "of an earlier form, with a file less": lambda seal: dict(list(seal["files"].items())[1:]),
    "of another step": lambda seal: seal | {"step": 4},
    "of another version": lambda seal: seal | {"state_version": 1},
    "with other notes": lambda seal: seal | {"notes": {"window": None, "more": 1}},
}


@pytest.fixture
def newest(trained, tmp_path):
    """The folder of the newest checkpoint in a copy of the run."""
    workdir = shutil.copytree(trained, tmp_path / "run")
    return workdir / "checkpoints" / str(RING.steps)


def assert_noticed(newest):
    workdir, step, before = newest.parents[1], RING.steps, RING.steps - RING.checkpoint_every
    with pytest.warns(UserWarning, match=rf"cannot restore {step} .*going back to {before}"):
        _, state = gan_jax.load(workdir)
    assert int(state.step) == before
    with pytest.raises(ConfigError, match=rf"{step}"):
        gan_jax.load(workdir, checkpoint=step)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_is_noticed(newest, kind, way):
    files = sorted(newest.glob(FILES[kind]))
    way(max(files, key=lambda file: file.stat().st_size))
    assert_noticed(newest)


@pytest.mark.parametrize("change", SEALS.values(), ids=SEALS)
def test_an_edited_seal_is_noticed(newest, change):
    path = newest / "seal.json"
    path.write_text(json.dumps(change(json.loads(path.read_text())), indent=1))
    assert_noticed(newest)


def seal_made_a_folder(newest):
    (newest / "seal.json").unlink()
    (newest / "seal.json").mkdir()


def copied_from_another_step(newest):
    shutil.rmtree(newest)
    shutil.copytree(newest.parent / "8", newest)


def copied_from_another_step_without_step_in_the_seal(newest):
    copied_from_another_step(newest)
    path = newest / "seal.json"
    seal = json.loads(path.read_text())
    path.write_text(json.dumps({"state_version": seal["state_version"]} | seal["files"]))


def made_a_file(newest):
    shutil.rmtree(newest)
    newest.write_text("")


@pytest.mark.parametrize(
    "damage",
    [
        seal_made_a_folder,
        copied_from_another_step,
        copied_from_another_step_without_step_in_the_seal,
        made_a_file,
        shutil.rmtree,
    ],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_folder_is_noticed(newest, damage):
    damage(newest)
    assert_noticed(newest)


@pytest.mark.parametrize("name", ["_CHECKPOINT_METADATA", "commit_success.txt"])
@pytest.mark.parametrize("way", WAYS[:4], ids=lambda way: way.__name__)
def test_files_that_hold_nothing_of_the_state_cannot_change_it(newest, name, way):
    """Orbax writes them after the seal."""
    way(newest / name)
    workdir = newest.parents[1]
    _, state = gan_jax.load(workdir)
    assert int(state.step) == RING.steps
