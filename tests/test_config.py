"""Parts of a config as values and as text, its JSON form, and what importing it costs."""

import copy
import dataclasses
import json
import pickle
import subprocess
import sys

import pytest

from gan_jax.config import (
    Augmentation,
    Config,
    Dynamics,
    Feedback,
    Network,
    Optimizer,
    Penalty,
    Schedule,
    differences,
    from_dict,
    to_dict,
    with_value,
)
from gan_jax.errors import ConfigError
from gan_jax.recipes import RECIPES, recipe


@pytest.mark.parametrize(
    "text, part",
    [
        ("dcgan", Network()),
        ("dcgan:32:base=2:norm=none", Network("dcgan", width=32, base=2, norm="none")),
        ("dcgan:spectral=True", Network(spectral=True)),
        ("adam", Optimizer()),
        ("adam:0.001:b1=0", Optimizer(lr=1e-3, b1=0.0)),
        (
            "sgd:cosine/0.1/0/100:momentum=-0.5",
            Optimizer("sgd", Schedule(0.1, 0.0, 100, "cosine"), momentum=-0.5),
        ),
        ("r1:1", Penalty("r1", 1.0)),
        ("r1:1:every=4", Penalty("r1", 1.0, every=4)),
        ("gp:10:target=0", Penalty("gp", 10.0, target=0.0)),
        (
            "r1:feedback/d/loss/0.6/0.1:every=2",
            Penalty("r1", Feedback("d/loss", 0.6, 0.1), 2),
        ),
        ("translation:0.125", Augmentation("translation", 0.125)),
        ("consensus:0.1", Dynamics("consensus", 0.1)),
        ("extragradient", Dynamics("extragradient")),
    ],
)
def test_text_and_back(text, part):
    assert type(part).from_text(text) == part and str(part) == text
    assert hash(type(part).from_text(text)) == hash(part)
    assert eval(repr(part)) == part


def test_numbers_without_a_key_are_options_too():
    assert Penalty.from_text("r1:1:4") == Penalty("r1", 1.0, 4) == Penalty("r1", weight=1, every=4)
    assert Penalty("gp", 10.0, 1, (("target", 0.0),)) == Penalty("gp", 10.0, target=0.0)
    assert Network.from_text("dcgan:width=32") == Network.from_text("dcgan:32")
    assert Network.from_text("dcgan:base=None") == Network() == Network(norm=None)
    assert Network("mlp") != Optimizer("mlp") and Network() != Dynamics("dcgan")


def test_options_are_attributes():
    penalty = Penalty("r1", 2.0)
    assert (penalty.name, penalty.weight, penalty.every) == ("r1", 2.0, 1)
    assert Network().width is None and Optimizer().lr == 2e-4
    with pytest.raises(AttributeError, match="'base'"):
        _ = Network().base
    for same in (copy.copy(penalty), copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))):
        assert same == penalty
    with pytest.raises(dataclasses.FrozenInstanceError):
        penalty.weight = 1.0


def test_options_are_replaced():
    network = Network("dcgan", width=64, base=2)
    assert dataclasses.replace(network, width=32) == Network("dcgan", width=32, base=2)
    assert dataclasses.replace(network, width=None, name="mlp") == Network("mlp", base=2)
    config = Config(penalties=(Penalty("r1", 1.0), Penalty("r2", 1.0)))
    changed = with_value(config, "penalties.1.weight", 3.0)
    assert changed.penalties == (Penalty("r1", 1.0), Penalty("r2", 3.0))
    assert with_value(config, "generator.name", "mlp").generator == Network("mlp")
    assert with_value(config, "g_optimizer.lr", None) == config


@pytest.mark.parametrize(
    "kind, text, words",
    [
        (Penalty, "r1", "r1 needs a weight; write r1:WEIGHT"),
        (Penalty, "r1:None", "r1 needs a weight"),
        (Penalty, "r1:1:2:3", "r1 has 3 numbers without a key; the only ones are weight, every"),
        (Penalty, "r1:1:weight=2", "with unique keys"),
        (Penalty, "r1:1:every=2:every=3", "with unique keys"),
        (Penalty, ":1", "does not have the form"),
        (Penalty, "r1:", "does not have the form"),
        (Network, "dcgan:=3", "does not have the form"),
    ],
)
def test_wrong_text_is_refused(kind, text, words):
    with pytest.raises(ConfigError, match=words):
        kind.from_text(text)


