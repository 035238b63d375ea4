"""Encoding of a labelled corpus. Each example is read once, and one example is in memory at a time."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, get_args

import numpy as np
from numpy.typing import NDArray

from seqforge.data.encoding import REPORT_SECONDS, write_vocabulary
from seqforge.data.example_file import (
    EXAMPLE_SPEC,
    EXAMPLES,
    INPUTS,
    TARGETS,
    ExampleFile,
    ExampleSpecRecord,
    RaggedFile,
)
from seqforge.data.splits import SplitName
from seqforge.data.token_file import token_type
from seqforge.errors import DataError, located
from seqforge.events import ENCODED, ENCODING, Report, WorkProgressed
from seqforge.figures import describe_amount
from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Numbers, Text, Vocabulary
from seqforge.kinds.corpus import read_items
from seqforge.kinds.example_values import convert_input, convert_target

_TEXTS_AT_ONCE = 1000
"""Number of texts that are read into memory at once to be encoded."""


def encode_examples(
    corpus: LabelledCorpus, spec: ExampleSpec, vocabulary: Vocabulary, folder: Path, report: Report
) -> ExampleFile:
    """Encode every example of a labelled corpus to an example file in an empty folder.

    The examples are read once. Texts are written as UTF-8 first, and encoded after the vocabulary has learned from all
    of them.

    Returns:
        The example file, which is not synced to disk yet.

    Raises:
        DataError: If there is no example, or an example does not fit the example spec.
    """
    index = _Index([], [], [])
    with ExitStack() as files:
        inputs = _Writer(files.enter_context((folder / INPUTS).open("wb")), _dtype(spec.input))
        targets = _Writer(files.enter_context((folder / TARGETS).open("wb")), _dtype(spec.target))
        examples = _report_progress(read_items(corpus.examples(), Example, corpus.examples), inputs, report)
        texts = _write_examples(examples, spec, inputs, targets, index)
        if vocabulary.learns:
            vocabulary.learn(texts)
        for _ in texts:
            pass  # The vocabulary may have stopped early, but every example must be encoded.
    if not index.names:
        raise DataError("the corpus is empty", hint="It contains no example.")
    if len(set(index.names)) < len(index.names):
        name = Counter(index.names).most_common(1)[0][0]
        raise DataError(f"two examples have the same name, {name!r}", hint="Report this to the author of the corpus.")
    write_vocabulary(vocabulary, folder)
    ExampleSpecRecord(spec=spec).write(folder / EXAMPLE_SPEC)
    stops = np.asarray(index.target_stops, dtype=np.int64)
    owners = np.repeat(np.arange(len(stops)), np.diff(stops, prepend=0))
    target_names = [index.names[owner] for owner in owners]
    file = ExampleFile(
        folder=folder,
        spec=spec,
        names=index.names,
        splits=index.splits,
        inputs=_encode_file(folder / INPUTS, spec.input, inputs, vocabulary, index.names),
        targets=_encode_file(folder / TARGETS, spec.target, targets, vocabulary, target_names),
        target_stops=stops,
        digest="",
    )
    _check_lengths(file, owners)
    file = file.model_copy(update={"digest": _digest(file, vocabulary)})
    file.write(folder / EXAMPLES)
    report(WorkProgressed(ENCODED, 1.0, describe_amount(len(index.names), "example", inputs.size)))
    return file


@dataclass(frozen=True, slots=True)
class _Index:
    names: list[str]
    splits: list[SplitName | None]
    target_stops: list[int]


@dataclass(slots=True)
class _Writer:
    file: BinaryIO
    dtype: np.dtype[Any]
    stops: list[int] = field(default_factory=list[int])
    size: int = 0

    def write(self, values: NDArray[Any]) -> None:
        content = np.ascontiguousarray(values, dtype=self.dtype).tobytes()
        self.file.write(content)
        self.size += len(content)
        self.stops.append((self.stops[-1] if self.stops else 0) + len(values))

    def file_at(self, path: Path, width: int = 0) -> RaggedFile:
        return RaggedFile(path=path, dtype=self.dtype, width=width, stops=np.asarray(self.stops, dtype=np.int64))


def _write_examples(
    examples: Iterator[Example], spec: ExampleSpec, inputs: _Writer, targets: _Writer, index: _Index
) -> Iterator[bytes]:
    """Write every example, with text in UTF-8, and yield its texts for the vocabulary to learn from."""
    for example in examples:
        if example.split not in (None, *get_args(SplitName)):
            known = ", ".join(map(repr, get_args(SplitName)))
            raise DataError(
                f"{example.name}: there is no split {example.split!r}", hint=f"A corpus may set {known} or None."
            )
        with located(example.name):
            values = convert_input(spec, example.input)
            targets_of_example = [convert_target(spec, target) for target in (example.target, *example.alternatives)]
        inputs.write(values)
        for raw in targets_of_example:
            targets.write(raw)
        index.names.append(example.name)
        index.splits.append(example.split)
        index.target_stops.append(len(targets.stops))
        if isinstance(spec.input, Text):
            yield values.tobytes()
        if isinstance(spec.target, Text):
            yield from (raw.tobytes() for raw in targets_of_example)


def _encode_file(path: Path, part: object, raw: _Writer, vocabulary: Vocabulary, owners: list[str]) -> RaggedFile:
    """Return the file of the inputs or the targets, after texts in it are replaced by tokens."""
    width = part.size if isinstance(part, Numbers) else 0
    if not isinstance(part, Text):
        return raw.file_at(path, width)
    raw_path = path.with_suffix(".tmp")
    path.rename(raw_path)
    file = raw.file_at(raw_path)
    with path.open("wb") as token_file:
        tokens = _Writer(token_file, token_type(vocabulary))
        for start in range(0, len(owners), _TEXTS_AT_ONCE):
            of_texts = owners[start : start + _TEXTS_AT_ONCE]
            for owner, text in zip(of_texts, file.read(range(start, start + len(of_texts))), strict=True):
                with located(owner):
                    tokens.write(vocabulary.encode(text.tobytes()))
    raw_path.unlink()
    return tokens.file_at(path)


def _check_lengths(file: ExampleFile, owners: NDArray[np.int64]) -> None:
    if file.spec.output_mode != "every step":
        return
    inputs, targets = file.inputs.lengths[owners], file.targets.lengths
    for target in np.flatnonzero(inputs != targets)[:1]:
        name = file.names[int(owners[target])]
        raise DataError(
            f"{name}: the input has {inputs[target]} steps and the target {targets[target]}; the numbers must be equal"
        )


def _digest(file: ExampleFile, vocabulary: Vocabulary) -> str:
    spec = ExampleSpecRecord(spec=file.spec).model_dump()
    metadata = json.dumps([vocabulary.state(), spec, file.names, file.splits])
    digest = hashlib.blake2b(metadata.encode("utf-8", "surrogatepass"), digest_size=16)
    for part in (file.inputs.stops, file.targets.stops, file.target_stops):
        digest.update(part.tobytes())
    for sequences in (file.inputs, file.targets):
        with sequences.path.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "blake2b").digest())
    return digest.hexdigest()


def _dtype(part: object) -> np.dtype[Any]:
    if isinstance(part, Numbers):
        return np.dtype(np.float32)
    return np.min_scalar_type(max(len(part.names) - 1, 0)) if isinstance(part, Classes) else np.dtype(np.uint8)


def _report_progress(examples: Iterator[Example], inputs: _Writer, report: Report) -> Iterator[Example]:
    last = time.monotonic()
    for count, example in enumerate(examples):
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            report(WorkProgressed(ENCODING, amount=describe_amount(count, "example", inputs.size)))
        yield example
