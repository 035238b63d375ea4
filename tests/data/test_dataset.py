"""Preparation of the tokens, the vocabulary and the splits of an experiment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqforge import Experiment, Registry
from seqforge.data import Dataset, prepare
from seqforge.errors import DataError

Prepare = Callable[..., Dataset]

# 31 characters in 37 bytes, and 20 in 20.
FILES = {"a.txt": "öffne die Tür, grüße süß, danke", "b.txt": "twenty characters.\n\n"}


@pytest.fixture
def prepared(tmp_path: Path, registry: Registry) -> Prepare:
    """Prepare the two files; keyword arguments replace tables of the experiment."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def make(**tables: Any) -> Dataset:
        table = {
            "corpus": {"use": "text", "files": ["*.txt"]},
            "model": {"cells": [{"use": "essentials/lstm"}]},
            "data": {"validation_fraction": 0.0},
            **tables,
        }
        return prepare(Experiment.from_dict(table, tmp_path, registry), lambda _: None)

    return make


def test_an_experiment_is_prepared(prepared: Prepare, tmp_path: Path):
    dataset = prepared(vocabulary={"use": "bytes"}, data={"validation_fraction": 0.2, "test_fraction": 0.1})
    size = sum(len(text.encode()) for text in FILES.values())
    assert dataset.token_file.names == ["a.txt", "b.txt"]
    assert dataset.token_file.map().read().tobytes() == "".join(FILES.values()).encode()
    assert dataset.vocabulary.size == 256
    assert sum(spans.length for spans in dataset.splits.values()) == size
    assert dataset.splits["validation"].length == pytest.approx(0.2 * size, abs=1)
    assert dataset.description == f"2 files under {tmp_path}, {size} bytes"


def test_a_token_of_characters_is_a_character(prepared: Prepare):
    dataset = prepared(vocabulary={"use": "characters"})
    assert dataset.vocabulary.size == len(set("".join(FILES.values())))
    assert dataset.characters_per_token("training") == 1.0
    assert dataset.characters_per_token("validation") == 1.0  # Which is empty.


def test_a_token_of_bytes_is_a_part_of_a_character(prepared: Prepare):
    dataset = prepared(vocabulary={"use": "bytes"}, data={"validation_fraction": 20 / 57})
    first, second = FILES.values()
    assert (len(first), len(first.encode()), len(second), len(second.encode())) == (31, 37, 20, 20)
    # The training split is the first file, the validation split the second.
    assert dataset.characters_per_token("training") == pytest.approx(31 / 37)
    assert dataset.characters_per_token("validation") == 1.0
    # A document that is partly in a split counts in proportion to its tokens there.
    cut = prepared(vocabulary={"use": "bytes"}, data={"validation_fraction": 38 / 57})
    assert cut.splits["validation"].length == 38
    assert cut.characters_per_token("validation") == pytest.approx((18 * 31 / 37 + 20) / 38)


def test_the_cache_distinguishes_contents_options_and_vocabularies(prepared: Prepare, tmp_path: Path):
    folders = [
        prepared().token_file.folder,
        prepared(vocabulary={"use": "bytes"}).token_file.folder,
        prepared(corpus={"use": "text", "files": ["a.txt"]}).token_file.folder,
        prepared(corpus={"use": "text", "files": ["*.txt"], "encoding": "latin-1"}).token_file.folder,
    ]
    assert len(set(folders)) == 4
    assert prepared(data={"validation_fraction": 0.5}, training={"steps": 3}).token_file.folder == folders[0]
    (tmp_path / "b.txt").write_text("another text")
    assert prepared().token_file.folder not in folders


def test_a_missing_corpus_is_an_error(prepared: Prepare, tmp_path: Path):
    with pytest.raises(DataError, match=r"no file matches .*/nothing\.md"):
        prepared(corpus={"use": "text", "files": ["nothing.md"]})
    assert not (tmp_path / "cache").exists()
