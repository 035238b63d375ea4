"""The corpora `csv`, `parquet` and `hugging-face`: texts and filters, and files that are damaged or too large.

The last two need libraries that `.ci/extras` installs.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from seqforge_essentials import records
from seqforge_essentials.records import CsvFiles, HuggingFace, ParquetFiles

import seqforge as sf
from seqforge import Registry
from seqforge.errors import DataError, ExperimentError, PluginError
from seqforge.kinds import Corpus

ROWS = [
    {"text": 'first, "quoted"\nline', "language": "C", "stars": 5},
    {"text": "zweiter ä", "language": "Go", "stars": 5},
    {"text": "", "language": "C", "stars": 1},
    {"text": "third", "language": "C", "stars": 9},
]
TABLE = 'text,language,stars\r\n"first, ""quoted""\nline",C,5\r\nzweiter ä,Go,5\r\n,C,1\r\nthird,C,9\r\n'.encode()


def texts(corpus: Corpus) -> dict[str, str]:
    return {document.name: document.content.decode() for document in corpus.documents()}


@pytest.mark.parametrize(
    "content", [TABLE, b"\xef\xbb\xbf" + TABLE, gzip.compress(TABLE)], ids=["plain", "byte order mark", "compressed"]
)
def test_each_row_of_a_csv_file_is_a_document(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(content)
    assert texts(CsvFiles([path])) == {
        "posts.csv:1": 'first, "quoted"\nline',
        "posts.csv:2": "zweiter ä",
        "posts.csv:4": "third",
    }
    assert [*texts(CsvFiles([path], where={"stars": 5, "language": "C"})).values()] == ['first, "quoted"\nline']


def test_the_name_of_a_column_may_have_points(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("meta.text,b\nhello,1\n")
    assert texts(CsvFiles([path], field="meta.text")) == {"posts.csv:1": "hello"}


def test_another_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "posts.tsv"
    path.write_text("title\ttext\na, b\tc\n")
    assert texts(CsvFiles([path], delimiter="\t", field="title")) == {"posts.tsv:1": "a, b"}


@pytest.mark.parametrize("delimiter", ['"', "\n", "\r", ",,", ""])
def test_a_delimiter_that_cannot_be_is_an_error_at_its_key(delimiter: str, tmp_path: Path) -> None:
    corpus = {"use": "csv", "files": ["posts.csv"], "delimiter": delimiter}
    tables = {"corpus": corpus, "model": {"cells": [{"use": "rnn"}]}}
    with pytest.raises(ExperimentError, match=r"corpus\.delimiter: should"):
        sf.Experiment.from_dict(tables, tmp_path, Registry.installed())


def test_a_boolean_is_text_in_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("text,done\na,true\nb,True\nc,FALSE\nd,\n")
    assert [*texts(CsvFiles([path], where={"done": True})).values()] == ["a", "b"]
    assert [*texts(CsvFiles([path], where={"done": False})).values()] == ["c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'text\n"open', "line 2: not a table in CSV"),
        (b"text\n\xff\xfe\n", "not a table in CSV .*utf-8"),
        (b"txt\na\n", "row 1: there is no key 'text'\nDid you mean 'txt'"),
        (b"text,a\n", "nothing has a text with 'text'"),
        (b"a,text\nb\n", "row 1: 'text' is None, not text"),
        (b"text\n" + b"x" * 3000 + b"\n", "it has more than 2,000 characters"),
        (b'text\n"' + b"x\n" * 1500 + b'"', "field larger than field limit"),
        (b"text\nhello, world\n", "line 3: not a table in CSV .it has more cells than the first row"),
        (b"a,b\n1,2,3\n", "it has more cells than the first row"),
    ],
)
def test_a_damaged_table_is_an_error(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_LONGEST_LINE", 2000)
    (tmp_path / "posts.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        texts(CsvFiles([tmp_path / "posts.csv"]))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write the rows as a Parquet file of two row groups, one of which has a nested column."""
    rows = [{**row, "meta": {"number": number}} for number, row in enumerate(ROWS)]
    content = pytest.importorskip("pyarrow").Table.from_pylist(rows)
    pytest.importorskip("pyarrow.parquet").write_table(content, tmp_path / "posts.parquet", row_group_size=2)
    return tmp_path / "posts.parquet"


