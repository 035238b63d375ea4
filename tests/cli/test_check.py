"""`seqforge check` names every component of an experiment."""

import tomllib
from pathlib import Path

from typer.testing import CliRunner

from seqforge.cli.app import build_app
from seqforge.registry import Registry


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
