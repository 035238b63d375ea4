"""Pairs of brackets, and the measurement of a trained run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.bracket_distances.__main__ import main
from benchmarks.bracket_distances.measure import BracketScore, measure
from benchmarks.bracket_distances.pairs import Pair, find_pairs
from seqforge import Experiment, Run, train
from seqforge.data.dataset import prepare
from seqforge.errors import DataError
from seqforge.evaluation.baseline import held_out_windows


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("f(a[1])", [(3, 5, True), (1, 6, True)]),
        ("/* ( */ ) ( ) '(' \")\"", [(10, 12, True)]),
        ("{ ( ] ) } [ ]", [(2, 4, False), (10, 12, True)]),
        ("#define X (\n{ }", [(12, 14, True)]),
        ("}) ()", [(3, 4, True)]),
        ("", []),
    ],
)
def test_pairs_are_those_of_code(text: str, pairs: list[tuple[int, int, bool]]) -> None:
    assert find_pairs(text) == [Pair(*pair) for pair in pairs]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    blocks = ["if (a[1]) { b(); }\n", "while (x) { y[z]; c(); c(); }\n"]
    text = "".join(blocks[number * number % 3 % 2] for number in range(400))
    table: dict[str, Any] = {
        "corpus": {"use": "inline", "text": text},
        "data": {"validation_fraction": 0.2},
        "model": {"cells": [{"use": "rnn", "hidden_size": 8}]},
        "training": {"steps": 2, "batch_size": 2, "sequence_length": 8},
        "experiment": {"name": "brackets"},
    }
    return train(Experiment.from_dict(table), tmp_path_factory.mktemp("runs"), progress=False)


def measured(run: Run, kinds: str = ")]}", **options: Any) -> list[BracketScore]:
    defaults: dict[str, Any] = {"windows": 40, "length": 80, "checkpoint": "best"}
    return measure(run, kinds, [2, 10], report=lambda _: None, **defaults | options)


def test_an_ngram_model_is_right_as_far_as_it_reads(run: Run) -> None:
    found = measured(run)
    assert [(each.shortest, each.longest) for each in found] == [(1, 1), (2, 3), (4, 7), (16, 31)]
    assert found[0].probability.keys() == {"model", "2-gram", "10-gram"}
    # In this text, the 10 characters before a bracket determine it.
    assert all(each.probability["10-gram"] > 0.9 and each.accuracy["10-gram"] == 1.0 for each in found)
    assert all(each.probability["2-gram"] < each.probability["10-gram"] for each in found)
    first = found[0]
    low, high = first.intervals["model"]
    assert low <= first.probability["model"] <= high


def test_the_probability_of_the_model_is_that_of_the_bracket_after_the_true_text(run: Run) -> None:
    (found,) = measured(run, "]", windows=1)
    (text,) = held_out_windows(prepare(run.experiment, lambda _: None), None, count=1, length=80, seed=1337)
    tokens = torch.from_numpy(run.vocabulary().encode(text).astype(np.int64)).unsqueeze(1)
    model = run.model(device="cpu")
    with torch.inference_mode():
        logits, _ = model(tokens, model.initial_states(1))
    probabilities = logits.double().softmax(-1)[:, 0]
    places = [place for place, character in enumerate(text) if character == "]"]
    expected = [probabilities[place - 1, tokens[place, 0]].item() for place in places]
    assert found.brackets == len(places) > 1
    assert found.probability["model"] == pytest.approx(sum(expected) / len(expected))


def test_errors_say_what_to_change(run: Run) -> None:
    with pytest.raises(DataError, match="no pair of these brackets"):
        measured(run, "}", length=3)
    with pytest.raises(DataError, match="no window of held-out text has one token for each character"):
        measured(run, length=50_000)


def test_a_run_on_labelled_examples_is_refused(run: Run, tmp_path: Path) -> None:
    table = {
        "corpus": {"use": "c-characters", "source": run.experiment.table["corpus"], "validation_fraction": 0.0},
        "model": run.experiment.table["model"],
        "training": {"steps": 1, "batch_size": 2},
    }
    with pytest.raises(DataError, match="trained on labelled examples"):
        measured(train(Experiment.from_dict(table), tmp_path, progress=False))


def test_the_command_prints_a_table_and_draws_a_chart(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "chart.svg"
    main([str(run.path), "--length", "80", "--orders", "3", "--chart", str(chart)])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows[0] == ["distance", "brackets", "model", "3-gram"]
    assert [row[0] for row in rows[2:]] == ["1–1", "2–3", "4–7", "16–31"]
    assert "3-gram" in chart.read_text("utf-8")
