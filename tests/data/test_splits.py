"""Division of a corpus into training, validation and test splits."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqforge.data.dataset import Dataset
from seqforge.data.encoding import encode_corpus
from seqforge.data.splits import Spans, SplitName, split
from seqforge.data.token_file import TokenFile
from seqforge.kinds import Document

Encode = Callable[..., TokenFile]

_documents = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text("ab", min_size=1), min_size=1)
_fractions = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda drawn: sum(drawn) < 1)
_methods = st.sampled_from(["position", "document"])


def indices(spans: Spans) -> list[int]:
    return [index for start, stop in zip(spans.starts, spans.stops, strict=True) for index in range(start, stop)]


def documents_of(token_file: TokenFile, spans: Spans) -> set[str]:
    return {token_file.names[int(np.searchsorted(token_file.stops, stop))] for stop in spans.stops}


@given(documents=_documents, by=_methods, fractions=_fractions)
@settings(deadline=None)
def test_every_token_is_in_exactly_one_split(
    encoded: Encode, documents: dict[str, str], by: Any, fractions: tuple[float, float]
):
    token_file = encoded(documents)
    splits = split(token_file, by, *fractions)
    assert set(splits) == {"training", "validation", "test"}
    together = [index for spans in splits.values() for index in indices(spans)]
    assert sorted(together) == list(range(token_file.length))
    for spans in splits.values():
        assert spans.length == len(indices(spans))
        assert (spans.stops > spans.starts).all()
        # Each split keeps the order of the corpus.
        assert indices(spans) == sorted(indices(spans))


@given(documents=_documents, fractions=_fractions)
@settings(deadline=None)
def test_by_position_the_end_of_the_corpus_is_held_out_in_order(
    encoded: Encode, documents: dict[str, str], fractions: tuple[float, float]
):
    token_file = encoded(documents)
    splits = split(token_file, "position", *fractions)
    order: list[SplitName] = ["training", "validation", "test"]
    assert [index for name in order for index in indices(splits[name])] == list(range(token_file.length))
    assert splits["validation"].length == pytest.approx(fractions[0] * token_file.length, abs=1)
    assert splits["test"].length == pytest.approx(fractions[1] * token_file.length, abs=1)


def test_by_position_a_document_may_be_divided(encoded: Encode):
    token_file = encoded({"a": "x" * 40, "b": "y" * 60})
    splits = split(token_file, "position", 0.2, 0.1)
    pieces = {name: list(zip(spans.starts, spans.stops, strict=True)) for name, spans in splits.items()}
    assert pieces == {"training": [(0, 40), (40, 70)], "validation": [(70, 90)], "test": [(90, 100)]}
    splits = split(token_file, "position", 0.7, 0.1)
    assert list(zip(splits["validation"].starts, splits["validation"].stops, strict=True)) == [(20, 40), (40, 90)]


@pytest.mark.parametrize("by", ["position", "document"])
def test_with_fractions_of_zero_nothing_is_held_out(encoded: Encode, by: Any):
    splits = split(encoded({"a": "x" * 40, "b": "y" * 60}), by, 0.0, 0.0)
    assert {name: spans.length for name, spans in splits.items()} == {"training": 100, "validation": 0, "test": 0}


@given(documents=_documents, more=_documents, fractions=_fractions)
@settings(deadline=None, max_examples=50)
def test_by_document_a_document_stays_in_its_split_as_the_corpus_grows(
    encoded: Encode, documents: dict[str, str], more: dict[str, str], fractions: tuple[float, float]
):
    before, after = encoded(documents), encoded({**more, **documents})
    old, new = (split(token_file, "document", *fractions) for token_file in (before, after))
    for name in old:
        assert documents_of(before, old[name]) == documents_of(after, new[name]) & documents.keys()


def test_by_document_the_fractions_count_documents(encoded: Encode):
    token_file = encoded({f"document {number}": "x" for number in range(4000)})
    splits = split(token_file, "document", 0.2, 0.1)
    # Three standard deviations of a binomial distribution.
    assert splits["validation"].length == pytest.approx(800, abs=76)
    assert splits["test"].length == pytest.approx(400, abs=57)


def test_by_document_a_larger_fraction_contains_a_smaller_one(encoded: Encode):
    token_file = encoded({f"document {number}": "x" for number in range(300)})
    held_out = [documents_of(token_file, split(token_file, "document", part, 0.0)["validation"]) for part in (0.1, 0.3)]
    assert held_out[0] < held_out[1]


def test_by_document_the_split_of_a_name_never_changes(encoded: Encode):
    # If a later version moved documents between splits, old models would be scored on documents of their training.
    token_file = encoded(dict.fromkeys(("kernel/fork.c", "kernel/exit.c", "kernel/sched/core.c", "README"), "x"))
    splits = split(token_file, "document", 0.4, 0.2)
    found = {name: sorted(documents_of(token_file, spans)) for name, spans in splits.items()}
    assert found == {
        "training": ["kernel/exit.c", "kernel/fork.c"],
        "validation": ["README"],
        "test": ["kernel/sched/core.c"],
    }


def test_spans_can_be_reordered():
    spans = Spans(np.array([0, 5, 7]), np.array([5, 7, 9])).select(np.array([2, 0, 1]))
    assert list(zip(spans.starts, spans.stops, strict=True)) == [(7, 9), (0, 5), (5, 7)]
    assert spans.length == 9


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(1, 20))
def test_cut_spans_have_the_same_tokens_in_pieces_of_one_document(sizes: list[int], length: int):
    stops = np.cumsum(sizes)
    spans = Spans(stops - sizes, stops).cut(length)
    assert indices(spans) == list(range(sum(sizes)))
    pieces = [min(length, size - start) for size in sizes for start in range(0, size, length)]
    assert (spans.stops - spans.starts).tolist() == pieces


def test_parts_of_a_document_are_one_document(encoded: Encode, made: ModuleType):
    class Parts(made.Documents):
        def documents(self) -> Iterator[Document]:
            for name, text in (("a", "one"), ("b", "twö "), ("b", "€"), ("b", " three"), ("a", "four")):
                yield Document(name, text.encode())

    folder = encoded({"a": "one"}).folder
    file = encode_corpus(Parts({}), made.VOCABULARIES["characters"](), folder, lambda _: None)
    whole = split(file, "position", 0.0, 0.0)["training"]
    assert [whole.starts.tolist(), whole.stops.tolist()] == [[0, 3, 14], [3, 14, 18]]
    cut = whole.clip(1, 15).cut_at(file.stops)
    assert [cut.starts.tolist(), cut.stops.tolist()] == [[1, 3, 7, 8, 14], [3, 7, 8, 14, 15]]
    dataset = Dataset("", file, made.VOCABULARIES["characters"](), {"training": whole, "validation": whole.clip(0, 0)})
    assert dataset.characters_per_token("training") == 1
    assert dataset.characters_per_token("validation") == 1
