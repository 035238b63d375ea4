"""The conformance suite of corpora, of text and of labelled examples, for subclasses in the tests of a plugin."""

import functools
import inspect
import itertools
import tracemalloc
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np

from seqforge.errors import DataError
from seqforge.events import WorkProgressed
from seqforge.kinds import Corpus, Document, Example, ExampleSpec, LabelledCorpus
from seqforge.kinds.corpus import PART_SIZE, read_description, read_fingerprint, read_items
from seqforge.kinds.labelled_corpus import drawn_fault, example_fault, example_spec_fault, held_out_fault
from seqforge.testing.conformance import Factory, Suite, fail, require_no_fault

_MANY = 24
"""Number of documents whose order shows whether it is that of `hash`."""

AnyCorpus = Corpus | LabelledCorpus
_MEMORY = 4 << 20
"""Memory in bytes that a corpus may use in addition to four times its largest document."""


class CorpusSuite(Suite, kind="corpus"):
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

    corpora: ClassVar[Mapping[str, Factory[AnyCorpus]]]
    unreadable: ClassVar[Mapping[str, Factory[AnyCorpus]]] = {}
    limit: ClassVar[int] = 1000

    def test_documents_conform(self, make: Factory[AnyCorpus]) -> None:
        """Each document has a unique, relative name and content in UTF-8; each example fits the example spec."""
        corpus = make()
        names: dict[str, None] = {}
        last: Any = None
        spec = example_spec(make, corpus) if isinstance(corpus, LabelledCorpus) else None
        for item in items_of(corpus, self.limit):
            if isinstance(item, Document):
                try:
                    item.content.decode()
                except UnicodeDecodeError as error:
                    place = f"{error.reason} at byte {error.start}"
                    fail(make, f"the document {item.name!r} is not UTF-8 ({place})")
            else:
                require_no_fault(make, example_fault(cast("ExampleSpec", spec), item))
            name: Any = item.name
            if not isinstance(name, str) or not name or name.startswith(("/", "~")) or "\n" in name:
                fail(make, f"the name {name!r} is not a relative, path-like name")
            if item.name in names and (item.name != last.name or len(getattr(last, "content", b"")) < PART_SIZE):
                fail(make, f"two documents have the name {item.name!r}", expected="unique names")
            names[item.name] = None
            last = item
        if not names:
            fail(make, "the corpus yields nothing", expected="at least one document, or a DataError")
        if len(names) >= _MANY and _are_in_order_of_hash(list(names)):
            problem = "the documents are in the order of `hash`, which differs in every process"
            fail(make, problem, expected="an order such as `sorted`")

    def test_the_training_stream_is_a_function_of_its_generator(self, make: Factory[AnyCorpus]) -> None:
        """Drawn examples fit the example spec, depend on the generator only, and the other splits are finite."""
        corpus, other_corpus = make(), make()
        if not isinstance(corpus, LabelledCorpus) or not isinstance(other_corpus, LabelledCorpus):
            return
        draw, again = corpus.training_stream(), other_corpus.training_stream()
        if draw is None or again is None:
            if draw is not again:
                fail(make, "only one of two corpora with the same options has a training stream")
            return
        spec = example_spec(make, corpus)
        first, second, other = (np.random.default_rng(seed) for seed in (0, 0, 1))
        differ = False
        for index in range(_MANY):
            drawn, same, different = draw(first), again(second), draw(other)
            require_no_fault(make, drawn_fault(drawn))
            example, *others = (Example(f"drawn-{index}", *pair) for pair in (drawn, same, different))
            require_no_fault(make, example_fault(spec, example))
            if _comparable(example) != _comparable(others[0]):
                fail(make, f"drawn example {index} differs for the same seed of the generator", expected="the same")
            differ = differ or _comparable(example) != _comparable(others[1])
        if not differ:
            fail(make, "the training stream is the same for two seeds of the generator", expected="other examples")
        for item in items_of(corpus, self.limit):
            require_no_fault(make, held_out_fault(item.split))

    def test_documents_are_the_same_in_every_pass(self, make: Factory[AnyCorpus]) -> None:
        """A second pass, and another corpus with the same options, yield the same in the same order."""
        corpus = make()
        first, again, other = (list(map(_comparable, items_of(each, self.limit))) for each in (corpus, corpus, make()))
        for when, found in (("a second pass", again), ("another corpus with the same options", other)):
            for index, (one, two) in enumerate(itertools.zip_longest(first, found)):
                if one is None or two is None:
                    counts = {"expected": f"{len(first)} documents", "got": len(found)}
                    fail(make, f"{when} does not yield the same", **counts)
                if one[0] != two[0]:
                    problem = f"the name or order of document {index} differs in {when}"
                    fail(make, problem, expected=repr(one[0]), got=repr(two[0]))
                if one != two:
                    fail(make, f"the content of document {index} ({one[0]!r}) differs in {when}")

    def test_the_fingerprint_is_stable(self, make: Factory[AnyCorpus]) -> None:
        """Two corpora with the same options have the same fingerprint, also after one was read."""
        corpus = make()
        before = read_fingerprint(corpus)
        for _ in items_of(corpus, self.limit):
            pass
        found = {"after reading": read_fingerprint(corpus), "of another corpus": read_fingerprint(make())}
        for when, fingerprint in found.items():
            if fingerprint != before:
                problem = f"the fingerprint {when} differs, so that the corpus is encoded again in every run"
                fail(make, problem, expected=repr(before), got=repr(fingerprint))

    def test_one_document_is_in_memory_at_a_time(self, make: Factory[AnyCorpus]) -> None:
        """Reading needs memory for a few documents, not for the whole corpus."""
        corpus = make()
        largest = total = 0
        tracemalloc.start()
        try:
            for item in items_of(corpus, self.limit):
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

    def test_reading_with_progress_yields_the_same(self, make: Factory[AnyCorpus]) -> None:
        """`read`, which the engine calls, yields what `documents` yields, and reports progress only."""
        corpus = make()
        if not isinstance(corpus, Corpus):
            return

        def report(event: object) -> None:
            if not isinstance(event, WorkProgressed):
                fail(
                    make, "`read` reports something else than its progress", expected="WorkProgressed", got=repr(event)
                )

        read = [document.name for document in itertools.islice(corpus.read(report), self.limit)]
        names = [item.name for item in items_of(corpus, self.limit)]
        if read != names:
            fail(make, "`read` yields other documents than `documents`", expected=names[:5], got=read[:5])

    def test_the_description_is_short(self, make: Factory[AnyCorpus]) -> None:
        """`describe` returns one or two lines."""
        read_description(make())

    def test_a_missing_source_is_a_data_error(self) -> None:
        """A corpus in `unreadable` raises a `DataError` with a message when it is read, and not when it is built."""
        for make in self.unreadable.values():
            corpus = make()
            method = "examples" if isinstance(corpus, LabelledCorpus) else "documents"
            for name in (method, "fingerprint"):
                try:
                    result: Any = getattr(corpus, name)()
                    if name == method:
                        for _ in itertools.islice(cast("Iterator[Any]", result), self.limit):
                            pass
                except DataError as error:
                    if not error.message.strip():
                        fail(make, f"the DataError that `{name}` raises has no message")
                except Exception as error:  # noqa: BLE001 - the message describes it
                    problem = f"`{name}` of an unreadable source raises {type(error).__name__}: {error}"
                    fail(make, problem, expected="a DataError that names it")
                else:
                    if name == method:
                        fail(make, f"`{name}` reads an unreadable source", expected="a DataError that names it")


