"""Corpora of Python values."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import seqforge as sf
from seqforge.errors import DataError, ExperimentError
from seqforge.kinds import Classes, ExampleSpec, Numbers, Text

NUMBERS = ExampleSpec(Numbers(2), "sequence", Classes(("even", "odd")), "once")
SHORT: dict[str, Any] = {"training": {"steps": 3, "batch_size": 2}}


class Table(list[str]):
    """A table, which yields the names of its columns, as that of pandas."""

    columns = ("text",)


def test_a_generator_of_texts_is_a_corpus(tmp_path: Path) -> None:
    def generate() -> Iterator[str]:
        yield from (f"text {number} of several\n" for number in range(50))

    corpus = sf.texts(generate())
    experiment = sf.Experiment(corpus=corpus, model={"cells": [sf.use("gru", hidden_size=5)]}, **SHORT)
    run = sf.train(experiment, tmp_path)
    assert run.vocabulary().size == len(set("".join(generate())))
    assert run.sample("t", length=3).pop().startswith("t")
    with pytest.raises(ExperimentError, match="defined in a Python session"):
        sf.Run.open(run.path)
    opened = sf.Run.open(run.path, components=[corpus])
    assert opened.evaluate().loss == run.evaluate().loss
    assert sf.texts(generate())().fingerprint() == corpus().fingerprint() != sf.texts(["other"])().fingerprint()


def test_a_data_loader_of_pairs_is_a_labelled_corpus(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    points = [(torch.rand(4, 2, generator=generator), torch.tensor(index % 2)) for index in range(40)]
    experiment = sf.Experiment(
        corpus=sf.examples(iter(points), NUMBERS), model={"cells": ["gru"]}, data={"validation_fraction": 0.3}, **SHORT
    )
    run = sf.train(experiment, tmp_path)
    assert run.predict([np.zeros((3, 2), dtype=np.float32)])[0].text in ("even", "odd")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sf.texts("one text"), "takes a list of texts, not"),
        (lambda: sf.texts([]), "the iterable is empty"),
        (lambda: sf.texts(Table(["text"])), r"not a table\nName a column: texts\(table"),
        (lambda: sf.texts(iter(["a", 3])), "item 1 is an int, not a text"),
        (lambda: sf.examples([("a", "b", "c")], ExampleSpec(Text(), "sequence", Text(), "sequence")), "item 0 is not"),
        (lambda: sf.texts(["a", "b\udc80"]), "item 1 cannot be encoded in UTF-8"),
        (lambda: sf.examples([([[1], [2, 3]], 0)], NUMBERS), "a value of item 0 cannot become an array"),
        (lambda: sf.texts([sf.Document("a", cast("Any", "text"))]), "item 0 is a Document, not a text"),
        (lambda: sf.examples([sf.Example("a", cast("Any", [[1], [2, 3]]), 0)], NUMBERS), "a value of item 0 cannot"),
        (lambda: sf.examples([sf.Example("a", "b", 0, cast("Any", 1))], NUMBERS), "a value of item 0 cannot"),
        (lambda: sf.examples([], ExampleSpec(Text(), "sequence", Text(), "sequence")), "the iterable is empty"),
    ],
)
def test_an_empty_iterable_or_an_item_of_another_type_is_an_error(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_names_that_are_not_utf_8_and_tensors_with_a_gradient_are_accepted(tmp_path: Path) -> None:
    documents = [sf.Document(f"\udc80{number}", b"some text\n" * 9) for number in range(20)]
    run = sf.train(
        sf.Experiment(corpus=sf.texts(documents), model={"cells": ["gru"]}, data={"split": "document"}, **SHORT),
        tmp_path,
    )
    assert run.evaluate().loss > 0
    (example,) = sf.examples([(torch.ones(1, 2, requires_grad=True), 1)], NUMBERS)().examples()
    assert np.array_equal(example.input, np.ones((1, 2)))
