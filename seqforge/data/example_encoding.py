"""Examples into numbers, once, with one example in memory at a time."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seqforge.data.encoding import REPORT_SECONDS, Report, write_vocabulary
from seqforge.data.example_file import INPUTS, TARGETS, ExampleFile
from seqforge.data.example_values import encode_input, encode_target
from seqforge.data.form_file import FORM, write_form
from seqforge.data.ragged import RaggedFile
from seqforge.data.splits import SplitName
from seqforge.errors import DataError
from seqforge.interfaces import Classes, DocumentsEncoded, Example, Form, LabelledCorpus, Numbers, Vocabulary


def encode_examples(corpus: LabelledCorpus, vocabulary: Vocabulary, folder: Path, report: Report) -> ExampleFile:
    """Encode every example of a labelled corpus.

    Args:
        corpus: The examples; read twice where there is text and the vocabulary learns.
        vocabulary: Learns from their texts, both read and written, and encodes them.
        folder: An empty folder to write to.
        report: Is told now and then how much is done.

    Returns:
        The examples, written but not yet synced.

    Raises:
        DataError: Where there is no example, or one is not of the corpus's form.
    """
    form = corpus.form
    if vocabulary.learns:
        vocabulary.learn(_texts(corpus) if form.text else iter(()))
    write_vocabulary(vocabulary, folder)
    write_form(form, folder / FORM)
    names: list[str] = []
    splits: list[SplitName | None] = []
    target_stops: list[int] = []
    with ExitStack() as files:
        inputs = _Writer(files.enter_context((folder / INPUTS).open("wb")), _dtype(form.reads, vocabulary))
        targets = _Writer(files.enter_context((folder / TARGETS).open("wb")), _dtype(form.writes, vocabulary))
        for example in _reported(corpus.examples(), inputs, report):
            try:
                _encode(example, form, vocabulary, inputs, targets)
            except DataError as error:
                raise DataError(f"{example.name}: {error.message}", hint=error.hint) from error
            names.append(example.name)
            splits.append(example.split)
            target_stops.append(len(targets.stops))
    if not names:
        raise DataError("the corpus is empty", hint="It yielded no example.")
    if len(set(names)) < len(names):
        raise DataError("two examples have the same name", hint="This is for the author of the corpus to mend.")
    described = json.dumps([vocabulary.state(), (folder / FORM).read_text(), names, splits, target_stops])
    digest = hashlib.blake2b(described.encode("utf-8", "surrogatepass"), digest_size=16)
    for writer in (inputs, targets):
        digest.update(writer.digest.digest())
        digest.update(np.asarray(writer.stops, dtype=np.int64).tobytes())
    file = ExampleFile(
        folder,
        form,
        names,
        splits,
        inputs.finished(folder / INPUTS, form.reads),
        targets.finished(folder / TARGETS, form.writes),
        np.asarray(target_stops, dtype=np.int64),
        digest.hexdigest(),
    )
    file.write_index()
    report(DocumentsEncoded(len(names), inputs.size, done=True))
    return file


@dataclass(slots=True)
class _Writer:
    file: BinaryIO
    dtype: np.dtype[Any]
    stops: list[int] = field(default_factory=list[int])
    size: int = 0
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def write(self, values: NDArray[Any]) -> None:
        content = np.ascontiguousarray(values, dtype=self.dtype).tobytes()
        self.file.write(content)
        self.digest.update(content)
        self.size += len(content)
        self.stops.append((self.stops[-1] if self.stops else 0) + len(values))

    def finished(self, path: Path, part: object) -> RaggedFile:
        width = part.size if isinstance(part, Numbers) else 0
        return RaggedFile(path, self.dtype, width, np.asarray(self.stops, dtype=np.int64))


def _encode(example: Example, form: Form, vocabulary: Vocabulary, inputs: _Writer, targets: _Writer) -> None:
    read = encode_input(form, vocabulary, example.input)
    for target in (example.target, *example.alternatives):
        written = encode_target(form, vocabulary, target)
        if form.written == "every step" and len(written) != len(read):
            raise DataError(f"{len(read)} steps are read, and {len(written)} are to be written")
        targets.write(written)
    inputs.write(read)


def _texts(corpus: LabelledCorpus) -> Iterator[bytes]:
    for example in corpus.examples():
        for value in (example.input, example.target, *example.alternatives):
            if isinstance(value, str):
                # What is no UTF-8 is refused, by name, when it is encoded.
                yield value.encode("utf-8", "replace")


def _dtype(part: object, vocabulary: Vocabulary) -> np.dtype[Any]:
    if isinstance(part, Numbers):
        return np.dtype(np.float32)
    symbols = len(part.names) if isinstance(part, Classes) else vocabulary.size
    return np.min_scalar_type(max(symbols - 1, 0))


def _reported(examples: Iterator[Example], inputs: _Writer, report: Report) -> Iterator[Example]:
    last = time.monotonic()
    for count, example in enumerate(examples):
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            report(DocumentsEncoded(count, inputs.size, done=False))
        yield example
