"""Preparing the corpus of an experiment: tokens, vocabulary and splits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqforge import Experiment, Registry
from seqforge.data.dataset import Dataset, prepare
from seqforge.errors import DataError
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration

Prepare = Callable[..., Dataset]

# 31 characters in 37 bytes, and 20 characters in 20 bytes.
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


def test_a_dataset_has_tokens_vocabulary_splits_and_a_description(prepared: Prepare, tmp_path: Path):
    dataset = prepared(vocabulary={"use": "bytes"}, data={"validation_fraction": 0.2, "test_fraction": 0.1})
    size = sum(len(text.encode()) for text in FILES.values())
    assert dataset.token_file.names == ["a.txt", "b.txt"]
    assert dataset.token_file.map().read().tobytes() == "".join(FILES.values()).encode()
    assert dataset.vocabulary.size == 256
    assert sum(spans.length for spans in dataset.splits.values()) == size
    assert dataset.splits["validation"].length == pytest.approx(0.2 * size, abs=1)
    assert dataset.description == f"2 files under {tmp_path}, {size} bytes"


def test_with_characters_a_token_is_one_character(prepared: Prepare):
    dataset = prepared(vocabulary={"use": "characters"})
    assert dataset.vocabulary.size == len(set("".join(FILES.values())))
    assert dataset.characters_per_token("training") == 1.0
    assert dataset.characters_per_token("validation") == 1.0  # an empty split
    assert dataset.characters_per_byte("training") == 51 / 57
    assert dataset.characters_per_byte("validation") == 1.0


def test_with_bytes_a_token_may_be_part_of_a_character(prepared: Prepare):
    dataset = prepared(vocabulary={"use": "bytes"}, data={"validation_fraction": 20 / 57})
    first, second = FILES.values()
    assert (len(first), len(first.encode()), len(second), len(second.encode())) == (31, 37, 20, 20)
    # The training split is the first file, the validation split the second.
    assert dataset.characters_per_token("training") == pytest.approx(31 / 37)
    assert dataset.characters_per_token("validation") == 1.0


@pytest.mark.parametrize("validation", range(1, 57))
def test_the_characters_of_a_part_of_a_document_are_those_that_begin_in_it(prepared: Prepare, validation: int):
    dataset = prepared(vocabulary={"use": "bytes"}, data={"validation_fraction": validation / 57})
    content = "".join(FILES.values()).encode()
    for name, part in (("training", content[:-validation]), ("validation", content[-validation:])):
        begun = sum(byte & 0xC0 != 0x80 for byte in part)
        assert dataset.characters_per_token(name) == dataset.characters_per_byte(name) == begun / len(part)


@pytest.mark.parametrize("validation", range(1, 51))
def test_the_bytes_of_a_part_of_a_document_are_those_of_its_characters(prepared: Prepare, validation: int):
    dataset = prepared(vocabulary={"use": "characters"}, data={"validation_fraction": validation / 51})
    text = "".join(FILES.values())
    for name, part in (("training", text[:-validation]), ("validation", text[-validation:])):
        assert dataset.characters_per_byte(name) == len(part) / len(part.encode())


def test_a_split_inside_of_a_character_counts_as_one_character(prepared: Prepare):
    fractions = {"validation_fraction": 2 / 6, "test_fraction": 1 / 6}
    dataset = prepared(corpus={"use": "inline", "text": "aa😀"}, vocabulary={"use": "bytes"}, data=fractions)
    assert dataset.splits["validation"].length == 2
    assert dataset.characters_per_token("validation") == 0.5


def test_other_contents_options_or_vocabularies_have_another_cache_folder(prepared: Prepare, tmp_path: Path):
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


def test_a_change_of_the_code_of_a_corpus_has_another_cache_folder(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    module = tmp_path / "edited_corpus.py"
    module.write_text(
        "from seqforge_essentials.corpora import InlineText\n"
        "class Edited(InlineText):\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__('abcabcabc')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = (Registration("corpus", "edited", "edited", "edited_corpus:Edited"),)

    def encode(version: str) -> Path:
        plugin = Plugin("edited", "", "", version, PluginState.OK, registrations=found)
        table = {"corpus": {"use": "edited"}, "model": {"cells": [{"use": "essentials/lstm"}]}}
        experiment = Experiment.from_dict(table, tmp_path, Registry([*registry.plugins, plugin]))
        return prepare(experiment, lambda _: None).token_file.folder

    first = encode("1")
    assert encode("1") == first
    assert encode("2") != first
    module.write_text(module.read_text() + "# edited\n")
    assert encode("1") != first


def test_a_corpus_whose_files_are_missing_is_an_error(prepared: Prepare, tmp_path: Path):
    with pytest.raises(DataError, match=r"no file matches .*/nothing\.md"):
        prepared(corpus={"use": "text", "files": ["nothing.md"]})
    assert not (tmp_path / "cache").exists()


def test_a_character_at_the_border_of_two_pieces_is_whole(prepared: Prepare, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seqforge.data.dataset.LONGEST_PIECE", 3)
    pieces = list(prepared(vocabulary={"use": "bytes"}).documents("training"))
    assert "".join(pieces) == "".join(FILES.values())
    assert len(pieces) > len(FILES)


def test_a_character_that_a_split_cuts_is_replaced_at_its_end(prepared: Prepare, monkeypatch: pytest.MonkeyPatch):
    text = "".join(FILES.values()).encode()
    cut = max(index for index, byte in enumerate(text) if byte & 0xC0 == 0x80)
    data = {"split": "position", "validation_fraction": 1 - cut / len(text)}
    dataset = prepared(vocabulary={"use": "bytes"}, data=data)
    assert dataset.splits["training"].length == cut
    for longest in range(1, 6):
        monkeypatch.setattr("seqforge.data.dataset.LONGEST_PIECE", longest)
        assert "".join(dataset.documents("training")) == text[:cut].decode(errors="replace")
