"""Checkpoints and their seals, on a state of two arrays: whatever was changed since is noticed."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import checkpoint
from gan_jax.checkpoint import SEAL, Damaged

STATE = {"step": jnp.int32(4), "w": jnp.arange(6.0)}
LIKE = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), STATE)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the checkpoints 4 and 8."""
    folder = tmp_path_factory.mktemp("written") / "checkpoints"
    with checkpoint.Writer(folder, keep=3, version=2) as writer:
        writer.save(4, STATE, {"seen": [1, 0.1, None]})
        writer.save(8, STATE | {"step": jnp.int32(8)})
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "checkpoints")


def test_what_was_saved_is_restored_with_its_notes(written):
    restored = checkpoint.restore(written, 4, LIKE)
    assert jax.tree.all(jax.tree.map(np.array_equal, restored, STATE))
    assert checkpoint.notes(written, 4) == {"seen": [1, 0.1, None]}
    assert checkpoint.notes(written, 8) == {} and checkpoint.version(written, 8) == 2
    assert checkpoint.steps(written) == [4, 8]


def edited(change):
    def damage(folder):
        path = folder / "4" / SEAL
        path.write_text(json.dumps(change(json.loads(path.read_text())), indent=1))

    return damage


def of_earlier_version(seal):
    return {"state_version": 2} | seal["files"]


def without_one(seal):
    return dict(list(of_earlier_version(seal).items())[:-1])


def without(field):
    return edited(lambda seal: {name: own for name, own in seal.items() if name != field})


def cut(folder):
    path = folder / "4" / SEAL
    path.write_bytes(path.read_bytes()[:-10])


def reformatted(folder):
    path = folder / "4" / SEAL
    path.write_text(path.read_text() + " ")


def made_a_folder(folder):
    (folder / "4" / SEAL).unlink()
    (folder / "4" / SEAL).mkdir()


def copied(folder):
    shutil.rmtree(folder / "4")
    shutil.copytree(folder / "8", folder / "4")


def a_file(folder):
    shutil.rmtree(folder / "4")
    (folder / "4").write_text("")


DAMAGES = {
    "empty object": (edited(lambda seal: {}), "does not list all files"),
    "a number": (edited(lambda seal: 4), "unreadable"),
    "nested too deep": (lambda f: (f / "4" / SEAL).write_text("[" * 100_000), "unreadable"),
    "cut": (cut, "unreadable"),
    "reformatted": (reformatted, "has changed since it was saved"),
    "a folder": (made_a_folder, "unreadable"),
    "missing": (lambda f: (f / "4" / SEAL).unlink(), "missing"),
    "another step": (edited(lambda seal: seal | {"step": 5}), "has changed since it was saved"),
    "another version": (
        edited(lambda seal: seal | {"state_version": 1}),
        "has changed since it was saved",
    ),
    "other notes": (edited(lambda seal: seal | {"notes": {}}), "has changed since it was saved"),
    "no files": (without("files"), "unreadable"),
    "no digest": (without("sha256"), "unreadable"),
    "a file left out": (edited(without_one), "does not list all files"),
    "copied from another step": (copied, "belongs to step 8"),
    "made a file": (a_file, "is not a folder"),
    "gone": (lambda f: shutil.rmtree(f / "4"), "it is missing"),
}


@pytest.mark.parametrize("damage, expected", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_seal_is_refused(folder, damage, expected):
    damage(folder)
    for read in (checkpoint.version, checkpoint.digest, checkpoint.notes):
        with pytest.raises(Damaged, match=expected):
            read(folder, 4)
    with pytest.raises(Damaged, match=expected):
        checkpoint.restore(folder, 4, LIKE)


def test_a_seal_of_an_earlier_version_is_accepted_and_still_notices(folder):
    edited(of_earlier_version)(folder)
    assert checkpoint.notes(folder, 4) == {} and checkpoint.version(folder, 4) == 2
    checkpoint.restore(folder, 4, LIKE)
    (folder / "4" / "state" / "manifest.ocdbt").write_bytes(b"")
    with pytest.raises(Damaged, match=r"state/manifest\.ocdbt has 0 bytes"):
        checkpoint.restore(folder, 4, LIKE)


def test_only_whole_numbers_name_checkpoints(folder):
    for name in ("²", "04", "-4", "8.5", "16 "):
        shutil.copytree(folder / "4", folder / name)
    (folder / "12").write_text("")
    assert checkpoint.steps(folder) == [4, 8] and checkpoint.entries(folder) == [4, 8, 12]
    assert checkpoint.steps(folder / "none") == []


def test_what_shall_not_be_restored_is_set_aside(folder):
    (folder / "12").write_text("")
    (folder / "damaged_8").write_text("of an earlier time")
    checkpoint.set_aside(folder, newest=4)
    assert sorted(path.name for path in folder.iterdir()) == ["4", "damaged_12", "damaged_8"]
    assert (folder / "damaged_8").is_dir()
