"""The longest matches against a search for substrings, and the metric that counts them."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials import memorization
from seqforge_essentials.memorization import (
    Memorization,
    count_without_repetitions,
    find_copies,
    find_match_lengths,
)

from seqforge.kinds import Finding

TRAINING = ["the first document of the training text, ", "and the second one: é漢😀\0\ud800."]

# Few letters, so that there are long matches. The others have 1 to 4 bytes in UTF-8, some with a common first byte.
texts = st.text(st.sampled_from("ab\0éè漢😀\ud800"), max_size=60)


def fitted(folder: Path, length: int = 50, documents: Sequence[str] = TRAINING) -> Memorization:
    metric = Memorization(length)
    metric.fit(iter(documents), folder)
    metric.restore(folder)
    return metric


def longest_match(training: str, text: str) -> int:
    return next(size for size in range(len(text), -1, -1) if text[:size] in training)


@given(st.lists(texts, max_size=3), texts)
def test_matches_are_the_longest_common_substrings(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str], text: str
) -> None:
    folder = tmp_path_factory.mktemp("index")
    found = find_match_lengths(fitted(folder, documents=documents)._pieces, text).tolist()
    assert found == [longest_match("".join(documents), text[start:]) for start in range(len(text))]


@settings(max_examples=30)
@given(st.lists(st.text("ab", min_size=20), max_size=5), st.text("ab", max_size=30))
def test_pieces_find_all_matches_up_to_their_overlap(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str], text: str
) -> None:
    folder = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memorization, "PIECE", 32)
        patch.setattr(memorization, "OVERLAP", 8)
        pieces = fitted(folder, documents=documents)._pieces
    assert len(list(folder.glob("*.text"))) >= sum(map(len, documents)) / 32
    for start, found in enumerate(find_match_lengths(pieces, text).tolist()):
        longest = longest_match("".join(documents), text[start:])
        assert min(longest, 8) <= found <= longest


def test_a_long_copy_takes_few_searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = "".join(map(chr, range(0x4E00, 0x5E00)))
    pieces = fitted(tmp_path, documents=[training])._pieces
    search, searched = getattr(memorization, "_search"), list[int]()  # noqa: B009 - it is private
    monkeypatch.setattr(memorization, "_search", lambda *given: searched.extend(given[2]) or search(*given))
    lengths = find_match_lengths(pieces, training[1000:3000]).tolist()
    assert lengths == [*range(2000, 0, -1)]
    assert len(searched) < 30


def test_copies_have_their_share_and_their_places(tmp_path: Path) -> None:
    # Matches cross the border of documents, as the model reads the text.
    score = fitted(tmp_path, 10).score(["new: text, and the second, new", "", "the"])
    assert score.values == {"longest": 21.0, "mean_longest": (21 + 3) / 2, "copied": 21 / 33}
    assert score.findings == (
        Finding(0, 4, 25, "copied from the training text (longest match: 21 characters)", "warning"),
    )


def test_matches_that_overlap_are_one_copy() -> None:
    lengths = [3, 2, 1, 4, 3, 2, 1, 0, 3, 2, 1]
    assert find_copies(lengths, lengths, 3) == [(0, 7, 4), (8, 11, 3)]
    assert find_copies([], [], 1) == []


@given(st.lists(st.tuples(st.sampled_from("ab "), st.integers(1, 4)), max_size=12), st.data())
def test_a_run_of_one_character_counts_once(runs: list[tuple[str, int]], data: st.DataObject) -> None:
    text = "".join(character * count for character, count in runs)
    lengths = [data.draw(st.integers(0, len(text) - start)) for start in range(len(text))]
    collapsed = [len(list(groupby(text[start : start + length]))) for start, length in enumerate(lengths)]
    assert count_without_repetitions(text, np.array(lengths, dtype=np.int64)).tolist() == collapsed


def test_rows_of_one_character_are_no_copies(tmp_path: Path) -> None:
    metric = fitted(tmp_path, 5, ["a" + " " * 30 + "|" + "*" * 30 + "|", "\t\t\tint i;"])
    assert metric.score([" " * 20, "*" * 20 + "|"]).values == {"longest": 2.0, "mean_longest": 1.5, "copied": 0.0}
    copied = metric.score(["x\t\t\tint i;"])
    assert copied.values == {"longest": 7.0, "mean_longest": 7.0, "copied": 9 / 10}


def test_only_the_first_characters_are_searched_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge_essentials.memorization._LIMIT", 8)
    score = fitted(tmp_path, 3).score(["the fir", "the fir", "the fir"])
    assert score.weights == {"mean_longest": 2, "copied": 8}
