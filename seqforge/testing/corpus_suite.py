"""The conformance suite of corpora, of text and of labelled examples, for subclasses in the tests of a plugin."""

import functools
import inspect
import itertools
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np

from seqforge.errors import DataError, describe_type
from seqforge.events import DocumentsEncoded, WorkProgressed
from seqforge.kinds import Corpus, Document, Example, ExampleSpec, LabelledCorpus, Text
from seqforge.kinds.example_values import convert_input, convert_target
from seqforge.testing.conformance import Suite, calling, fail

AnyCorpus = Corpus | LabelledCorpus
CorpusFactory = Callable[[], AnyCorpus]
"""Function that returns a corpus: a class or `partial(Class, option=…)`."""

_MEMORY = 4 << 20
"""Memory in bytes that a corpus may use in addition to four times its largest document."""


class CorpusSuite(Suite):
    """Tests that every corpus must pass. List small ones in a subclass whose name begins with `Test`.

    ```python
    FILES = Path(__file__).parent / "poems"


    class TestPoems(CorpusSuite):
        corpora: ClassVar = {"poems": partial(Poems, folder=FILES)}
        unreadable: ClassVar = {"no folder": partial(Poems, folder=FILES / "missing")}
    ```

    A function that returns a `LabelledCorpus` must be a class or a `functools.partial`, because its options are passed
    to `example_spec`.

    Attributes:
        corpora: Functions that return a corpus, by name.
        unreadable: Functions that return a corpus whose source is missing or damaged, by name.
        limit: Number of documents or examples that are compared.
    """

    table: ClassVar[str] = "corpora"
    corpora: ClassVar[Mapping[str, CorpusFactory]]
    unreadable: ClassVar[Mapping[str, CorpusFactory]] = {}
    limit: ClassVar[int] = 1000

    def test_documents_conform(self, make: CorpusFactory) -> None:
        """Each document has a unique, relative name and content in UTF-8; each example fits the example spec."""
        corpus = _build(make)
        names: set[str] = set()
        spec = example_spec(make, corpus) if isinstance(corpus, LabelledCorpus) else None
        for item in _items(corpus, self.limit):
            if not item.name or item.name.startswith(("/", "~")) or "\n" in item.name:
                fail(make, f"the name {item.name!r} is not a relative, path-like name")
            if item.name in names:
                fail(make, f"two documents have the name {item.name!r}", expected="unique names")
            names.add(item.name)
            if isinstance(item, Document):
                _require_utf8(make, item)
            else:
                _require_example(make, cast("ExampleSpec", spec), item)
        if not names:
            fail(make, "the corpus yields nothing", expected="at least one document, or a DataError")

    def test_documents_are_the_same_in_every_pass(self, make: CorpusFactory) -> None:
        """A second pass, and another corpus with the same options, yield the same in the same order."""
        corpus = _build(make)
        first = [_comparable(item) for item in _items(corpus, self.limit)]
        again = [_comparable(item) for item in _items(corpus, self.limit)]
        if len(again) != len(first):
            fail(make, "a second pass does not yield the same", expected=f"{len(first)} documents", got=len(again))
        other = [_comparable(item) for item in _items(_build(make), self.limit)]
        for problem, found in (("a second pass", again), ("another corpus with the same options", other)):
            for index, (one, two) in enumerate(itertools.zip_longest(first, found)):
                if one != two:
                    names = [each[0] if each else "nothing" for each in (one, two)]
                    what = "name or order" if names[0] != names[1] else "content"
                    fail(
                        make,
                        f"the {what} of document {index} differs in {problem}",
                        expected=repr(names[0]),
                        got=repr(names[1]) if what == "name or order" else "another content",
                    )

    def test_the_fingerprint_is_stable(self, make: CorpusFactory) -> None:
        """Two corpora with the same options have the same fingerprint, also after one was read."""
        corpus = _build(make)
        with calling(make, "`fingerprint`"):
            before = corpus.fingerprint()
            for _ in _items(corpus, self.limit):
                pass
            found = {"after reading": corpus.fingerprint(), "of another corpus": _build(make).fingerprint()}
        if not isinstance(before, str) or not before:  # pyright: ignore[reportUnnecessaryIsInstance]
            fail(make, "`fingerprint` does not return a text", got=repr(before))
        for when, fingerprint in found.items():
            if fingerprint != before:
                fail(
                    make,
                    f"the fingerprint {when} differs, so that the corpus is encoded again in every run",
                    expected=repr(before),
                    got=repr(fingerprint),
                )

    def test_one_document_is_in_memory_at_a_time(self, make: CorpusFactory) -> None:
        """Reading needs memory for a few documents, not for the whole corpus."""
        corpus = _build(make)
        largest = total = 0
        tracemalloc.start()
        try:
            for item in _items(corpus, self.limit):
                size = len(item.content) if isinstance(item, Document) else 0
                largest, total = max(largest, size), total + size
                del item
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # A buffer that is larger than the whole corpus is no sign of one that grows with it.
        if isinstance(corpus, Corpus) and peak > 4 * largest + _MEMORY and total / 2 < peak < 4 * total:
            fail(
                make,
                "the whole corpus is in memory at once",
                expected=f"about {largest / 1e6:.1f} MB, the size of the largest document",
                got=f"{peak / 1e6:.1f} MB",
            )

    def test_reading_with_progress_yields_the_same(self, make: CorpusFactory) -> None:
        """`read`, which the engine calls, yields what `documents` yields, and reports progress only."""
        corpus = _build(make)
        if not isinstance(corpus, Corpus):
            return

        def report(event: DocumentsEncoded | WorkProgressed) -> None:
            if not isinstance(event, WorkProgressed):
                fail(
                    make, "`read` reports something else than its progress", expected="WorkProgressed", got=repr(event)
                )

        with calling(make, "`read`"):
            read = [document.name for document in itertools.islice(corpus.read(report), self.limit)]
        names = [item.name for item in _items(corpus, self.limit)]
        if read != names:
            fail(make, "`read` yields other documents than `documents`", expected=names[:5], got=read[:5])

    def test_the_description_is_short(self, make: CorpusFactory) -> None:
        """`describe` returns one or two lines."""
        with calling(make, "`describe`"):
            text: Any = _build(make).describe()
        if not isinstance(text, str) or not 1 <= len(text.strip().splitlines()) <= 2:
            fail(make, "`describe` does not return one or two lines", got=repr(text))

    def test_a_missing_source_is_a_data_error(self) -> None:
        """A corpus in `unreadable` raises a `DataError` with a message when it is read, and not when it is built."""
        for make in self.unreadable.values():
            with calling(make, "`__init__`"):
                corpus = make()
            method = "examples" if isinstance(corpus, LabelledCorpus) else "documents"
            for name in (method, "fingerprint"):
                try:
                    with calling(make, f"`{name}` of an unreadable source", DataError):
                        result: Any = getattr(corpus, name)()
                        _ = next(result) if name == method else result
                except DataError as error:
                    if not error.message.strip():
                        fail(make, f"the DataError that `{name}` raises has no message")
                else:
                    if name == method:
                        fail(make, f"`{name}` reads an unreadable source", expected="a DataError that names it")


