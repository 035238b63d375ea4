"""Arguments of wrong types in a Python session: each is an error that says what to pass."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

import seqforge as sf
from seqforge.errors import SeqforgeError
from seqforge.kinds import Cell

NOTHING: Any = None
NUMBER: Any = 5
CALLS: dict[str, tuple[Callable[[Any], object], str]] = {
    "a list of tables": (
        lambda run: sf.Experiment.from_dict(cast("Any", [1])),
        "an experiment is a dict of tables, not [1]",
    ),
    "a file as tables": (
        lambda run: sf.Experiment.from_dict(cast("Any", "small.toml")),
        "For a file: Experiment.load(path).",
    ),
    "tables as a file": (
        lambda run: sf.Experiment.load(cast("Any", {"corpus": 1})),
        "For tables: Experim",
    ),
    "one override": (
        lambda run: sf.Run.open(run.path, "training.steps=3"),
        "overrides are a list of assignments, not 'training.steps=3'",
    ),
    "overrides as text": (lambda run: sf.Run.open(run.path, cast("Any", "training.steps=1")), "overrides are a list"),
    "a number as a run": (lambda run: sf.Run.open(NUMBER), "or the name of a model, not by 5"),
    "an open run": (lambda run: sf.Run.open(run), 'For example: "runs/first-run"'),
    "one class": (lambda run: sf.Run.open(run.path, components=cast("Any", Cell)), "components are a list of classes"),
    "a name as a class": (
        lambda run: sf.Run.open(run.path, components=cast("Any", ["lstm"])),
        "a component is a class, not 'lstm'",
    ),
    "training a file": (
        lambda run: sf.train(cast("Any", "small.toml")),
        "train() takes an Experiment, not",
    ),
    "one callback": (
        lambda run: sf.train(run.experiment, run.path, callbacks=cast("Any", print)),
        "callbacks are a li",
    ),
    "comparing one run": (lambda run: sf.compare(cast("Any", run)), "compare() takes a list of runs, not <Run"),
    "comparing one path": (lambda run: sf.compare("runs/a"), "compare() takes a list of runs, not 'runs/a'"),
    "exporting a number": (lambda run: sf.export(NUMBER, "model"), "or the name of a model, not by 5"),
    "fine-tuning a number": (
        lambda run: sf.train(run.experiment, run.path, initial=NUMBER),
        "or the name of a model, not by 5",
    ),
    "texts by name": (lambda run: sf.texts(cast("Any", {"a": "b"})), "texts(…) takes a list of texts, not {'a': 'b'}"),
    "no texts": (lambda run: sf.texts(NOTHING), "texts(…) takes a list of texts, not None"),
    "no examples": (
        lambda run: sf.examples(NOTHING, sf.ExampleSpec(sf.Text(), "sequence", sf.Text(), "sequence")),
        "examples(…) takes a list of pairs, not None",
    ),
    "no shape of examples": (
        lambda run: sf.examples([("a", 0)], cast("Any", "text")),
        "the shape of the examples is an ExampleSpec, not 'text'\nFor example: ExampleSpec(",
    ),
    "no output folder": (lambda run: sf.train(run.experiment, NOTHING), "output is None, not a path"),
    "a number as a folder": (lambda run: sf.export(run, NUMBER), "folder is an int, not a path"),
    "a precision of weights that loses them": (
        lambda run: sf.export(run, "model", precision=cast("Any", "int8")),
        "weights cannot be stored in 'int8'\nKnown: bfloat16, float32.",
    ),
    "a setting without its table": (
        lambda run: run.resume(steps=cast("Any", 40)),
        "steps: an experiment has no table 'steps'. Move it to [training].",
    ),
    "a prompt of bytes": (lambda run: run.sample(cast("Any", b"a")), "the prompt is bytes, not text"),
    "a number as a text": (lambda run: run.states(NUMBER), "the text is an int, not text"),
    "no text": (lambda run: run.probabilities(NOTHING), "the text is None, not text"),
    "an empty text": (lambda run: run.inspect(""), "the text is empty\nPass at least one symbol."),
    "a text with an unknown symbol": (
        lambda run: run.states("a☃"),
        "the text's symbol '☃' at position 1 is not in the model's vocabulary\nThe vocabulary contains ",
    ),
    "a report of an unknown symbol": (
        lambda run: run.report("☃"),
        "the text of the report's symbol '☃' at position 0 ",
    ),
    "a report of no character": (
        lambda run: run.report("a\ud800"),
        r"the text of the report's symbol '\ud800' at position 1 is not a character",
    ),
    "a number to encode": (lambda run: run.vocabulary().encode(NUMBER), "the text to encode is an int, not text"),
    "a token id above the vocabulary": (
        lambda run: run.vocabulary().decode([0, 300]),
        "the token id 300 is not in the vocabulary of ",
    ),
    "a negative token id": (lambda run: run.vocabulary().decode([-1]), "Token ids range from 0 to "),
    "token ids that are no integers": (lambda run: run.vocabulary().decode([1.5]), "must be integers, not [1.5]"),
    "no list of token ids": (lambda run: run.vocabulary().decode(NUMBER), "must be integers, not "),
    "one cell": (
        lambda run: sf.Experiment(corpus=sf.texts(["a"]), model={"cells": sf.use("gru")}),
        "model.cells: should be a list, not {'use': 'gru'}. Write [[model.cells]] above each table",
    ),
    "the name of a metric": (
        lambda run: sf.Experiment(corpus=sf.texts(["a"]), metrics="bpc"),
        "or a list such as [use(",
    ),
    "a path as a corpus": (
        lambda run: sf.Experiment(corpus=Path("notes.txt")),
        'For a text file: use = "text" and files = "notes.txt", or --corpus text',
    ),
    "the name of a file as a corpus": (
        lambda run: sf.Experiment(corpus="notes.txt"),
        'For a text file: use = "text" and files = "notes.txt", or --corpus text',
    ),
    "a text as a corpus": (
        lambda run: sf.Experiment(corpus="a text " * 1000),
        "For texts in Python, pass corpus=texts([…]).",
    ),
    "comparing no runs": (lambda run: sf.compare([]), "a comparison needs two runs"),
    "a number for a report": (lambda run: run.report(NUMBER), "the text of the report is an int, not text"),
    "a length as text": (lambda run: run.sample(length=cast("Any", "5")), "length is '5'\nIt must be a whole number"),
    "half a sample": (lambda run: run.sample(count=cast("Any", 1.5)), "count is 1.5\nIt must be a whole number"),
    "a seed as text": (lambda run: run.sample(seed=cast("Any", "a")), "seed is 'a'\nIt must be a whole number"),
    "one sampler": (lambda run: run.sample(samplers=cast("Any", sf.use("greedy"))), "sampler: should be a list, not {"),
    "a number as a device": (lambda run: run.sample(device=NUMBER), "this machine has no device '5'"),
    "a precision that does not exist": (
        lambda run: run.sample(precision=cast("Any", "bfloat")),
        "there is no precision 'bfloat'\nDid you mean 'bfloat16'?",
    ),
    "a number as a precision": (lambda run: run.sample(precision=NUMBER), "there is no precision 5"),
    "a number as a split": (lambda run: run.evaluate(NUMBER), "there is no split 5"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> sf.Run:
    experiment = sf.Experiment(
        corpus=sf.use("inline", text="a text of some words\n" * 10),
        model={"cells": [sf.use("rnn", hidden_size=4)]},
        training={"steps": 1, "batch_size": 1, "sequence_length": 8, "backend": "eager", "device": "cpu"},
    )
    return sf.train(experiment, tmp_path_factory.mktemp("runs"), progress=False)


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS.keys())
def test_a_wrong_type_is_an_error_that_says_what_to_pass(
    call: Callable[[Any], object],
    message: str,
    run: sf.Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    unchecked: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeqforgeError) as caught:
        call(run)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_deleted_run_directory_is_named(tmp_path: Path, run: sf.Run) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    deleted = sf.Run.open(tmp_path / "run")
    shutil.rmtree(deleted.path)
    calls = (deleted.sample, deleted.losses, deleted.metrics, deleted.vocabulary, deleted.resume)
    for call in calls:
        with pytest.raises(SeqforgeError, match="the run directory was deleted or moved after it was opened"):
            call()
    assert "0 steps" in repr(deleted)


def test_a_device_may_be_that_of_torch(run: sf.Run, unchecked: None) -> None:
    assert run.sample(length=3, device=cast("Any", torch.device("cpu"))) == run.sample(length=3, device="cpu")
