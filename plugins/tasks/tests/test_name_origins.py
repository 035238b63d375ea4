"""Names: each of one origin, once, as they are written."""

import unicodedata
from collections import Counter

import pytest
import seqforge_tasks.name_origins as name_origins
from seqforge_tasks.name_origins import NameOrigins

from seqforge.errors import DataError
from seqforge.interfaces import Classes

EXAMPLES = list(NameOrigins().examples())


def names_of(origin: str) -> set[str]:
    spec = NameOrigins.example_spec({})
    assert isinstance(spec.target, Classes)
    return {example.input for example in EXAMPLES if spec.target.names[example.target] == origin}


def test_no_name_comes_twice_whatever_its_case():
    assert max(Counter(example.input.casefold() for example in EXAMPLES).values()) == 1


def test_names_are_where_they_belong():
    assert "Virtanen" in names_of("Finnish")
    assert "Bianchi" in names_of("Italian")
    assert "Trąbka" in names_of("Polish")
    assert "Röhrdanz" in names_of("German")


def test_a_name_of_several_origins_is_left_out():
    # Finland, France and Italy have a Rossi; England, the Netherlands, Quebec and Sweden a Smith.
    assert not {"Rossi", "Smith"} & {example.input for example in EXAMPLES}


def test_every_origin_has_some_hundred_names():
    assert min(Counter(example.target for example in EXAMPLES).values()) > 200


def test_names_are_latin_and_composed():
    for example in EXAMPLES:
        assert example.input == unicodedata.normalize("NFC", example.input).strip()
        assert all("LATIN" in unicodedata.name(letter) for letter in example.input if letter.isalpha())


def test_names_are_in_an_order_that_stays():
    assert [example.name for example in NameOrigins().examples()] == [example.name for example in EXAMPLES]


def test_a_list_that_faker_no_longer_has_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(name_origins, "_ORIGINS", {"Atlantean": ("xx_XX.last_names",), "Dutch": ("nl_NL.last_names",)})
    with pytest.raises(DataError, match="has no list xx_XX"):
        list(NameOrigins().examples())
    monkeypatch.setattr(name_origins, "_ORIGINS", {"Dutch": ("nl_NL.nothing",)})
    with pytest.raises(DataError, match="has no list nl_NL"):
        list(NameOrigins().examples())


def test_the_fingerprint_follows_the_lists(monkeypatch: pytest.MonkeyPatch):
    before = NameOrigins().fingerprint()
    monkeypatch.setattr(name_origins, "_ORIGINS", {"Dutch": ("nl_NL.last_names",)})
    assert NameOrigins().fingerprint() != before