def example_spec(make: Factory[AnyCorpus], corpus: LabelledCorpus) -> ExampleSpec:
    """Return the example spec of a labelled corpus, from the options with which it was built."""
    given = cast("functools.partial[Any]", make if isinstance(make, functools.partial) else functools.partial(make))
    bound = inspect.signature(type(corpus)).bind_partial(*given.args, **given.keywords)
    bound.apply_defaults()
    spec: Any = type(corpus).example_spec(bound.arguments)
    require_no_fault(make, example_spec_fault(spec))
    return spec


def items_of(corpus: AnyCorpus, limit: int | None = None) -> Iterator[Any]:
    """Yield documents or examples as the engine reads them."""
    if isinstance(corpus, LabelledCorpus):
        return itertools.islice(read_items(corpus.examples(), Example, corpus.examples), limit)
    return itertools.islice(read_items(corpus.documents(), Document, corpus.documents), limit)


def _are_in_order_of_hash(names: list[str]) -> bool:
    """Return whether names are nearly in the order in which a set of them yields them, or in that of their hashes."""
    bits = len(names).bit_length()
    for mask in (-1, *(2**more - 1 for more in range(bits, bits + 4))):
        ends: list[int] = []  # For each length of an increasing subsequence, its lowest end.
        for place in (hash(name) & mask for name in names):
            index = bisect_right(ends, place)
            ends[index : index + 1] = [place]
        # A set moves a name if its place is taken. Of 24 names in any other order, about 7 increase.
        if len(ends) >= 0.75 * len(names):
            return True
    return False


def _comparable(item: Document | Example) -> tuple[str, Any]:
    if isinstance(item, Document):
        return item.name, item.content
    values = (item.input, item.target, *item.alternatives)
    return item.name, tuple(value.tolist() if isinstance(value, np.ndarray) else value for value in values)