@pytest.mark.parametrize(
    ("options", "rows"),
    [({}, [1, 2, 4]), ({"where": {"language": "C", "stars": 9}}, [4]), ({"where": {"meta.number": 1}}, [2])],
)
def test_each_row_of_a_parquet_file_is_a_document(table: Path, options: dict[str, Any], rows: list[int]) -> None:
    expected = {f"posts.parquet:{row}": ROWS[row - 1]["text"] for row in rows}
    assert texts(ParquetFiles([table], **options)) == expected


def test_a_run_reads_parquet(table: Path, tmp_path: Path) -> None:
    experiment = sf.Experiment(
        corpus=sf.use("parquet", files=[str(table)]),
        model={"cells": [sf.use("gru", hidden_size=4)]},
        data={"validation_fraction": 0},
        training={"steps": 2, "batch_size": 1, "sequence_length": 4},
    )
    run = sf.train(experiment, output=tmp_path / "runs", progress=False)
    assert run.load().dataset.vocabulary.size == len(set("".join(row["text"] for row in ROWS)))  # pyright: ignore


def test_damaged_and_large_parquet_files_are_errors(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="row 1: there is no key 'txt'\nDid you mean 'text'"):
        texts(ParquetFiles([table], field="txt", where={"stars": 5}))
    with monkeypatch.context() as patch:
        patch.setattr(records, "_LARGEST_GROUP", 10)
        with pytest.raises(DataError, match=r"the columns of a row group have .* bytes"):
            texts(ParquetFiles([table]))
    content = table.read_bytes()
    for damaged in (b"", content[:-20], content[:40] + bytes(20) + content[60:]):
        table.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cannot be read as Parquet|every file is empty"):
            texts(ParquetFiles([table]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the rows as a data set with two splits."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    pytest.importorskip("datasets")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "data" / "validation.jsonl").write_text(json.dumps(ROWS[1]))
    return tmp_path / "data"


def test_each_row_of_a_data_set_is_a_document(folder: Path) -> None:
    corpus = HuggingFace(str(folder), where={"language": "C"})
    assert texts(corpus) == {"train:1": ROWS[0]["text"], "train:4": "third"}
    other = HuggingFace(str(folder), split="validation")
    assert texts(other) == {"validation:1": "zweiter ä"}
    assert corpus.fingerprint() == HuggingFace(str(folder)).fingerprint()
    before = corpus.fingerprint()
    (folder / "train.jsonl").write_text(json.dumps(ROWS[0]))
    assert corpus.fingerprint() != before


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (None, {"split": "trian"}, "Bad split: trian"),
        (None, {"configuration": "other"}, "other"),
        (None, {"field": "txt"}, "row 1: there is no key 'txt'"),
        ("/missing", {}, "'/missing' cannot be read"),
    ],
)
def test_a_wrong_data_set_is_an_error(dataset: str | None, options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(DataError, match=message):
        texts(HuggingFace(dataset or str(folder), **options))


@pytest.mark.parametrize("make", [lambda path: ParquetFiles([path]), lambda path: HuggingFace(str(path))])
def test_a_missing_library_is_an_error_that_says_how_to_install_it(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "posts.parquet").write_bytes(b"x")
    for name in ("pyarrow", "pyarrow.parquet", "datasets"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(PluginError, match=r"pip install 'seqforge-essentials\[(parquet|hugging-face)\]'"):
        texts(make(tmp_path / "posts.parquet"))


def test_a_column_of_a_table_is_a_corpus_of_a_session() -> None:
    pandas, datasets = pytest.importorskip("pandas"), pytest.importorskip("datasets")
    table, data = pandas.DataFrame(ROWS), datasets.Dataset.from_list(ROWS)
    for column in (table["text"], data["text"]):
        assert [*texts(sf.texts(column)()).values()] == [row["text"] for row in ROWS]
    for whole in (table, data):
        with pytest.raises(DataError, match=r"not a table\nName a column"):
            sf.texts(whole)
    with pytest.raises(DataError, match=r"item 2 is .*, not a text"):
        sf.texts(table["text"].where(table["stars"] != 5, None).iloc[::-1])
