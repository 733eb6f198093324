"""Inception: the network against PyTorch's, the resizing against its definition, the weights file
and what is refused.
"""

import json
import pathlib
import sys
import tempfile

import inception_reference
import jax
import numpy as np
import pytest
from tensorboardX.proto.graph_pb2 import GraphDef
from tensorboardX.proto.types_pb2 import DT_FLOAT, DT_INT32

from gan_jax import ConfigError
from gan_jax.recognizers import convert_inception, inception_weights, load_inception
from gan_jax.recognizers.inception import SIDE, Inception, resize_as_tf1

STORED = json.loads(pathlib.Path(__file__).with_name("inception_reference.json").read_text())
PYTORCH = {path: name for name, path in convert_inception.PYTORCH.items()}
PYTORCH_AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


def pytorch_state(make):
    """``make(name, shape)`` for every array, by PyTorch's names and in its orders."""
    state = {"Conv2d_1a_3x3.bn.num_batches_tracked": np.array(0)}
    for path, shape in inception_weights.shapes().items():
        collection, *layer, kind, end = path.split("/")
        name = ".".join((*layer, PYTORCH[collection, f"{kind}/{end}"]))
        state[name] = make(name, tuple(shape[axis] for axis in PYTORCH_AXES[len(shape)]))
    return state


def blank(name, shape):
    return np.broadcast_to(np.float32(0), shape)


def graph(arrays):
    """A TensorFlow graph of constants, with one that is no weight; of equal values one is stored,
    as TensorFlow may.
    """
    made = GraphDef()
    made.node.add(name="pool_3/_reshape", op="Const").attr["value"].tensor.dtype = DT_INT32
    for path, array in arrays.items():
        tensor = (
            made.node.add(name=convert_inception.graph_name(path), op="Const").attr["value"].tensor
        )
        tensor.dtype = DT_FLOAT
        for side in array.shape:
            tensor.tensor_shape.dim.add(size=side)
        if (array == array.flat[0]).all():
            tensor.float_val.append(array.flat[0])
        else:
            tensor.tensor_content = array.tobytes()
    return made.SerializeToString()


@pytest.fixture(scope="module")
def arrays():
    return convert_inception.from_pytorch(pytorch_state(inception_reference.weights))


