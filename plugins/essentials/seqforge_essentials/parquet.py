"""The corpora `parquet` and `hugging-face`: texts in columns, which libraries read that are extras of the plugin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from seqforge.errors import DataError, import_library
from seqforge.kinds import Corpus, Document
from seqforge_essentials.records import RecordFiles, RecordReader, TextField, Where

_LARGEST_GROUP = 2 << 30
"""Size limit of the columns that are read of one row group, in bytes."""

_ROWS = 1024
"""Number of rows that are converted at once."""


class ParquetFiles(RecordFiles):
    """The texts in a column of files in the format Parquet (https://parquet.apache.org), by the library pyarrow.

    The name of a document is that of its file with the number of its row, such as `posts.parquet:12`. One row group is
    in memory at a time, and only the columns that are used.
    """

    def _records(self, path: Path, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield every row, by the names of its columns."""
        arrow = import_library("pyarrow.parquet", "seqforge-essentials[parquet]")
        number = 0
        try:
            with arrow.ParquetFile(path) as file:
                # If a column is missing, an error about the first row lists all.
                read = columns if {*columns} <= {*file.schema_arrow.names} else file.schema_arrow.names
                for group in range(file.num_row_groups):
                    _check_size(path, file.metadata.row_group(group), read)
                    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=read):
                        for row in batch.to_pylist():
                            number += 1
                            yield number, row
        except (OSError, ValueError) as error:  # The errors of pyarrow derive from them.
            raise DataError(
                f"{path}, after row {number}: it cannot be read as Parquet ({error})", hint="Copy or download it again."
            ) from error


def _check_size(path: Path, group: Any, columns: list[str]) -> None:
    parts = (group.column(index) for index in range(group.num_columns))
    size = sum(part.total_uncompressed_size for part in parts if part.path_in_schema.partition(".")[0] in columns)
    if size > _LARGEST_GROUP:
        raise DataError(
            f"{path}: the columns of a row group have {size:,} bytes", hint="Write the file with smaller row groups."
        )


class HuggingFace(Corpus):
    """The texts of a data set of the Hugging Face Hub, or of a local folder in one of its formats.

    The library `datasets` reads it in a stream, so that no more is downloaded than is read, and executes no code of
    the data set. The name of a document is that of the split with the number of its row, such as `train:12`.
    """

    def __init__(
        self,
        dataset: Annotated[
            str, Field(description="Name of the data set, or path of a folder.", examples=["roneneldan/TinyStories"])
        ],
        field: TextField = "text",
        where: Where = None,
        split: Annotated[str, Field(description="Split of the data set.")] = "train",
        configuration: Annotated[
            str | None, Field(description="Configuration, of a data set that has several.")
        ] = None,
        revision: Annotated[str | None, Field(description="Branch, tag or commit on the Hub.")] = None,
    ) -> None:
        self._reader = RecordReader(field, where)
        self._split = split
        self._source = {"path": dataset, "name": configuration, "revision": revision}

    def documents(self) -> Iterator[Document]:
        """Yield the text of every row that is chosen. Empty texts are skipped.

        Raises:
            DataError: If the data set does not exist or cannot be read, or a row has no text.
        """
        rows = self._load("load_dataset", split=self._split, streaming=True)
        source = str(self._source["path"])
        texts = self._reader.read(enumerate(_read(rows), start=1), source, "row", self._split)
        yield from self._reader.require_one(texts, source)

    def fingerprint(self) -> str:
        """Return the digest of the revision of the data set, or of the names, sizes and times of local files.

        Raises:
            DataError: If the data set does not exist or cannot be read.
        """
        builder = self._load("load_dataset_builder")
        return f"{builder.dataset_name} {builder.config_id} {builder.hash}"

    def describe(self) -> str:
        """Return the name and the split of the data set."""
        return f"{self._split} of {self._source['path']}, by the library datasets"

    def _load(self, function: str, **options: Any) -> Any:
        library = import_library("datasets", "seqforge-essentials[hugging-face]")
        try:
            return getattr(library, function)(**self._source, **options)
        except (OSError, ValueError, library.exceptions.DatasetsError) as error:
            raise DataError(
                f"the data set {self._source['path']!r} cannot be read: {error}",
                hint="Check its name, configuration and split, and the connection.",
            ) from error


def _read(rows: Any) -> Iterator[Any]:
    try:
        yield from rows
    except (OSError, ValueError) as error:
        raise DataError(f"the data set cannot be read to its end: {error}", hint="Start again.") from error