def example_spec(make: CorpusFactory, corpus: LabelledCorpus) -> ExampleSpec:
    """Return the example spec of a labelled corpus, from the options with which it was built."""
    given = cast("functools.partial[Any]", make if isinstance(make, functools.partial) else functools.partial(make))
    bound = inspect.signature(type(corpus).__init__).bind_partial(corpus, *given.args, **given.keywords)
    bound.apply_defaults()
    options = {name: value for name, value in bound.arguments.items() if name != "self"}
    with calling(make, "`example_spec`"):
        spec: Any = type(corpus).example_spec(options)
    if not isinstance(spec, ExampleSpec):
        fail(make, "`example_spec` does not return an ExampleSpec", got=repr(spec))
    return spec


def _build(make: CorpusFactory) -> AnyCorpus:
    with calling(make, "`__init__`"):
        return make()


def _items(corpus: AnyCorpus, limit: int) -> Iterator[Document | Example]:
    method, kind = ("examples", Example) if isinstance(corpus, LabelledCorpus) else ("documents", Document)
    with calling(corpus, f"`{method}`"):
        items: Any = getattr(corpus, method)()
    if not isinstance(items, Iterator):
        fail(corpus, f"`{method}` does not return an iterator", expected="a generator", got=describe_type(items))
    for _ in range(limit):
        with calling(corpus, f"`{method}`"):
            item: Any = next(cast("Iterator[Any]", items), None)
        if item is None:
            return
        if not isinstance(item, kind):
            fail(corpus, f"`{method}` yields something else than `{kind.__name__}`", got=describe_type(item))
        yield item
        del item


def _require_utf8(make: CorpusFactory, document: Document) -> None:
    content: Any = document.content
    if not isinstance(content, bytes):
        fail(make, f"the content of {document.name!r} is not bytes", got=describe_type(content))
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        fail(make, f"the content of {document.name!r} is not UTF-8", got=f"{error.reason} at byte {error.start}")


def _require_example(make: CorpusFactory, spec: ExampleSpec, example: Example) -> None:
    for part, values, convert in (
        ("input", (example.input,), convert_input),
        ("target", (example.target, *example.alternatives), convert_target),
    ):
        for value in values:
            try:
                converted = convert(spec, value)
            except DataError as error:
                fail(make, f"the {part} of {example.name!r} does not fit the example spec", got=error.message)
            if part == "target" and spec.output_mode == "every step":
                steps = (
                    len(cast("str", example.input)) if isinstance(spec.input, Text) else len(np.asarray(example.input))
                )
                if len(converted) != steps:
                    fail(
                        make,
                        f"the target of {example.name!r} does not have one entry for every step of the input",
                        expected=steps,
                        got=len(converted),
                    )
    if example.split not in (None, "training", "validation", "test"):
        fail(make, f"{example.name!r} is in an unknown split", got=repr(example.split))


def _comparable(item: Document | Example) -> tuple[str, Any]:
    if isinstance(item, Document):
        return item.name, item.content
    values = (item.input, item.target, *item.alternatives)
    return item.name, tuple(value.tolist() if isinstance(value, np.ndarray) else value for value in values)
