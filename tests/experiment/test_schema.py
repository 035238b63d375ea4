"""The JSON Schema accepts and rejects the same files as the check, as far as a schema can."""

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from seqforge.experiment.experiment import Experiment
from seqforge.experiment.schema import json_schema
from seqforge.kinds.table import KINDS
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.registry.registry import Registry

EXPERIMENTS = sorted(Path(__file__).parents[2].glob("experiments/*.toml"))
CORPUS = {"use": "inline", "text": "hello"}

BEYOND_A_SCHEMA = {
    "two incompatible values",
    "an option without effect beside another",
    # JSON has no such number, so that a schema accepts it.
    "a number that is NaN",
    "patience without a validation split",
    "an average that waits for evaluations, without a validation split",
    "tied weights of another size",
    "tied weights without an embedding",
    "a learned initial state of a stream that is reset once in an epoch",
    # The names are valid, but the corpus does not fit the topology.
    "the topology one-to-one",
    "the topology one-to-many",
    "the topology many-to-one",
    "the topology many-to-many",
}
"""Titles of the cases in messages.txt that the schema accepts."""


def validator(registry: Registry) -> jsonschema.Draft202012Validator:
    schema = json_schema(registry)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="session")
def sampled(samples: Registry) -> jsonschema.Draft202012Validator:
    return validator(samples)


@pytest.fixture(scope="session")
def installed(registry: Registry) -> jsonschema.Draft202012Validator:
    return validator(registry)


def mistakes() -> list[Any]:
    """Return the cases of messages.txt whose mistake is in the file, if the file is valid TOML."""
    text = Path(__file__).with_name("messages.txt").read_text(encoding="utf-8")
    found: list[Any] = []
    for case in text.split("#### ")[1:]:
        title, command, rest = case.split("\n", 2)
        if shlex.split(command)[3:] == ["mistake.toml"] and "not a TOML file" not in rest:
            found.append(pytest.param(title, rest.partition("---- message\n")[0], id=title))
    return found


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_every_experiment_of_the_repository_is_accepted(
    installed: jsonschema.Draft202012Validator, registry: Registry, path: Path
):
    installed.validate(tomllib.loads(path.read_text(encoding="utf-8")))
    installed.validate(tomllib.loads(Experiment.load(path, registry=registry).to_toml()))


@pytest.mark.parametrize(("title", "toml"), mistakes())
def test_the_schema_rejects_what_the_check_rejects(sampled: jsonschema.Draft202012Validator, title: str, toml: str):
    table = tomllib.loads(toml)
    if "corpus" not in toml:
        table["corpus"] = CORPUS
    assert sampled.is_valid(table) == (title in BEYOND_A_SCHEMA)


def test_the_schema_accepts_what_the_check_accepts(sampled: jsonschema.Draft202012Validator, samples: Registry):
    table = tomllib.loads(
        """
        plugins = { seqforge = "0.0.1" }
        [experiment]
        name = "all-of-it"
        seed = 3
        [corpus]
        use = "files"
        paths = ["a", "b"]
        [data]
        split = "document"
        validation_fraction = 0
        [model]
        topology = "synced"
        embedding_size = 8
        initializer = { use = "default" }
        [[model.cells]]
        use = "lstm"
        repeat = 2
        forget_bias = 1
        [[model.cells]]
        use = "extra/gru"
        [[model.cells]]
        use = "residual"
        inner = { use = "residual", inner = { use = "essentials/lstm", hidden_size = 3 } }
        [optimizer]
        use = "adam"
        decay = "none"
        [training]
        epochs = 2
        minutes = 0.5
        [sampling]
        prompt = "h"
        [[sampler]]
        use = "by-mode"
        mode = "slow"
        [[sampler]]
        use = "temperature"
        temperature = 1
        [[metrics]]
        use = "distinct"
        lengths = [2]
        """
    )
    experiment = Experiment.from_dict(table, registry=samples)
    sampled.validate(table)
    sampled.validate(tomllib.loads(experiment.to_toml()))
    sampled.validate({"corpus": CORPUS})
    without_use = {"corpus": CORPUS, "optimizer": {"decay": "none"}}
    assert Experiment.from_dict(without_use, registry=samples).table["optimizer"]["use"] == "essentials/adam"
    sampled.validate(without_use)
    sampled.validate({"corpus": {"use": "files", "paths": "a.txt"}})
    assert not sampled.is_valid({"corpus": {"use": "files", "paths": 3}})


def test_only_usable_components_are_listed(samples: Registry):
    definitions = json_schema(samples)["$defs"]
    named = {
        kind: [branch["properties"]["use"]["enum"] for branch in branches if "properties" in branch]
        for kind, branches in ((kind, definitions[kind].get("oneOf", [])) for kind in KINDS)
    }
    assert named["cell"] == [
        ["lstm", "essentials/lstm"],
        ["gru", "essentials/gru"],
        ["residual", "essentials/residual"],
        ["extra/gru"],
        ["extra/lstm"],
        ["minimal", "extra/minimal"],
    ]
    assert named["sampler"] == [
        ["temperature", "essentials/temperature"],
        ["greedy", "essentials/greedy"],
        ["by-mode", "extra/by-mode"],
    ]


def test_options_are_described_for_editors(samples: Registry):
    schema = json_schema(samples)
    cells = schema["$defs"]["cell"]["oneOf"]
    residual = next(branch for branch in cells if branch.get("title") == "essentials/residual")
    assert residual["properties"]["inner"]["description"] == "Cell with the skip connection."
    gru = next(branch for branch in cells if branch.get("title") == "extra/gru")
    assert gru["properties"]["hidden_size"]["description"] == "Features."
    assert gru["properties"]["hidden_size"]["default"] == 128
    for table in ("Identity", "Data", "Model", "Training", "Evaluation", "Sampling"):
        for property_schema in schema["$defs"][table]["properties"].values():
            assert "description" in property_schema
    for table in schema["properties"].values():
        assert "description" in table


def test_a_preset_has_its_values_as_defaults(samples: Registry):
    options = (("inner", {"use": "gru"}),)
    preset = Registration("cell", "presets", "residual-gru", "essentials/residual", None, options)
    plugin = Plugin("presets", "", "", "", PluginState.OK, registrations=(preset,))
    schema = validator(Registry([*samples.plugins, plugin]))
    for cell in ("residual-gru", {"use": "residual-gru"}):
        assert schema.is_valid({"corpus": CORPUS, "model": {"cells": [cell]}})
    assert not schema.is_valid({"corpus": CORPUS, "model": {"cells": ["residual"]}})
    (branch,) = (
        each for each in schema.schema["$defs"]["cell"]["oneOf"] if "residual-gru" in str(each.get("properties"))
    )
    assert branch["properties"]["inner"]["default"] == {"use": "gru"}


def test_without_plugins_no_component_is_accepted():
    empty = validator(Registry([]))
    assert not empty.is_valid({"corpus": CORPUS})
    assert not empty.is_valid({})
