"""`seqforge check` names every component of an experiment."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seqforge.cli.app import build_app
from seqforge.registry.registry import Registry


def test_every_component_is_named(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(
        'metrics = [{use = "distinct"}]\nsampler = [{use = "greedy"}, {use = "top-k"}]\n[corpus]\nuse = "inline"\n'
        'text = "abcabc"\n[schedule]\nuse = "cosine"\n[model]\ncells = [{use = "gru", repeat = 2}, {use = "rnn"}]\n'
    )
    checked = CliRunner().invoke(build_app(registry), ["check", str(file)])
    assert checked.exit_code == 0, checked.exception
    heading, *lines = checked.stdout.splitlines()
    assert heading == f"{file}: valid"
    assert dict(line.split(maxsplit=1) for line in lines) == {
        "corpus": "essentials/inline",
        "vocabulary": "essentials/characters",
        "cells": "2 × essentials/gru, essentials/rnn",
        "initializer": "essentials/default",
        "loss": "essentials/cross-entropy",
        "optimizer": "essentials/adam",
        "schedule": "essentials/cosine",
        "samplers": "essentials/greedy, essentials/top-k",
        "metrics": "essentials/distinct",
    }


def test_components_are_replaced_as_in_a_run(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text('[corpus]\nuse = "inline"\ntext = "abcabc"\n')
    options = ["--cell", "gru", "--optimizer", "sgd", "--sampler", "greedy", "--backend", "eager", "--resolved"]
    checked = CliRunner().invoke(build_app(registry), ["check", str(file), *options])
    table = tomllib.loads(checked.stdout)
    assert table["model"]["cells"][0]["use"] == "essentials/gru"
    assert table["optimizer"]["use"] == "essentials/sgd"
    assert [sampler["use"] for sampler in table["sampler"]] == ["essentials/greedy"]
    assert table["training"]["backend"] == "eager"


def test_a_text_or_a_folder_of_texts_is_an_experiment(seqforge: Callable, tmp_path: Path) -> None:
    notes = tmp_path / "my notes"
    notes.mkdir()
    (notes / "one.txt").write_text("one two three")
    for path, files in ((notes / "one.txt", str(notes / "one.txt")), (notes, str(notes / "**"))):
        checked = seqforge("check", path, "--resolved")
        assert checked.returncode == 0, checked.stderr
        table = tomllib.loads(checked.stdout)
        assert table["corpus"]["files"] == [files]
        assert table["experiment"]["name"] == ("one" if path.is_file() else "my-notes")


@pytest.mark.parametrize(
    ("name", "corpus"), [("a.csv", "csv"), ("a.CSV.gz", "csv"), ("a.csv.txt", "text"), ("a.ndjson", "json-lines")]
)
def test_the_last_suffix_of_a_file_says_what_is_in_it(
    name: str, corpus: str, seqforge: Callable, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("text\nof a table\n")
    checked = seqforge("check", tmp_path / name)
    assert f"/{corpus}\n" in checked.stdout, checked.stderr


def test_options_set_the_keys_that_are_changed_most_often(seqforge: Callable, tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    file.write_text(
        '[corpus]\nuse = "inline"\ntext = "abc"\n[training]\nminutes = 3.0\nbatch_size = 2\n'
        '[optimizer]\nuse = "sgd"\nmomentum = 0.5\n[[model.cells]]\nuse = "gru"\n[[model.cells]]\nuse = "rnn"\n'
    )
    options = ["--steps", "7", "--lr", "0.25", "--hidden-size", "9"]
    table = tomllib.loads(seqforge("check", file, "--resolved", *options).stdout)
    assert table["training"]["steps"] == 7
    assert "minutes" not in table["training"]
    assert (table["optimizer"]["learning_rate"], table["optimizer"]["momentum"]) == (0.25, 0.5)
    assert [(cell["use"], cell["hidden_size"]) for cell in table["model"]["cells"]] == [
        ("essentials/gru", 9),
        ("essentials/rnn", 9),
    ]
    layers = tomllib.loads(seqforge("check", file, "--resolved", "--layers", "3", "--minutes", "2").stdout)
    assert [cell["use"] for cell in layers["model"]["cells"]] == ["essentials/gru"] * 3
    assert layers["training"]["minutes"] == 2.0
