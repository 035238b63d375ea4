"""The metric `distinct`."""

import pytest
import seqforge_essentials.metrics as metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.metrics import Distinct


def test_values_computed_by_hand():
    texts = ["the cat sat on the cat", "the  dog\n"]
    values = Distinct(lengths=(1, 2, 6)).score(texts).values
    assert values == {"distinct_1": 5 / 8, "distinct_2": 5 / 6, "distinct_6": 1.0}
    assert Distinct(lengths=(2,), unit="characters").score(["abab", "ba"]).values == {"distinct_2": 2 / 4}


@settings(deadline=None)
@given(st.lists(st.text("ab \n")), st.sampled_from(["words", "characters"]), st.integers(1, 4))
def test_values_are_shares_of_different_ngrams(texts: list[str], unit: str, length: int):
    ngrams = []
    for text in texts:
        units = text.split() if unit == "words" else list(text)
        ngrams += [tuple(units[start : start + length]) for start in range(len(units) - length + 1)]
    expected = len(set(ngrams)) / len(ngrams) if ngrams else 0.0
    assert Distinct((length,), unit).score(texts).values == {f"distinct_{length}": expected}


@pytest.mark.parametrize("texts", [[], [""], ["", " \n"]])
def test_without_an_ngram_every_value_is_0(texts: list[str]):
    assert Distinct().score(texts).values == {"distinct_1": 0.0, "distinct_2": 0.0, "distinct_3": 0.0}


def test_texts_after_the_limit_are_ignored(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics, "_LIMIT", 5)
    assert Distinct((1,)).score(["a b c", "d e e e e e", "e e"]).values == {"distinct_1": 1.0}
    assert Distinct((1,), "characters").score(["abc", "deeee", "e"]).values == {"distinct_1": 1.0}
