"""Mixtures: shares by weight, every token as often as its source allows, and a run with the loss of each source."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqforge as sf
from seqforge.data.splits import Mixture, Spans, divide, mix
from seqforge.errors import DataError, ExperimentError, PluginError

PIECES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def pieces(*lengths: int, start: int = 0) -> Spans:
    stops = np.cumsum(lengths) + start
    return Spans(stops - np.array(lengths), stops)


def tokens(spans: Spans) -> list[int]:
    return [token for start, stop in zip(spans.starts, spans.stops, strict=True) for token in range(start, stop)]


@given(first=PIECES, second=PIECES, share=st.integers(1, 40), seed=st.integers(0, 9), shuffle=st.booleans())
def test_each_source_is_read_round_and_round(
    first: list[int], second: list[int], share: int, seed: int, shuffle: bool
) -> None:
    sources = [pieces(*first), pieces(*second, start=1000)]
    mixture = Mixture(sources, [share, 2 * share])
    read: Counter[int] = Counter()
    for epoch in range(4):
        spans = mixture.of_epoch(epoch, seed, shuffle)
        assert spans.length == mixture.length == 3 * share
        assert tokens(spans) == tokens(mixture.of_epoch(epoch, seed, shuffle))
        read.update(tokens(spans))
    for source, total in zip(sources, (4 * share, 8 * share), strict=True):
        own = [read[token] for token in tokens(source)]
        assert sum(own) == total
        assert max(own) - min(own) <= 1  # nothing is read a third time before all is read twice


def test_without_shuffling_a_source_goes_on_where_it_stopped() -> None:
    mixture = Mixture([pieces(2, 3), pieces(4, start=10)], [3, 2])
    assert tokens(mixture.of_epoch(0, 0, shuffle=False)) == [0, 1, 2, 10, 11]
    assert tokens(mixture.of_epoch(1, 0, shuffle=False)) == [3, 4, 0, 12, 13]


def test_a_split_is_divided_by_the_first_part_of_the_names(encoded: Callable[..., Any]) -> None:
    file = encoded({"a/x": "aaa", "b/y": "bb", "a/z": "a"})
    spans = Spans(np.array([0, 3, 5]), np.array([3, 5, 6]))
    divided = divide(spans, file, {"a": 1.0, "b": 3.0})
    assert {name: tokens(part) for name, part in divided.items()} == {"a": [0, 1, 2, 5], "b": [3, 4]}
    assert mix(spans, file, {"a": 1.0, "b": 3.0}).shares == [2, 4]
    with pytest.raises(DataError, match="the source 'c' has no text in the training split"):
        mix(spans, file, {"a": 1.0, "c": 1.0})


def experiment(
    first: str = "ab" * 300, second: str = "cd" * 1500, vocabulary: str = "characters", steps: int = 20, **corpus: Any
) -> sf.Experiment:
    parts = [sf.use("inline", text=first), sf.use("inline", text=second)]
    return sf.Experiment(
        corpus=sf.use("mixture", corpora=parts, **corpus),
        vocabulary=vocabulary,
        model={"cells": [sf.use("gru", hidden_size=8)]},
        data={"validation_fraction": 0.2, "piece_length": 100},
        training={"steps": steps, "batch_size": 4, "sequence_length": 10, "backend": "eager"},
        evaluation={"interval": 10},
        sampling={"length": 1},
        optimizer=sf.use("adamw", learning_rate=0.02),
    )


def test_a_run_states_the_loss_of_each_source(tmp_path: Path) -> None:
    run = sf.train(experiment(weights=[3.0, 1.0], names=["first", "second"]), output=tmp_path, progress=False)
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    evaluated = [line for line in lines if line["event"] == "evaluation"]
    # The end of the text is held out, and all of it belongs to the second source.
    assert {name for name in evaluated[-1] if name.endswith(".bits_per_character")} == {"second.bits_per_character"}
    assert evaluated[-1]["second.bits_per_character"] == pytest.approx(evaluated[-1]["bits_per_character"])
    score = run.evaluate("training")
    assert score.sources.keys() == {"first", "second"}
    assert min(score.sources.values()) < score.bits_per_character < max(score.sources.values())


def test_the_bits_of_a_source_are_those_of_its_own_characters(tmp_path: Path) -> None:
    letters = "".join(random.Random(0).choices("abcdefgh", k=600))
    options = {"vocabulary": "bytes", "steps": 100, "weights": [1.0, 1.0], "names": ["first", "second"]}
    chosen = experiment(letters, "éé" * 1500, **options)
    score = sf.train(chosen, output=tmp_path, progress=False).evaluate("training")
    # The whole text of the first source, and what is not held out of the second, whose characters have two bytes.
    characters = {"first": 600, "second": 0.8 * 6600 / 2 - 300}
    assert score.sources["first"] > score.sources["second"]
    total = sum(score.sources[name] * count for name, count in characters.items())
    assert total == pytest.approx(score.bits_per_character * sum(characters.values()), rel=0.02)


@pytest.mark.parametrize(("text", "scored"), [("a", {"second"}), ("ab", {"first", "second"})])
def test_a_source_needs_two_symbols_to_be_scored(tmp_path: Path, text: str, scored: set[str]) -> None:
    chosen = experiment(text, "ab" * 300, names=["first", "second"], weights=[1.0, 1.0])
    run = sf.train(chosen, output=tmp_path, progress=False)
    assert run.evaluate("training").sources.keys() == scored


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1.0]}, "there are 2 corpora, which need as many weights and names"),
        ({"weights": [1.0, 0.0]}, "greater than 0"),
        ({"names": ["a", "a"]}, "the names must differ"),
        ({"names": ["a/b", "c"]}, "have no slash"),
    ],
)
def test_wrong_weights_and_names_are_errors(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((ExperimentError, PluginError), match=message):
        sf.train(experiment(**options), output=tmp_path, progress=False)


def test_a_mixture_in_a_mixture_is_an_error(tmp_path: Path) -> None:
    texts = [sf.use("inline", text="ab" * 300)] * 2
    nested = sf.use("mixture", corpora=[sf.use("mixture", corpora=texts), texts[0]])
    with pytest.raises(PluginError, match="a corpus of a mixture has weights of its own"):
        sf.train(sf.Experiment(corpus=nested, training={"steps": 1}), output=tmp_path, progress=False)
