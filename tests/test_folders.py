"""A folder, or a .zip, of images as a data set."""

import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.config import Config, Framing
from gan_jax.data import batches, cache, dataset, describe, folders, load
from gan_jax.errors import ConfigError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    dataset._report_broken.cache_clear()


@pytest.fixture
def photos(tmp_path):
    """Makes a folder of images by their paths; an image's colour is its number, 4 a step."""

    def make(*paths, name="photos", size=(6, 6)):
        for i, path in enumerate(paths):
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (4 * i, 0, 200)).save(file)
        return tmp_path / name

    return make


def numbers(data):
    return [int(image[0, 0, 0]) // 4 for image in data.examples]


def zipped(folder, inside=""):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, os.path.join(inside, file.relative_to(folder)))
    return path


@pytest.mark.parametrize(
    "paths, splits, classes, labels",
    [
        (["a.png", "b.PNG", "c.webp"], {"train": 3}, (), [-1] * 3),
        (["cat/1.png", "dog/1.png", "dog/2.png"], {"train": 3}, ("cat", "dog"), [0, 1, 1]),
        (["test/1.png", "train/1.png", "train/2.png"], {"test": 1, "train": 2}, (), [-1] * 2),
        (
            ["train/a/1.png", "train/b/1.png", "val/a/1.png"],
            {"train": 2, "val": 1},
            ("a", "b"),
            [0, 1],
        ),
        (["only/1.png", "only/2.png"], {"train": 2}, (), [-1] * 2),
        (["photos/cat/1.png", "photos/dog/1.png"], {"train": 2}, ("cat", "dog"), [0, 1]),
    ],
)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_layouts(photos, form, paths, splits, classes, labels):
    folder = photos(*paths)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.png").touch()
    (folder / "README.txt").write_text("about")
    name = str(folder if form == "folder" else zipped(folder))
    about = describe(name)
    assert (about.name, about.shape, about.num_classes) == ("photos", (6, 6, 3), len(classes))
    assert about.splits == splits and about.class_names == classes
    assert load(name, "train").labels.tolist() == labels


@pytest.mark.parametrize(
    "paths, words",
    [
        (["a.png", "cat/1.png"], r"cat/1.png.* all be in CLASS/"),
        (["a/b/c/d.png", "b/b/c/d.png"], "d.png.* all be in CLASS/"),
    ],
)
def test_mixed_depths_are_refused(photos, paths, words):
    with pytest.raises(ConfigError, match=words):
        describe(str(photos(*paths)))


def test_paths_that_hold_no_images(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no image")
    for name, words in {
        "nowhere": "dataset folder .*nowhere does not exist",
        "nowhere.zip": "dataset .*nowhere.zip does not exist",
        "text.zip": "not a readable .zip",
        "empty": "has neither images .* nor dataset_info.json",
        "bad": "1 files, none of which is a valid image",
    }.items():
        with pytest.raises(ConfigError, match=words):
            describe(str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"dataset 'empty' is unknown; did you mean './empty'"):
        describe("empty")


@pytest.mark.parametrize("name", ["a" * 300, "./a\0b", "/" + "b" * 300, "~nobody/a", "a\0.zip"])
def test_names_that_no_file_can_have(name):
    with pytest.raises(ConfigError, match="dataset "):
        describe(name)


def test_links_that_lead_nowhere_are_broken_files(photos, capfd):
    folder = photos("a.png")
    (folder / "b.png").symlink_to(folder / "gone.png")
    assert numbers(load(str(folder), "train")) == [0]
    assert "1 of 2 files" in capfd.readouterr().err


def test_slices_and_batches(photos):
    name = str(photos(*[f"{c}/{i}.png" for c in "ab" for i in range(5)]))
    assert numbers(load(name, "train")) == list(range(10))
    assert numbers(load(name, "train[3:5]+train[:1]")) == [3, 4, 0]
    batch = next(batches(Config(dataset=name, batch_size=10)))
    assert sorted(batch.x[0, :, 0, 0, 0] // 4) == list(range(10))
    with pytest.raises(ConfigError, match="split 'test' is unknown; use train or a slice such as"):
        load(name, "test")


def test_sizes_that_vary(photos):
    name = str(photos("a/1.png"))
    photos("b/1.png", size=(9, 3))
    assert describe(name).shape == (None, None, 3)
    with pytest.raises(
        ConfigError, match="size is required because the images of photos vary in size"
    ):
        load(name, "train")
    assert load(name, "train", 4).examples.shape == (2, 4, 4, 3)
    assert load(name, "train", Framing(8, "pad", 1)).examples.shape == (2, 8, 8, 1)
    stretched = load(name, "train", Framing(4, "stretch")).examples
    assert stretched.shape == (2, 4, 4, 3) and isinstance(stretched, np.memmap)


def test_grey_images_have_one_channel(photos):
    folder = photos("a.png")
    Image.new("L", (6, 6)).save(folder / "a.png")
    assert describe(str(folder)).shape == (6, 6, 1)
    assert load(str(folder), "train", Framing(channels=3)).examples.shape == (1, 6, 6, 3)


def damage(folder):
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:45])
    (folder / "d.png").write_text("words")


