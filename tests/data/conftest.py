"""Corpora for these tests, and their token files."""

import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seqforge.data import TokenFile, encode_corpus

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def made() -> Iterator[ModuleType]:
    """The module `made_corpora`, which other processes can import too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "corpora")
        yield importlib.import_module("made_corpora")


@pytest.fixture(scope="session")
def encoded(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TokenFile]:
    """Encode documents in a new folder, by default with a vocabulary of bytes."""

    def encode(documents: Mapping[str, str], vocabulary: Any = None) -> TokenFile:
        folder = tmp_path_factory.getbasetemp() / f"encoded-{next(_NUMBERS)}"
        folder.mkdir()
        return encode_corpus(
            made.Documents(documents), vocabulary or made.VOCABULARIES["bytes"](), folder, lambda _: None
        )

    return encode
