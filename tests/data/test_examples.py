"""Encoding labelled corpora into example files, and damaged files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqforge import Registry
from seqforge.data.dataset import LabelledDataset, prepare_examples
from seqforge.data.example_encoding import encode_examples
from seqforge.data.example_file import ExampleFile, ExampleSpecRecord
from seqforge.errors import DataError
from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Numbers, Text, Vocabulary
from seqforge.kinds.example_values import convert_target, decode_target, to_json_value, to_text
from seqforge.storage.records import DamagedFileError, parse_sealed_json, to_sealed_json

ONCE = ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "once")


class GivenExamples(LabelledCorpus):
    def __init__(self, examples: list[Example]) -> None:
        self._examples = examples
        self.times_read = 0

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        raise NotImplementedError

    def examples(self):
        self.times_read += 1
        yield from self._examples

    def fingerprint(self) -> str:
        return "given"

    def describe(self) -> str:
        return "given examples"


@pytest.fixture
def vocabulary(experiment: Any) -> Vocabulary:
    return experiment().vocabulary.build()


@pytest.fixture
def prepared(labelled_experiment: Any) -> Callable[..., LabelledDataset]:
    def make(**tables: Any) -> LabelledDataset:
        return prepare_examples(labelled_experiment(**tables), lambda _: None)

    return make


@pytest.mark.parametrize(
    ("corpus", "topology", "loss"),
    [
        ({}, "many-to-one", "cross-entropy"),
        ({"output_mode": "every step"}, "synced", "cross-entropy"),
        ({"targets": "text", "output_mode": "sequence", "alternatives": 2}, "many-to-many", "cross-entropy"),
        ({"inputs": "numbers", "targets": "numbers", "output_mode": "every step"}, "synced", "mean-squared-error"),
        ({"inputs": "numbers", "input_kind": "vector", "targets": "numbers"}, "one-to-one", "mean-squared-error"),
    ],
)
def test_decoding_gives_the_examples_back(
    prepared: Any, labelled: Registry, labelled_experiment: Any, corpus: dict[str, Any], topology: str, loss: str
) -> None:
    tables = {"corpus": {"use": "made", **corpus}, "model": {"topology": topology}, "loss": {"use": loss}}
    dataset = prepared(**tables)
    again = prepared(**tables)
    assert again.file.digest == dataset.file.digest
    assert ExampleFile.open(dataset.file.folder).spec == dataset.file.spec
    source: LabelledCorpus = labelled_experiment(**tables).corpus.build()
    file = dataset.file
    for index, example in enumerate(source.examples()):
        (steps,) = file.inputs.read([index])
        if isinstance(example.input, str):
            assert dataset.vocabulary.decode(steps.tolist()).decode() == example.input
        else:
            np.testing.assert_allclose(steps, np.atleast_2d(example.input), rtol=1e-6)
        first = int(file.first_targets(np.array([index]))[0])
        found = file.targets.read(range(first, int(file.target_stops[index])))
        for values, target in zip(found, (example.target, *example.alternatives), strict=True):
            decoded = decode_target(file.spec, dataset.vocabulary, values)
            if isinstance(target, (str, int)):
                assert decoded == target
            else:
                np.testing.assert_allclose(decoded, target, rtol=1e-6)


def test_an_example_keeps_its_split_when_the_corpus_grows(prepared: Any) -> None:
    small, large = (prepared(corpus={"use": "made", "count": count}, data={"test_fraction": 0.2}) for count in (50, 90))
    for name in ("training", "validation", "test"):
        names = {small.file.names[index] for index in small.splits[name]}
        assert names <= {large.file.names[index] for index in large.splits[name]}
    everything = np.concatenate(list(small.splits.values()))
    assert sorted(everything.tolist()) == list(range(50))
    assert len(small.splits["validation"]) > 0


def test_a_corpus_may_assign_examples_to_splits(vocabulary: Vocabulary, tmp_path: Path) -> None:
    examples = [Example(str(number), "a", 0, split=("test", "validation")[number % 2]) for number in range(6)]
    file = encode_examples(
        GivenExamples([*examples, Example("left", "a", 1)]), ONCE, vocabulary, tmp_path, lambda _: None
    )
    splits = file.split(0.0, 0.0)
    assert splits["test"].tolist() == [0, 2, 4]
    assert splits["validation"].tolist() == [1, 3, 5]
    assert splits["training"].tolist() == [6]


def test_a_class_name_in_the_place_of_an_index_is_an_error_that_shows_the_indices(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        encode_examples(GivenExamples([Example("odd", "a", "yes")]), ONCE, vocabulary, tmp_path, lambda _: None)
    assert caught.value.hint == "Pass the place of the class in `Classes(…)`: 0 for 'no', 1 for 'yes'."


@pytest.mark.parametrize("count", [1, 2, 256, 257, 65537])
def test_the_index_of_the_last_class_is_kept(count: int) -> None:
    spec = ExampleSpec(Text(), "sequence", Classes(tuple(map(str, range(count)))), "once")
    assert convert_target(spec, count - 1).tolist() == [count - 1]


@pytest.mark.parametrize(
    ("spec", "example", "message"),
    [
        (ONCE, Example("odd", "", 0), "odd: an input is empty"),
        (ONCE, Example("odd", "a", 2), "odd: there are 2 classes, and a class index is not between 0 and 1"),
        (ONCE, Example("odd", "a", "yes"), "odd: the value must be a class index"),
        (ONCE, Example("odd", np.zeros(3), 1), "odd: the value must be a text"),
        (ONCE, Example("odd", "\ud800", 1), "odd: '\\ud800' cannot be encoded as UTF-8"),
        (
            ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "every step"),
            Example("odd", "abc", np.array([0, 1])),
            "odd: the input has 3 steps and the target 2",
        ),
        (
            ExampleSpec(Numbers(2), "sequence", Classes(("no",)), "once"),
            Example("odd", np.zeros((3, 4)), 0),
            "odd: the value must be steps of 2 numbers each, not an array of shape [3, 4]",
        ),
        (
            ExampleSpec(Numbers(2), "vector", Numbers(1), "once"),
            Example("odd", np.zeros(2), np.array([np.nan])),
            "odd: a number of the value is infinite or NaN",
        ),
    ],
)
def test_an_example_that_does_not_fit_the_spec_is_an_error_that_names_it(
    vocabulary: Vocabulary, tmp_path: Path, spec: ExampleSpec, example: Example, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        encode_examples(GivenExamples([example]), spec, vocabulary, tmp_path, lambda _: None)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "the corpus is empty"),
        ([Example("a", "x", 0)] * 2, "two examples have the same name, 'a'"),
        ([Example("a", "x", 0, split="train")], "a: there is no split 'train'"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_no_example_a_duplicate_name_or_an_unknown_split_is_an_error(
    vocabulary: Vocabulary, tmp_path: Path, examples: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        encode_examples(GivenExamples(examples), ONCE, vocabulary, tmp_path, lambda _: None)


def test_a_corpus_that_cannot_be_read_is_an_error(vocabulary: Vocabulary, tmp_path: Path) -> None:
    def examples() -> Any:
        yield Example("a", "x", 0)
        (tmp_path / "nowhere").open()

    corpus = GivenExamples([])
    corpus.examples = examples
    with pytest.raises(DataError, match=r"the corpus cannot be read: .*No such file or directory: '.*nowhere'"):
        encode_examples(corpus, ONCE, vocabulary, tmp_path, lambda _: None)


def test_a_corpus_is_read_once_even_if_its_vocabulary_learns(vocabulary: Vocabulary, tmp_path: Path) -> None:
    spec = ExampleSpec(Text(), "sequence", Text(), "sequence")
    corpus = GivenExamples([Example("one", "ab", "né", ("", "a")), Example("two", "€", "b")])
    file = encode_examples(corpus, spec, vocabulary, tmp_path, lambda _: None)
    assert corpus.times_read == 1
    assert vocabulary.state() == {"characters": "abné€"}
    assert file.inputs.lengths.tolist() == [2, 1]
    assert file.targets.lengths.tolist() == [2, 0, 1, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "example_spec.json", "examples.json", "inputs.bin", "targets.bin", "vocabulary.json",
    ]  # fmt: skip


SPECS = [
    ONCE,
    ExampleSpec(Numbers(3), "vector", Text(), "sequence"),
    ExampleSpec(Numbers(3), "sequence", Numbers(2), "every step"),
]


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_is_read_back_from_its_file(tmp_path: Path, spec: ExampleSpec) -> None:
    ExampleSpecRecord(spec=spec).write(tmp_path / "example_spec.json")
    assert ExampleSpecRecord.read(tmp_path / "example_spec.json").spec == spec


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_spec_file_is_an_error(tmp_path: Path, data: st.DataObject) -> None:
    file = tmp_path / "example_spec.json"
    ExampleSpecRecord(spec=data.draw(st.sampled_from(SPECS))).write(file)
    table = parse_sealed_json(file.read_bytes())
    place = data.draw(st.sampled_from([table, table["spec"]]))
    key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(st.sampled_from([None, 4, "other", {"size": "x"}, {"kind": "text"}, []]))
    file.write_bytes(to_sealed_json(table))
    with pytest.raises(DamagedFileError, match=r"example_spec\.json: (damaged|format version)"):
        ExampleSpecRecord.read(file)


@pytest.mark.parametrize("name", ["inputs.bin", "targets.bin", "examples.json", "example_spec.json"])
def test_a_damaged_example_file_is_encoded_again(prepared: Any, name: str) -> None:
    dataset = prepared()
    path = dataset.file.folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFileError):
        ExampleFile.open(dataset.file.folder)
    assert prepared().file.digest == dataset.file.digest


def test_an_index_that_does_not_fit_its_files_is_damaged(prepared: Any) -> None:
    path = prepared().file.folder / "examples.json"
    index = parse_sealed_json(path.read_bytes())
    stops = index["target_stops"]
    for key, value in {
        "target_stops": [[stop, stop] for stop in stops],
        "names": index["names"][1:],
        "inputs": index["inputs"] | {"dtype": "float32"},
        "targets": index["targets"] | {"stops": index["targets"]["stops"][:-1]},
    }.items():
        path.write_bytes(to_sealed_json(index | {key: value}))
        with pytest.raises(DamagedFileError):
            ExampleFile.open(path.parent)


@pytest.mark.parametrize(
    "wrong",
    [
        (Text(), "vector", Classes(("a",)), "once"),
        (Text(), "sequence", Text(), "once"),
        (Text(), "sequence", Numbers(1), "sequence"),
        (Numbers(1), "vector", Classes(("a",)), "every step"),
        (Text(), "sequence", Classes(()), "once"),
        (Text(), "sequence", Classes(("a", "a")), "once"),
        (Numbers(0), "vector", Classes(("a",)), "once"),
    ],
)
def test_an_inconsistent_spec_is_an_error(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"text|numbers|vector|classes|number|size"):
        ExampleSpec(*wrong)


def test_predictions_are_displayed_with_class_names_and_rows_of_numbers() -> None:
    labels = ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "every step")
    assert to_json_value(labels, np.array([1, 0])) == ["yes", "no"]
    assert to_text(labels, np.array([1, 0])) == "yes no"
    assert to_json_value(ONCE, 1) == to_text(ONCE, 1) == "yes"
    numbers = ExampleSpec(Text(), "sequence", Numbers(2), "every step")
    assert to_text(numbers, np.array([[1.0, 2.0], [3.0, 4.0]])) == "1.0 2.0; 3.0 4.0"
