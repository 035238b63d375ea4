"""Fixtures: corpora of these tests, and their token files."""

import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seqforge.data.encoding import encode_corpus
from seqforge.data.token_file import TokenFile

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def made() -> Iterator[ModuleType]:
    """Return the module `made_corpora`, which processes started by a test can import too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "corpora")
        yield importlib.import_module("made_corpora")


@pytest.fixture(scope="session")
def encoded(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TokenFile]:
    """Encode documents, given by name, in their own folder; as bytes if no vocabulary is given."""

    def encode(documents: Mapping[str, str], vocabulary: Any = None) -> TokenFile:
        folder = tmp_path_factory.getbasetemp() / f"encoded-{next(_NUMBERS)}"
        folder.mkdir()
        return encode_corpus(
            made.Documents(documents), vocabulary or made.VOCABULARIES["bytes"](), folder, lambda _: None
        )

    return encode
