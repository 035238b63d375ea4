"""The cache of encoded corpora: reused, encoded again if damaged, and never incomplete."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fork_server import SERVER, call, start_process

from seqforge.data.dataset import load_token_file
from seqforge.data.encoding import encode_corpus
from seqforge.data.token_file import TokenFile
from seqforge.errors import DataError, RunError
from seqforge.storage.paths import CACHE_VARIABLE, cache_folder
from seqforge.storage.records import DamagedFileError, parse_sealed_json, to_sealed_json

NAMES = ["bytes", "characters"]
every_vocabulary = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache folder of encoded corpora."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cached"))
    return tmp_path / "cached" / "tokens"


def cached(tokens: Path) -> list[Path]:
    """Return the entries of the cache without the lock files, which stay."""
    return sorted(tokens.iterdir())


def text_of(token_file: TokenFile, vocabulary: Any) -> str:
    return vocabulary.decode(token_file.map().read().tolist()).decode()


def test_environment_variables_determine_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CACHE_VARIABLE, "~/cached")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cached"
    monkeypatch.setenv(CACHE_VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "caches" / "seqforge"


@every_vocabulary
def test_a_corpus_is_read_once_for_all_runs(made: ModuleType, tokens: Path, name: str):
    corpora = [made.Documents(made.TEXTS) for _ in range(3)]
    vocabularies = [made.VOCABULARIES[name]() for _ in corpora]
    files = [
        load_token_file(corpus, vocabulary, {}, lambda _: None)
        for corpus, vocabulary in zip(corpora, vocabularies, strict=True)
    ]
    assert [corpus.times_read for corpus in corpora] == [1, 0, 0]
    assert len({file.folder for file in files}) == 1
    for file, vocabulary in zip(files, vocabularies, strict=True):
        assert text_of(file, vocabulary) == "".join(made.TEXTS.values())
    assert cached(tokens) == [files[0].folder]


def test_other_content_or_options_have_their_own_entry(made: ModuleType, tokens: Path):
    other_content = {**made.TEXTS, "document-3": "other"}
    other_name = {("renamed" if name == "document-3" else name): text for name, text in made.TEXTS.items()}
    folders: set[Path] = set()
    for documents in (made.TEXTS, other_content, other_name):
        for options in ({}, {"corpus": {"use": "text"}}, {"corpus": {"use": "text", "encoding": "latin-1"}}):
            corpus = made.Documents(documents)
            folders.add(load_token_file(corpus, made.VOCABULARIES["bytes"](), options, lambda _: None).folder)
            assert corpus.times_read == 1
    assert len(folders) == len(cached(tokens)) == 9


def test_the_order_of_options_does_not_matter(made: ModuleType, tokens: Path):
    option_tables = [{"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}]
    corpora = [made.Documents(made.TEXTS) for _ in option_tables]
    for corpus, options in zip(corpora, option_tables, strict=True):
        load_token_file(corpus, made.VOCABULARIES["bytes"](), options, lambda _: None)
    assert [corpus.times_read for corpus in corpora] == [1, 0]
    assert len(cached(tokens)) == 1


@every_vocabulary
def test_two_concurrent_processes_encode_once(made: ModuleType, tokens: Path, tmp_path: Path, name: str):
    started = [SERVER.Event(), SERVER.Event()]
    log = tmp_path / "log"
    processes = [
        start_process(call, dict(os.environ), made.encode_at_once, name, log, started[number], started[1 - number])
        for number in (0, 1)
    ]
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    # The process that encoded waited, before it was done, until the other one needed the same corpus.
    assert log.read_text().splitlines() == ["read", "done", "done"]
    [folder] = cached(tokens)
    corpus, vocabulary = made.Documents(made.TEXTS), made.VOCABULARIES[name]()
    assert load_token_file(corpus, vocabulary, {}, lambda _: None).folder == folder
    assert corpus.times_read == 0
    assert text_of(TokenFile.open(folder), vocabulary) == "".join(made.TEXTS.values())


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("exit_while_reading", ["bytes"]), ("exit_while_reading", ["characters"]), ("exit_while_encoding", [])],
)
def test_an_incomplete_entry_of_a_killed_process_is_replaced(
    made: ModuleType, tokens: Path, function: str, arguments: list[str]
):
    process = start_process(call, dict(os.environ), getattr(made, function), *arguments)
    process.join(timeout=120)
    assert process.exitcode == 9
    assert {path.suffix for path in cached(tokens)} == {".lock", ".tmp"}
    corpus, vocabulary = made.Documents(made.TEXTS), made.VOCABULARIES[arguments[0] if arguments else "bytes"]()
    token_file = load_token_file(corpus, vocabulary, {}, lambda _: None)
    assert corpus.times_read == 1
    assert text_of(token_file, vocabulary) == "".join(made.TEXTS.values())
    assert cached(tokens) == [token_file.folder]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), DataError("no"), MemoryError()], ids=repr)
@every_vocabulary
def test_an_interrupted_encoding_leaves_no_entry(
    made: ModuleType, tokens: Path, name: str, interruption: BaseException
):
    def before(count: int) -> None:
        if count == 10:
            raise interruption

    with pytest.raises(type(interruption)):
        load_token_file(made.Watched(made.TEXTS, before), made.VOCABULARIES[name](), {}, lambda _: None)
    assert cached(tokens) == []


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(key: str, value: Any) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.write_bytes(to_sealed_json({**parse_sealed_json(path.read_bytes()), key: value}))

    return apply


STOPS = np.cumsum([len(f"The document of number {number}, naïve.\n") * 50 for number in range(20)]).tolist()

DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no tokens": ("tokens.bin", Path.unlink),
    "too few tokens": ("tokens.bin", shorten),
    "too many tokens": ("tokens.bin", lambda path: path.write_bytes(path.read_bytes() + b"x")),
    "no index": ("documents.json", Path.unlink),
    "half an index": ("documents.json", lambda path: path.write_bytes(path.read_bytes()[:100])),
    "another type": ("documents.json", change("dtype", "uint16")),
    "a type that is not an integer": ("documents.json", change("dtype", "float32")),
    "no documents": ("documents.json", lambda path: (change("stops", [])(path), change("names", [])(path))),
    "a missing name": ("documents.json", change("names", [f"document-{number}" for number in range(19)])),
    "documents that end before they start": ("documents.json", change("stops", [*STOPS[1:19], STOPS[0], STOPS[-1]])),
    "tokens of a fractional width": (
        "documents.json",
        change("ends", [*STOPS[:18], STOPS[18] + 1, STOPS[-1]]),
    ),
    "tokens of width zero": ("documents.json", change("ends", [0, *STOPS[1:]])),
    "a missing end": ("documents.json", change("ends", STOPS[1:])),
    "too many codes": ("documents.json", change("codes", list(range(300)))),
    "codes out of order": ("documents.json", change("codes", [1, 0])),
    "no codes": ("documents.json", change("codes", [])),
    "a negative code": ("documents.json", change("codes", [-1, 0])),
    "no vocabulary": ("vocabulary.json", Path.unlink),
    "half a vocabulary": ("vocabulary.json", shorten),
    "another vocabulary": ("vocabulary.json", change("state", {"merges": []})),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_encoded_again(made: ModuleType, tokens: Path, damage: str):
    documents = {name: text.replace("ï", "i") for name, text in made.TEXTS.items()}

    def encode() -> tuple[int, str]:
        corpus, vocabulary = made.Documents(documents), made.VOCABULARIES["characters"]()
        token_file = load_token_file(corpus, vocabulary, {}, lambda _: None)
        return corpus.times_read, text_of(token_file, vocabulary)

    whole = "".join(documents.values())
    assert encode() == (1, whole)
    [folder] = cached(tokens)
    file, apply = DAMAGE[damage]
    if file != "vocabulary.json":
        TokenFile.open(folder)
    apply(folder / file)
    if file != "vocabulary.json":
        with pytest.raises(DamagedFileError) as caught:
            TokenFile.open(folder)
        assert caught.value.path in (folder / "documents.json", folder / "tokens.bin")
    assert encode() == (1, whole)
    assert encode() == (0, whole)
    assert cached(tokens) == [folder]


def test_a_deleted_cache_is_encoded_again(made: ModuleType, tokens: Path):
    for _ in range(2):
        corpus = made.Documents(made.TEXTS)
        load_token_file(corpus, made.VOCABULARIES["characters"](), {}, lambda _: None)
        assert corpus.times_read == 1
        shutil.rmtree(tokens.parent)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
@every_vocabulary
def test_a_full_disk_is_an_error_and_leaves_no_entry(
    made: ModuleType, tokens: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    def encode_on_a_full_disk(corpus: Any, vocabulary: Any, folder: Path, report: Any, *earlier: Any) -> TokenFile:
        (folder / "tokens.bin").symlink_to("/dev/full")
        return encode_corpus(corpus, vocabulary, folder, report, *earlier)

    documents = {f"document-{number}": "text" * 1000 for number in range(20)}
    with monkeypatch.context() as patch:
        patch.setattr("seqforge.data.dataset.encode_corpus", encode_on_a_full_disk)
        with pytest.raises(RunError) as caught:
            load_token_file(made.Documents(documents), made.VOCABULARIES[name](), {}, lambda _: None)
    assert caught.value.message == f"encoding the corpus into {tokens}: the disk is full"
    assert caught.value.hint == f"Free some space. Set {CACHE_VARIABLE} to use another cache folder."
    assert cached(tokens) == []
    assert load_token_file(made.Documents(documents), made.VOCABULARIES["bytes"](), {}, lambda _: None).length == 80_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_a_full_disk_is_an_error_of_the_system(made: ModuleType, tmp_path: Path):
    (tmp_path / "tokens.bin").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        encode_corpus(made.Documents(made.TEXTS), made.VOCABULARIES["characters"](), tmp_path, lambda _: None)