def version_1(config):
    """The JSON form before parts had one grammar: all options, null where they are not set."""
    options = {
        Network: "width depth norm base spectral minibatch_std dropout noise",
        Optimizer: "lr b1 b2 eps momentum decay weight_decay",
        Dynamics: "weight",
        Augmentation: "strength",
    }

    def part(value):
        found = dict(value)
        if "every" in found:
            own = {k: found.pop(k) for k in list(found) if k not in ("name", "weight", "every")}
            return found | {"numbers": [[k, v] for k, v in own.items()]}
        return found

    values = to_dict(config)
    del values["version"]
    for name, value in values.items():
        kind = type(getattr(config, name))
        if kind in options:
            values[name] = dict.fromkeys(["name", *options[kind].split()]) | value
        elif isinstance(value, list):
            values[name] = [part(v) for v in value]
    return values


OTHER = dataclasses.replace(
    recipe("digits_dcgan"),
    penalties=(Penalty("gp", 10.0, target=0.0), Penalty("lecam", Schedule(0.0, 1.0, 10), 2)),
    augmentations=(Augmentation("rotation", 15.0),),
    dynamics=Dynamics("consensus", 0.2),
)


@pytest.mark.parametrize("name", [*RECIPES, "other"])
def test_both_versions_of_the_json_form_are_read(name):
    config = RECIPES.get(name, OTHER)
    for values in (to_dict(config), version_1(config)):
        found = from_dict(json.loads(json.dumps(values)))
        assert found == config and hash(found) == hash(config) and not differences(found, config)


def test_a_file_of_version_1_is_read():
    """Parts as an earlier version wrote them."""
    values = json.loads(
        """{
        "generator": {"name": "dcgan", "width": 64, "depth": null, "norm": null, "base": 2,
          "spectral": null, "minibatch_std": null, "dropout": null, "noise": null},
        "penalties": [{"name": "gp", "weight": 10.0, "every": 1, "numbers": [["target", 0.0]]},
          {"name": "lecam", "weight": {"start": 0.0, "end": 1.0, "steps": 10, "shape": "linear",
          "warmup": 0}, "every": 2, "numbers": []}],
        "g_optimizer": {"name": "adam", "lr": 0.0005, "b1": 0.0, "b2": 0.99, "eps": null,
          "momentum": null, "decay": null, "weight_decay": null},
        "dynamics": {"name": "consensus", "weight": 0.2}, "g_loss_weight": null}"""
    )
    assert from_dict(values) == Config(
        generator=Network("dcgan", width=64, base=2),
        penalties=OTHER.penalties,
        g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
        dynamics=Dynamics("consensus", 0.2),
    )


def test_differences_of_parts():
    a = Config(generator=Network("dcgan", width=32), penalties=(Penalty("r1", 1.0),))
    b = Config(generator=Network("mlp", depth=1), penalties=(Penalty("r1", 2.0),))
    found = ["generator.name", "generator.width", "generator.depth", "penalties"]
    assert differences(a, b) == found


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_json(name):
    config = recipe(name)
    assert from_dict(to_dict(config)) == config and hash(from_dict(to_dict(config))) == hash(config)
    assert (
        differences(config, dataclasses.replace(config, generator=Network("mlp", width=7), seed=5))
        != []
    )


def test_differences_name_paths():
    changed = dataclasses.replace(Config(), seed=1, g_optimizer=Optimizer(lr=1.0))
    assert differences(Config(), changed) == ["g_optimizer.lr", "seed"]


@pytest.mark.parametrize(
    "values, words",
    [
        ({"sed": 1}, "did you mean 'seed'"),
        ({"seed": 1.5}, "seed must be an integer, not 1.5"),
        ({"seed": True}, "seed must be an integer, not True"),
        (
            {"g_optimizer": {"lr": {"strat": 3}}},
            r"config.g_optimizer.lr: field 'strat' is unknown; did you mean 'start'",
        ),
        ({"ema": {"start": 3}}, "config.ema lacks the field 'end'"),
        ({"generator": {"width": [3]}}, r"config.generator: width of dcgan must be .*, not \[3\]"),
        (
            {"penalties": [{"weight": 1.0}]},
            "config.penalties.0: the name must be a string, not None",
        ),
        ({"version": 3}, "config.version 3 is unknown; use 1 or 2"),
        ({"generator": 3}, "config.generator must be of type Network or a text .*, not 3"),
        ({"penalties": [{"name": "r1"}]}, "config.penalties.0: r1 needs a weight"),
        ({"penalties": "r1"}, "config.penalties must be a list, not 'r1'"),
    ],
)
def test_wrong_json_is_refused_by_path(values, words):
    with pytest.raises(ConfigError, match=words):
        from_dict(values)


def test_the_library_imports_no_command_line_parser():
    program = (
        "import sys, gan_jax.nn.conv, gan_jax.build; print('gan_jax.arguments' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
