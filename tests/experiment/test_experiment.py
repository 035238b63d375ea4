"""An experiment as a whole: defaults, names, paths, and the resolved table that a run stores."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqforge
from seqforge.errors import ExperimentError
from seqforge.experiment.experiment import Experiment
from seqforge.registry.registry import Registry

SMALLEST = {"corpus": {"use": "inline", "text": "hello"}}


def test_everything_except_the_corpus_has_a_default(samples: Registry):
    experiment = Experiment.from_dict(SMALLEST, registry=samples)
    assert experiment.table == {
        "experiment": {"name": "inline", "seed": 1337},
        "data": {"split": "position", "validation_fraction": 0.05, "test_fraction": 0.0, "shuffle": True},
        "model": {
            "topology": "synced",
            "dropout": 0.0,
            "tied_weights": False,
            "bidirectional": False,
            "initializer": {"use": "essentials/default"},
            "cells": [{"use": "essentials/lstm", "hidden_size": 128, "forget_bias": 1.0, "peepholes": False}],
        },
        "training": {
            "batch_size": 64,
            "sequence_length": 100,
            "accumulation": 1,
            "batch_tokens": 32_768,
            "scheduled_sampling": 0.0,
            "steps": 2000,
            "log_interval": 10,
            "checkpoint_interval": 500,
            "keep_checkpoints": 2,
            "precision": "float32",
            "backend": "auto",
            "deterministic": False,
            "device": "auto",
        },
        "evaluation": {"interval": "10%", "tokens": 1_000_000},
        "prediction": {"beam": 1, "length_normalization": 0.0, "length": 200},
        "sampling": {"interval": "10%", "length": 300, "count": 1},
        "corpus": {"use": "essentials/inline", "text": "hello"},
        "vocabulary": {"use": "essentials/characters"},
        "loss": {"use": "essentials/cross-entropy", "label_smoothing": 0.0},
        "optimizer": {"use": "essentials/adam", "learning_rate": 0.002, "decay": 0.9},
        "schedule": {"use": "essentials/constant"},
        "sampler": [{"use": "essentials/temperature", "temperature": 0.8}],
        "metrics": [],
        "trackers": [],
        "plugins": {"seqforge": seqforge.__version__, "essentials": ""},
        "distributions": {},
    }
    assert experiment.topology == "synced"
    assert experiment.model.embedding_size is None
    assert experiment.sampling.prompt is None


@pytest.mark.parametrize("limit", ["steps", "epochs", "minutes"])
def test_a_stated_limit_replaces_the_default_number_of_steps(samples: Registry, limit: str):
    training = Experiment.from_dict({**SMALLEST, "training": {limit: 3}}, registry=samples).training
    limits = {name: getattr(training, name) for name in ("steps", "epochs", "minutes")}
    assert limits == {"steps": None, "epochs": None, "minutes": None, limit: 3}


def test_repeated_cells_are_resolved_to_single_entries(samples: Registry):
    cells = [{"use": "lstm", "repeat": 2, "hidden_size": 8}, {"use": "extra/gru"}]
    experiment = Experiment.from_dict({**SMALLEST, "model": {"cells": cells}}, registry=samples)
    assert [cell.name for cell in experiment.model.cells] == ["essentials/lstm", "essentials/lstm", "extra/gru"]
    assert [cell["hidden_size"] for cell in experiment.table["model"]["cells"]] == [8, 8, 128]
    assert not any("repeat" in cell for cell in experiment.table["model"]["cells"])


def test_the_plugins_of_nested_components_are_recorded(samples: Registry):
    around = {"use": "essentials/residual", "inner": {"use": "extra/lstm"}}
    experiment = Experiment.from_dict({**SMALLEST, "model": {"cells": [around]}}, registry=samples)
    assert set(experiment.plugins) == {"seqforge", "essentials", "extra"}
    alone = Experiment.from_dict(SMALLEST, registry=samples)
    assert set(alone.plugins) == {"seqforge", "essentials"}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("linux-lstm.toml", "linux-lstm"),
        ("my notes.toml", "my-notes"),
        ("täglich.toml", "t-glich"),
        ("_draft_.toml", "draft"),
        (".toml", "toml"),
        ("ü.toml", "experiment"),
        (f"{'a' * 150}.toml", "a" * 100),
    ],
)
def test_an_experiment_without_a_name_has_the_name_of_its_file(tmp_path: Path, samples: Registry, file: str, name: str):
    path = tmp_path / file
    path.write_text('[corpus]\nuse = "inline"\ntext = "hello"\n')
    assert Experiment.load(path, registry=samples).identity.name == name
    assert Experiment.load(path, ['experiment.name="mine"'], samples).identity.name == "mine"


def test_paths_are_relative_to_the_file_in_every_working_directory(
    tmp_path: Path, samples: Registry, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "notes.toml").write_text('[corpus]\nuse = "files"\npaths = ["notes/*.txt", "/etc/motd"]\n')
    for here, path in (
        (tmp_path, "experiments/notes.toml"),
        (folder, "notes.toml"),
        (Path("/"), folder / "notes.toml"),
    ):
        monkeypatch.chdir(here)
        experiment = Experiment.load(path, registry=samples)
        assert experiment.table["corpus"]["paths"] == [f"{folder}/notes/*.txt", "/etc/motd"]


def test_one_string_is_accepted_for_a_list_of_paths(tmp_path: Path, samples: Registry):
    path = tmp_path / "notes.toml"
    path.write_text('[corpus]\nuse = "files"\npaths = "notes/*.txt"\n')
    assert Experiment.load(path, registry=samples).table["corpus"]["paths"] == [f"{tmp_path}/notes/*.txt"]
    changed = Experiment.load(path, ["corpus.paths=other.txt"], samples)
    assert changed.corpus.options["paths"] == [tmp_path / "other.txt"]


def test_a_folder_whose_name_is_not_utf8_is_an_error(tmp_path: Path, samples: Registry):
    folder = os.fsencode(tmp_path) + b"/\xff"
    Path(os.fsdecode(folder)).mkdir()
    with pytest.raises(ExperimentError, match=r"\\udcff': the name of the folder is not valid UTF-8"):
        Experiment.from_dict(SMALLEST, os.fsdecode(folder), samples)


_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
_fractions = st.floats(0, 0.49)
_counts = st.integers(1, 10**12)
_rates = st.floats(1e-300, 1e300)
_limits = st.floats(1e-300, 1e9)
_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_cells = st.recursive(
    st.fixed_dictionaries(
        {"use": st.sampled_from(["lstm", "essentials/lstm", "extra/lstm"])},
        optional={"hidden_size": _counts, "forget_bias": st.floats(-1e9, 1e9), "peepholes": st.booleans()},
    ),
    lambda inner: st.fixed_dictionaries({"use": st.just("residual"), "inner": inner}),
    max_leaves=3,
)
_repeated = st.tuples(_cells, st.integers(1, 3)).map(lambda drawn: {**drawn[0], "repeat": drawn[1]})
_experiments = st.fixed_dictionaries(
    {"corpus": _texts.map(lambda text: {"use": "inline", "text": text})},
    optional={
        "experiment": _some(name=_names, seed=st.integers(0, 2**63 - 1)),
        "data": _some(
            split=st.sampled_from(["position", "document"]),
            validation_fraction=_fractions,
            test_fraction=_fractions,
            shuffle=st.booleans(),
        )
        | _some(piece_length=st.integers(100, 10**12)),
        "model": _some(
            embedding_size=_counts,
            dropout=st.floats(0, 1, exclude_max=True),
            cells=st.lists(_cells | _repeated, min_size=1, max_size=3),
            initializer=st.just({"use": "default"}),
        ),
        "training": _some(
            batch_size=_counts, steps=_counts, epochs=_limits, minutes=_limits, gradient_clip_norm=_rates, device=_texts
        ),
        "sampling": _some(prompt=_texts, count=_counts),
        "optimizer": st.fixed_dictionaries(
            {"use": st.sampled_from(["adam", "essentials/adam"])},
            optional={"learning_rate": _rates, "decay": _rates | st.just("none")},
        ),
        "sampler": st.lists(_rates.map(lambda rate: {"use": "temperature", "temperature": rate}), max_size=2),
        "metrics": st.lists(st.just({"use": "distinct"}), max_size=2),
    },
)


@given(table=_experiments)
@settings(deadline=None)
def test_a_resolved_experiment_resolves_to_itself(samples: Registry, table: dict[str, Any]):
    first = Experiment.from_dict(table, registry=samples)
    read = tomllib.loads(first.to_toml())
    assert read == first.table
    again = Experiment.from_dict(read, "/elsewhere", samples)
    assert again == first
    assert again.to_toml() == first.to_toml()


@given(table=_experiments)
@settings(deadline=None)
def test_stated_values_are_the_values_of_the_experiment(samples: Registry, table: dict[str, Any]):
    experiment = Experiment.from_dict(table, registry=samples)
    for section in ("data", "training", "sampling"):
        for key, value in table.get(section, {}).items():
            assert getattr(getattr(experiment, section), key) == value
            assert experiment.table[section][key] == value
    assert experiment.corpus.build().text == table["corpus"]["text"]
    layers = [cell for cell in table.get("model", {}).get("cells", [{}]) for _ in range(cell.get("repeat", 1))]
    assert len(experiment.model.cells) == len(layers)
    assert experiment.optimizer.options["learning_rate"] == table.get("optimizer", {}).get("learning_rate", 0.002)


def test_a_resolved_experiment_is_read_from_its_file(tmp_path: Path, samples: Registry):
    path = tmp_path / "a.toml"
    table = {"corpus": {"use": "files", "paths": ["x"]}, "sampler": [{"use": "by-mode", "mode": "slow"}]}
    first = Experiment.from_dict(table, tmp_path, samples)
    path.write_text(first.to_toml(), encoding="utf-8")
    assert Experiment.load(path, registry=samples) == first