@pytest.fixture(scope="module")
def file(arrays):
    """The weights of the formula, written as TensorFlow's graph and converted; 190 MB that are not
    kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder, "graph.pb"), pathlib.Path(folder, "new", "weights.npz")
        source.write_bytes(graph(arrays))
        convert_inception.convert(source, out)
        source.unlink()
        yield out


@pytest.fixture(scope="module")
def loaded(file):
    network = load_inception(file)
    return Inception(network.variables, network.key, network.about, block=2)


# What it computes


def test_network_is_pytorchs(loaded, file):
    """Against activations that torch-fidelity gave; TensorFlow's padding or pooling done otherwise
    is off by 1e-2.
    """
    images = inception_reference.images()
    features, unbiased = loaded.features(images)
    assert features.shape == (2, 2048) and unbiased.shape == (2, 1008)
    _, logits = Inception(load_inception(file, bias=True).variables, "", {}, block=2).features(
        images
    )
    for name, rows in inception_reference.chosen(features, logits, unbiased).items():
        np.testing.assert_allclose(
            rows, STORED[name], rtol=0, atol=1e-5 * np.abs(STORED[name]).max(), err_msg=name
        )


def test_images_of_every_kind_are_seen_alike(loaded):
    """Floats as bytes, one channel as three, each image by itself."""
    images = inception_reference.images()
    whole, _ = loaded.features(np.concatenate([images, images[:1]]))
    assert len(whole) == 3 and not np.allclose(whole[0], whole[1], rtol=1e-2)
    np.testing.assert_array_equal(whole[2], whole[0])
    np.testing.assert_array_equal(
        loaded.features(images.astype(np.float32) / 127.5 - 1)[0], whole[:2]
    )
    gray = images[..., :1]
    np.testing.assert_array_equal(
        loaded.features(gray)[0], loaded.features(np.concatenate([gray] * 3, -1))[0]
    )
    with pytest.raises(
        ConfigError, match="images: Inception takes 1 or 3 channels, and these have 4"
    ):
        loaded.features(np.zeros((1, 8, 8, 4), np.uint8))


@pytest.mark.parametrize(("h", "w"), [(1, 2), (20, 36), (299, 299), (301, 640)])
def test_resizing_is_tensorflow_1s(h, w):
    """Against products with hat functions that are centred at i n / 299, constant beyond the last
    pixel.
    """

    def hats(n):
        position = np.minimum(np.arange(SIDE) * n / SIDE, n - 1)
        return np.maximum(0, 1 - abs(position[:, None] - np.arange(n)))

    images = inception_reference.integers("resize", (2, h, w, 3)).astype(np.uint8)
    expected = np.einsum("yh,xw,bhwc->byxc", hats(h), hats(w), images, optimize=True)
    np.testing.assert_allclose(
        jax.jit(resize_as_tf1)(images), expected, rtol=0, atol=0.02
    )  # of 255, in float32


# The file


def test_both_sources_give_the_same_arrays(arrays, file):
    with np.load(file) as written:
        assert json.loads(str(written["about"]))["source"] == "graph.pb"
        assert set(written.files) == {*arrays, "about"}
        for name, array in arrays.items():
            np.testing.assert_array_equal(written[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("path", "name"),
    [  # from the published graph
        ("params/Conv2d_1a_3x3/conv/kernel", "conv/conv2d_params"),
        ("params/Conv2d_4a_3x3/bn/bias", "conv_4/batchnorm/beta"),
        ("params/Mixed_5b/branch1x1/bn/scale", "mixed/conv/batchnorm/gamma"),
        ("params/Mixed_5c/branch5x5_2/conv/kernel", "mixed_1/tower/conv_1/conv2d_params"),
        ("batch_stats/Mixed_5d/branch_pool/bn/mean", "mixed_2/tower_2/conv/batchnorm/moving_mean"),
        ("params/Mixed_6a/branch3x3/conv/kernel", "mixed_3/conv/conv2d_params"),
        ("params/Mixed_6a/branch3x3dbl_3/conv/kernel", "mixed_3/tower/conv_2/conv2d_params"),
        ("params/Mixed_6e/branch7x7dbl_5/conv/kernel", "mixed_7/tower_1/conv_4/conv2d_params"),
        (
            "batch_stats/Mixed_7a/branch7x7x3_4/bn/var",
            "mixed_8/tower_1/conv_3/batchnorm/moving_variance",
        ),
        ("params/Mixed_7b/branch3x3_2b/conv/kernel", "mixed_9/tower/mixed/conv_1/conv2d_params"),
        (
            "params/Mixed_7c/branch3x3dbl_3a/conv/kernel",
            "mixed_10/tower_1/mixed/conv/conv2d_params",
        ),
        ("params/fc/kernel", "softmax/weights"),
        ("params/fc/bias", "softmax/biases"),
    ],
)
def test_names_in_the_graph(path, name):
    assert path in inception_weights.shapes()
    assert convert_inception.graph_name(path) == name


def test_names_in_the_graph_are_unique():
    assert len({convert_inception.graph_name(path) for path in inception_weights.shapes()}) == 472


def test_provenance(file, loaded, capsys):
    digest = inception_weights.sha256(file)
    biased = load_inception(file, bias=True)
    assert digest in capsys.readouterr().err
    assert loaded.about["sha256"] == biased.about["sha256"] == digest
    assert (
        len(loaded.about["source_sha256"]) == 64 and loaded.about["key"] == loaded.key != biased.key
    )
    assert json.loads(json.dumps(loaded.about))["logits"] == "without bias"


# What is refused


def test_without_the_file_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    monkeypatch.delenv("GAN_JAX_INCEPTION", raising=False)
    place = tmp_path / "inception" / "inception-2015-12-05.npz"
    with pytest.raises(ConfigError) as error:
        load_inception()
    told = (
        inception_weights.GRAPH_URL,
        f"convert_inception classify_image_graph_def.pb {place}`",
        "GAN_JAX_INCEPTION",
    )
    assert all(text in str(error.value) for text in told) and not list(tmp_path.iterdir())
    monkeypatch.setenv("GAN_JAX_INCEPTION", str(tmp_path / "mine.npz"))
    with pytest.raises(ConfigError, match=r"the weights file .*mine\.npz does not exist"):
        load_inception()


def test_damaged_file_is_refused(tmp_path, file):
    whole = file.read_bytes()
    damages = {
        "short": whole[:5_000_000],
        "empty": b"",
        "other": b"no zip at all",
        "flipped": bytearray(whole),
    }
    damages["flipped"][len(whole) // 2] ^= 1
    for name, content in damages.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=f"{name} is not a complete npz file"):
            load_inception(tmp_path / name)
        (tmp_path / name).unlink()


def _without(state, *names):
    return {name: array for name, array in state.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: _without(s, "fc.bias"), "1 arrays missing, such as params/fc/bias"),
        (
            lambda s: {**s, "AuxLogits.conv0.conv.weight": np.zeros((128, 768, 1, 1), np.float32)},
            "1 arrays unknown, such as params/AuxLogits/conv0/conv/kernel",
        ),
        (
            lambda s: {**s, "fc.weight": np.zeros((1000, 2048), np.float32)},
            r"1 arrays of another shape or type, such as params/fc/kernel "
            r"\(float32\[2048, 1000\] instead of float32\[2048, 1008\]\)",
        ),
        (
            lambda s: {**s, "fc.bias": np.zeros(1008, np.float16)},
            r"float16\[1008\] instead of float32\[1008\]",
        ),
        (
            lambda s: {"layer1.0.weight": np.zeros((8, 8))},
            "472 arrays missing.*; 1 arrays unknown, such as layer1.0.weight",
        ),
    ],
)
def test_weights_of_another_network_are_refused(change, told):
    state = pytorch_state(blank)
    inception_weights.check(convert_inception.from_pytorch(state), pathlib.Path("file"))
    with pytest.raises(ConfigError, match=f"inception: file contains a different network .*{told}"):
        inception_weights.check(convert_inception.from_pytorch(change(state)), pathlib.Path("file"))


def test_converter_refuses_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name, content in {
        "a.pth": b"",
        "a.pb": b"no graph",
        "empty.pb": b"",
        "a.h5": b"",
        "there.npz": b"mine",
    }.items():
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.iterdir())
    for source, out, told in [
        ("absent.pb", "new.npz", "source .* cannot be read"),
        ("a.h5", "new.npz", r"has an unknown type; use \.pb or \.pth"),
        ("a.pth", "new.npz", "requires PyTorch; prefix the command with .*uv run --with torch"),
        ("a.pb", "new.npz", "is not a TensorFlow graph"),
        ("empty.pb", "new.npz", "a different network .*472 arrays missing"),
        ("empty.pb", "there.npz", "there.npz exists; name a new file"),
    ]:
        with pytest.raises(ConfigError, match=told):
            convert_inception.convert(tmp_path / source, tmp_path / out)
    monkeypatch.undo()
    with pytest.raises(SystemExit) as error:
        convert_inception.main([str(tmp_path / "a.h5"), str(tmp_path / "new.npz")])
    assert error.value.code == 2 and "has an unknown type" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "there.npz").read_bytes() == b"mine"
