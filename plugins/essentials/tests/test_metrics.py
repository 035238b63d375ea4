"""Distinct-n."""

import pytest
import seqforge_essentials.metrics as distinct
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.metrics import Distinct


def test_values_worked_out_by_hand():
    texts = ["the cat sat on the cat", "the  dog\n"]
    values = Distinct(lengths=(1, 2, 6)).score(texts).values
    assert values == {"distinct_1": 5 / 8, "distinct_2": 5 / 6, "distinct_6": 1.0}
    assert Distinct(lengths=(2,), unit="characters").score(["abab", "ba"]).values == {"distinct_2": 2 / 4}


@settings(deadline=None)
@given(st.lists(st.text("ab \n")), st.sampled_from(["words", "characters"]), st.integers(1, 4))
def test_it_is_the_share_of_different_runs(texts: list[str], unit: str, length: int):
    runs = []
    for text in texts:
        units = text.split() if unit == "words" else list(text)
        runs += [tuple(units[start : start + length]) for start in range(len(units) - length + 1)]
    expected = len(set(runs)) / len(runs) if runs else 0.0
    assert Distinct((length,), unit).score(texts).values == {f"distinct_{length}": expected}


@pytest.mark.parametrize("texts", [[], [""], ["", " \n"]])
def test_without_a_run_every_figure_is_0(texts: list[str]):
    assert Distinct().score(texts).values == {"distinct_1": 0.0, "distinct_2": 0.0, "distinct_3": 0.0}


def test_only_so_much_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(distinct, "_LIMIT", 5)
    assert Distinct((1,)).score(["a b c", "d e e e e e", "e e"]).values == {"distinct_1": 1.0}
    assert Distinct((1,), "characters").score(["abc", "deeee", "e"]).values == {"distinct_1": 1.0}