def test_broken_files_are_skipped_and_counted(photos, capfd):
    folder = photos("a.png", "b.png", "c.png", "d.png")
    damage(folder)
    assert numbers(load(str(folder), "train")) == [0, 2]
    said = capfd.readouterr().err
    assert f"2 of 4 files of {folder} are broken: b.png (" in said
    assert said.endswith("d.png (not a readable image); they are skipped.\n")
    load(str(folder), "train[:2]")
    assert len(load(str(folder), "train").labels) == 2


def test_strict_refuses_broken_files(photos):
    folder = photos("a.png", "b.png", "c.png", "d.png")
    assert len(load(str(folder), "train", Framing(strict=True)).labels) == 4
    damage(folder)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"2 of 4 files .* are broken: b.png"):
            load(str(folder), "train", Framing(strict=True))
        load(str(folder), "train")  # the decoded ones are kept, and still refused


def test_a_folder_that_changes_is_read_again(photos):
    folder = photos("a.png", "b.png")
    assert numbers(load(str(folder), "train")) == [0, 1]
    version = describe(str(folder)).version
    photos("a.png", "b.png", "c.png")
    assert numbers(load(str(folder), "train")) == [0, 1, 2]
    assert describe(str(folder)).version != version


def test_interrupted_decoding_goes_on(photos, monkeypatch):
    name = str(photos(*[f"{i}.png" for i in range(9)]))
    monkeypatch.setattr(cache, "_PART", 3 * 6 * 6 * 3)  # three images
    decode, decoded = folders.decode, []

    def until(most):
        def counted(frame, names, read):
            if len(decoded) == most:
                raise KeyboardInterrupt
            decoded.append(names)
            return decode(frame, names, read)

        monkeypatch.setattr(folders, "decode", counted)

    until(2)
    with pytest.raises(KeyboardInterrupt):
        load(name, "train")
    until(3)  # one more part, and no more
    assert numbers(load(name, "train")) == list(range(9))
    assert [path.name for path in (cache.cache_folder() / "examples").rglob("*.npz")] == []


def test_later_loads_decode_nothing(photos, monkeypatch):
    name = str(photos("a.png", "b.png"))
    load(name, "train")
    monkeypatch.setattr(folders, "decode", lambda *_: pytest.fail("decodes"))
    monkeypatch.setattr(folders, "_headers", lambda *_: pytest.fail("reads headers"))
    assert numbers(load(name, "train")) == [0, 1]


def test_a_full_disk_is_noticed_before(photos, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: type("U", (), {"free": 10}))
    with pytest.raises(ConfigError, match=r"GAN_JAX_CACHE: decoding needs 0.0 GB"):
        load(str(photos("a.png")), "train")
