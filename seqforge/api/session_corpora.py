"""Corpora of Python values: any iterable of texts, or of labelled examples."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from torch import Tensor

from seqforge.errors import DataError, describe_type
from seqforge.figures import describe_count
from seqforge.kinds import Corpus, Document, Example, ExampleSpec, LabelledCorpus
from seqforge.registry.problems import format_value
from seqforge.storage.paths import is_utf8


def texts(documents: Iterable[str | bytes | Document]) -> type[Corpus]:
    """Create a corpus of texts, as in `Experiment(corpus=sf.texts(["One text.", "Another."]))`.

    The iterable is read once, and its texts are kept in memory. It may be a column of a table, such as
    `sf.texts(table["text"])` of pandas or of the library datasets.

    Returns:
        A class for this Python session: pass it to `Experiment`, and to `Run.open(path, components=[…])`.

    Raises:
        DataError: If there is no text, or if an item is not a text that can be encoded in UTF-8.
    """
    given: Any = documents
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise DataError(f"texts(…) takes a list of texts, not {format_value(documents)}", hint="Write texts([text]).")
    if any(getattr(documents, name, None) is not None for name in ("columns", "column_names")):
        raise DataError("texts(…) takes a list of texts, not a table", hint='Name a column: texts(table["text"]).')
    items = [_document(index, item) for index, item in enumerate(documents)]
    if not items:
        raise DataError("texts(…): the iterable is empty", hint="Pass at least one text.")
    digest = _digest((_name(document), document.content) for document in items)

    class Texts(Corpus):
        """Texts of a Python session."""

        def documents(self) -> Iterator[Document]:
            return iter(items)

        def fingerprint(self) -> str:
            return digest

        def describe(self) -> str:
            return f"{describe_count(len(items), 'text')} of a Python session"

    return Texts


def examples(pairs: Iterable[tuple[Any, ...] | list[Any] | Example], spec: ExampleSpec) -> type[LabelledCorpus]:
    """Create a labelled corpus, as in `Experiment(corpus=sf.examples(pairs, spec))`.

    The iterable is read once, and its examples are kept in memory.

    Args:
        pairs: Pairs of an input and a target, or `Example` values, which have names. Numbers may be arrays or tensors.
        spec: Shape of the examples.

    Returns:
        A class for this Python session: pass it to `Experiment`, and to `Run.open(path, components=[…])`.

    Raises:
        DataError: If there is no example, if an item is not a pair, if a value is neither text nor numbers, or if
            `spec` is not an `ExampleSpec`.
    """
    if not isinstance(pairs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        hint = "Write examples([(input, target), …], spec)."
        raise DataError(f"examples(…) takes a list of pairs, not {format_value(pairs)}", hint=hint)
    if not isinstance(spec, ExampleSpec):  # pyright: ignore[reportUnnecessaryIsInstance]
        hint = 'For example: ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "once").'
        raise DataError(f"the shape of the examples is an ExampleSpec, not {format_value(spec)}", hint=hint)
    items = [_example(index, item) for index, item in enumerate(pairs)]
    if not items:
        raise DataError("examples(…): the iterable is empty", hint="Pass at least one example.")
    digest = _digest(
        (_name(example), repr(example.split).encode(), *map(_content, values))
        for example in items
        for values in [(example.input, example.target, *example.alternatives)]
    )

    class Examples(LabelledCorpus):
        """Examples of a Python session."""

        @classmethod
        def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
            del options
            return spec

        def examples(self) -> Iterator[Example]:
            return iter(items)

        def fingerprint(self) -> str:
            return f"{digest} {spec}"

        def describe(self) -> str:
            return f"{describe_count(len(items), 'example')} of a Python session"

    return Examples


def _document(index: int, item: object) -> Document:
    match item:
        case Document(name=str(), content=bytes()):
            return item
        case str() if not is_utf8(item):
            raise DataError(f"texts(…): item {index} cannot be encoded in UTF-8", hint="Decode its bytes as UTF-8.")
        case str():
            return Document(f"text-{index:08d}", item.encode())
        case bytes():
            return Document(f"text-{index:08d}", item)
        case _:
            raise DataError(
                f"texts(…): item {index} is {describe_type(item)}, not a text",
                hint="Pass values of the type str or bytes, or Document(name, bytes), without missing values.",
            )


def _example(index: int, item: object) -> Example:
    if not isinstance(item, Example):
        if not isinstance(item, tuple | list) or len(pair := tuple(cast("Sequence[Any]", item))) != 2:
            raise DataError(
                f"examples(…): item {index} is not a pair of an input and a target", hint="Yield (input, target)."
            )
        item = Example(f"example-{index:08d}", *pair)
    try:
        alternatives = tuple(map(_value, item.alternatives))
        return replace(item, input=_value(item.input), target=_value(item.target), alternatives=alternatives)
    except (ValueError, TypeError, RuntimeError) as error:  # such as lists of different lengths, or a tensor on a GPU
        raise DataError(
            f"examples(…): a value of item {index} cannot become an array: {error}",
            hint="Pass text, a number, or an array or a tensor on the CPU.",
        ) from error


def _name(item: Document | Example) -> bytes:
    # Names of files that are not UTF-8 contain surrogates.
    return item.name.encode("utf-8", "surrogateescape")


def _value(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
    # Data loaders yield the index of a class as a tensor without dimensions.
    return int(array) if array.ndim == 0 and array.dtype.kind in "iu" else array


def _content(value: Any) -> bytes:
    if isinstance(value, str | int):
        return repr(value).encode()
    array = np.ascontiguousarray(value)
    return f"{array.dtype} {array.shape}".encode() + array.tobytes()


def _digest(records: Iterable[tuple[bytes, ...]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for record in records:
        for part in record:
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()
