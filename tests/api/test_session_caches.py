"""The cache distinguishes a class that is redefined in a session from the earlier one."""

from collections.abc import Sequence
from typing import Any

from seqforge_essentials.vocabularies import Bytes

from seqforge import Experiment, use
from seqforge.kinds import Metric, Score


def experiment(vocabulary: type[Any], metric: type[Any]) -> Experiment:
    return Experiment(
        corpus=use("inline", text="abc" * 99), model={"cells": ["gru"]}, vocabulary=vocabulary, metrics=[metric]
    )


def define(value: float) -> tuple[type[Any], type[Any]]:
    class Length(Metric):
        def score(self, texts: Sequence[str]) -> Score:
            return Score({"length": 1.0}) if value else Score({"length": 2.0})

    class Shifted(Bytes):
        def encode_bytes(self, content: bytes) -> Any:
            return super().encode_bytes(content)

    return Shifted, Length


def test_a_redefined_class_has_another_cache_key_only_if_its_code_differs() -> None:
    vocabulary, metric = define(1.0)

    class Shifted(Bytes):
        def encode_bytes(self, content: bytes) -> Any:
            return super().encode_bytes(content[::-1])

    first, again, other = (
        experiment(vocabulary, metric),
        experiment(define(2.0)[0], metric),
        experiment(Shifted, metric),
    )
    assert first.table == other.table
    versions = [each.vocabulary.versions(each.plugins) for each in (first, again, other)]
    assert versions[0] == versions[1] != versions[2]
    assert set(first.metrics[0].versions(first.plugins)) == {"session/Length"}


SOURCE = """
class Shifted(Bytes):
    SHIFT = 1

    def encode_bytes(self, content, by=1):
        return super().encode_bytes(content) ^ (self.SHIFT * by)
"""


def version(source: str, file: str = "first") -> Any:
    names: dict[str, Any] = {"Bytes": Bytes, "__name__": "notebook"}
    exec(compile(source, file, "exec"), names)
    chosen = Experiment(corpus=use("inline", text="abc" * 99), model={"cells": ["gru"]}, vocabulary=names["Shifted"])
    return chosen.vocabulary.versions(chosen.plugins)


def test_constants_and_defaults_are_a_part_of_a_class_and_its_place_is_not() -> None:
    assert version(SOURCE) == version("\n\n" + SOURCE, "second")
    changed = [SOURCE.replace("SHIFT = 1", "SHIFT = 2"), SOURCE.replace("by=1", "by=2")]
    assert all(version(SOURCE) != version(source) for source in changed)


def test_the_variables_of_the_function_around_a_class_are_a_part_of_it() -> None:
    def define_shifted(shift: int) -> type[Any]:
        class Shifted(Bytes):
            def encode_bytes(self, content: bytes) -> Any:
                return super().encode_bytes(content) ^ shift

        return Shifted

    metric = define(1.0)[1]
    chosen = [experiment(define_shifted(shift), metric) for shift in (1, 1, 2)]
    versions = [each.vocabulary.versions(each.plugins) for each in chosen]
    assert versions[0] == versions[1] != versions[2]


def test_slices_are_a_part_of_a_class() -> None:
    # From Python 3.14 on, a slice of numbers is a constant of the code, which marshal cannot write in its version 2.
    def define_sliced(kept: slice) -> type[Any]:
        def encode_bytes(self: Bytes, content: bytes) -> Any:
            return Bytes.encode_bytes(self, content[2:])

        code = encode_bytes.__code__
        encode_bytes.__code__ = code.replace(co_consts=(*code.co_consts, (kept, 1)))
        return type("Shifted", (Bytes,), {"encode_bytes": encode_bytes})

    chosen = [experiment(define_sliced(slice(start, None)), define(1.0)[1]) for start in (1, 1, 2)]
    versions = [each.vocabulary.versions(each.plugins) for each in chosen]
    assert versions[0] == versions[1] != versions[2]
