"""TFDS sets of images that vary in size, and prepared files that are damaged."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorboardX.record_writer import RecordWriter

from gan_jax.config import Framing
from gan_jax.data import describe, load, preparing
from gan_jax.errors import ConfigError
from gan_jax.files import cache_folder

SIZES = [(6, 6), (12, 4), (3, 9)]  # width, height


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))


def prepare(root, images):
    """Prepares the set ``varied`` of images, or of the content of their files."""

    class Varied(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=["even", "odd"]),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i, image in enumerate(images):
                yield i, {"image": image, "label": i % 2}

    preparing.prepare_embedded(lambda: Varied(data_dir=root, file_format="array_record"))
    return root / "varied" / "1.0.0"


@pytest.fixture
def varied(tmp_path):
    images = [Image.new("RGB", size, (80 * i, 9, 9)) for i, size in enumerate(SIZES)]
    return prepare(tmp_path / "tfds", images)


def test_images_that_vary_in_size(varied):
    about = describe("varied")
    assert about.shape == (None, None, 3) and about.num_classes == 2
    with pytest.raises(
        ConfigError, match="size is required because the images of varied vary in size"
    ):
        load("varied", "train")
    data = load("varied", "train", 8)
    assert data.examples.shape == (3, 8, 8, 3) and isinstance(data.examples, np.memmap)
    colours = data.examples[:, 4, 4, 0].astype(int)
    assert sorted(colours) == [0, 80, 160]
    np.testing.assert_array_equal(data.labels, colours // 80 % 2)
    assert (data.examples == data.examples[:, :1, :1]).all()  # cropped, no border
    padded = load("varied", "train[1:]", Framing(12, "pad", 1, "white")).examples
    assert padded.shape == (2, 12, 12, 1) and (padded[:, 0, 0] == 255).all()


@pytest.mark.parametrize("harm", ["corrupt", "missing"])
def test_prepared_files_without_a_description_are_refused(harm):
    load("digits", "test[:9]")  # is in the cache by now, and TFDS needs no description of digits
    (path,) = (cache_folder() / "tfds" / "digits").rglob("features.json")
    path.write_text('{"type": ') if harm == "corrupt" else path.unlink()
    for read in (lambda: describe("digits"), lambda: load("digits", "test[:9]")):
        with pytest.raises(ConfigError, match=r"features.json is missing or damaged"):
            read()


def as_tfrecords(folder):
    """Turns a prepared set into one in TFDS's former default format."""
    builder = tfds.builder_from_directory(folder)
    (shard,) = folder.glob("*train.array_record*")
    path = folder / shard.name.replace("array_record", "tfrecord")
    raw = builder.as_data_source(
        "train", deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
    )
    writer = RecordWriter(str(path))
    for record in raw:
        writer.write(record)
    writer.close()
    shard.unlink()
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    return path


def test_files_of_the_former_format_are_read(varied, tmp_path, monkeypatch):
    expected = [load("varied", split, 8) for split in ("train", "train[1:]")]
    path = as_tfrecords(varied)
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "empty"))
    for split, data in zip(("train", "train[1:]"), expected, strict=True):
        found = load("varied", split, 8)
        np.testing.assert_array_equal(found.examples, data.examples)
        np.testing.assert_array_equal(found.labels, data.labels)
    for harm in (lambda b: b[:-1], lambda b: b[:5], lambda b: b"\xff" + b[1:], lambda b: b""):
        sound = path.read_bytes()
        path.write_bytes(harm(sound))
        with pytest.raises(ConfigError, match=r"varied/1\.0\.0 cannot be read"):
            load("varied", "train", 16)
        path.write_bytes(sound)


def test_a_broken_image_is_refused(tmp_path):
    prepare(tmp_path / "tfds", [Image.new("RGB", (6, 6)), b"no image"])
    with pytest.raises(
        ConfigError, match=r"varied/1\.0\.0 cannot be read \(image . \(not a readable image"
    ):
        load("varied", "train", 8)
