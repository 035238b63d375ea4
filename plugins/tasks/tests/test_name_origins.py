"""The corpus `name-origins`."""

import unicodedata
from collections import Counter

import pytest
from seqforge_tasks import words
from seqforge_tasks.words import NameOrigins

from seqforge.errors import DataError
from seqforge.kinds import Classes

EXAMPLES = list(NameOrigins().examples())


def names_of(origin: str) -> set[str]:
    spec = NameOrigins.example_spec({})
    assert isinstance(spec.target, Classes)
    return {example.input for example in EXAMPLES if spec.target.names[example.target] == origin}


def test_names_are_unique_regardless_of_case():
    assert max(Counter(example.input.casefold() for example in EXAMPLES).values()) == 1


def test_known_names_have_the_correct_origin():
    assert "Virtanen" in names_of("Finnish")
    assert "Bianchi" in names_of("Italian")
    assert "Trąbka" in names_of("Polish")
    assert "Röhrdanz" in names_of("German")


def test_names_of_several_origins_are_omitted():
    # Rossi is a surname in Finland, France and Italy, and Smith in England, the Netherlands, Quebec and Sweden.
    assert not {"Rossi", "Smith"} & {example.input for example in EXAMPLES}


def test_every_origin_has_more_than_200_names():
    assert min(Counter(example.target for example in EXAMPLES).values()) > 200


def test_names_are_in_latin_letters_and_normalized():
    for example in EXAMPLES:
        assert example.input == unicodedata.normalize("NFC", example.input).strip()
        assert all("LATIN" in unicodedata.name(letter) for letter in example.input if letter.isalpha())


def test_a_list_that_faker_lacks_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(words, "_ORIGINS", {"Atlantean": ("xx_XX.last_names",), "Dutch": ("nl_NL.last_names",)})
    with pytest.raises(DataError, match="has no list xx_XX"):
        list(NameOrigins().examples())
    monkeypatch.setattr(words, "_ORIGINS", {"Dutch": ("nl_NL.nothing",)})
    with pytest.raises(DataError, match="has no list nl_NL"):
        list(NameOrigins().examples())
