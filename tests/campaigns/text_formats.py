"""The corpora of text that the campaign of fuzzing tests: plain and compressed files, archives, records and tables."""

import bz2
import gzip
import importlib.util
import io
import json
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from seqforge_essentials.corpora import FileCorpus, TextFiles
from seqforge_essentials.records import CsvFiles, JsonLines, ParquetFiles

from seqforge.storage.decompression import zstd
from tests.campaigns.mutations import mutate

TEXTS = [f"text {number}, “ä”\nand more\n" * (number % 5 + 1) for number in range(12)]
ROWS = [{"text": text, "meta": {"language": "en"}, "number": number} for number, text in enumerate(TEXTS)]

_CORPORA: Mapping[str, Callable[[Path], FileCorpus]] = {
    "text": lambda path: TextFiles([path]),
    "latin": lambda path: TextFiles([path], encoding="utf-16", members="*.txt"),
    "jsonl": lambda path: JsonLines([path], where={"meta.language": "en"}),
    "csv": lambda path: CsvFiles([path], where={"number": 3}),
    "parquet": lambda path: ParquetFiles([path], where={"meta.language": "en"}),
}
"""The corpus that reads a file, by its suffix."""

_COMPRESS: list[Callable[[bytes], bytes]] = [
    bytes,
    lambda one: gzip.compress(one, 1),
    lzma.compress,
    bz2.compress,
    zstd.compress,
]


def _zip(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for number, text in enumerate(TEXTS):
            archive.writestr(f"notes/{number}.txt", text)
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, text in enumerate(TEXTS):
            member = tarfile.TarInfo(f"notes/{number}.txt")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _parquet() -> bytes:
    from pyarrow import BufferOutputStream, Table, parquet

    stream = BufferOutputStream()
    parquet.write_table(Table.from_pylist(ROWS), stream, row_group_size=5)
    return stream.getvalue().to_pybytes()


class TextFormats:
    """Files of text in all formats, changed before or after they are compressed."""

    def __init__(self, sources: Path) -> None:
        whole = "".join(TEXTS)
        table = "text,number\n" + "".join(f'"{row["text"]}",{row["number"]}\n' for row in ROWS)
        methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        self._contents = {
            "text": [whole.encode(), _tar(), *map(_zip, methods)],
            "latin": [whole.encode("utf-16"), _zip(zipfile.ZIP_DEFLATED)],
            "jsonl": ["\n".join(map(json.dumps, ROWS)).encode()],
            "csv": [table.encode()],
        }
        if importlib.util.find_spec("pyarrow"):
            self._contents["parquet"] = [_parquet()]
        sources.mkdir(exist_ok=True)
        for suffix, contents in self._contents.items():  # This imports what the processes need.
            (sources / f"a.{suffix}").write_bytes(contents[0])
        self.read(sources)

    def write(self, trial: Path, generator: random.Random) -> None:
        suffix = generator.choice([*self._contents])
        content, compress = generator.choice(self._contents[suffix]), generator.choice(_COMPRESS)
        if suffix == "parquet":
            compress = bytes
        is_inside = generator.random() < 0.6
        content = compress(mutate(content, generator)) if is_inside else mutate(compress(content), generator)
        (trial / f"a.{suffix}").write_bytes(content)

    def read(self, trial: Path) -> None:
        for path in trial.glob("a.*"):
            corpus = _CORPORA[path.suffix[1:]](path)
            corpus.fingerprint()
            corpus.describe()
            for document in corpus.documents():
                assert document.name.startswith(path.name)
                document.content.decode()
