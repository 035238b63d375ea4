"""The corpus `c-characters`: pieces of documents and their labels."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.labels import CLASSES, LabelledCharacters, divide_lines, label_characters

from seqforge.kinds import Classes, Corpus, Document
from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry


class Documents(Corpus):
    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def documents(self) -> Iterator[Document]:
        for number, text in enumerate(self._texts):
            yield Document(f"{number}.c", text.encode())

    def fingerprint(self) -> str:
        return repr(self._texts)

    def describe(self) -> str:
        return f"{len(self._texts)} texts"


texts = st.text(st.sampled_from("/*ab1\"'\\#; \né"), max_size=60)


@given(st.lists(texts, max_size=3), st.integers(1, 30))
def test_pieces_and_labels_cover_the_documents_without_gaps(documents: list[str], length: int):
    examples = list(LabelledCharacters(Documents(documents), length).examples())
    assert len({example.name for example in examples}) == len(examples)
    assert "".join(example.input for example in examples) == "".join(documents)
    for example in examples:
        assert 1 <= len(example.input) <= length
        assert len(example.input) == len(example.target)
    joined = [label for example in examples for label in example.target]
    np.testing.assert_array_equal(joined, [label for text in documents for label in label_characters(text)])


@given(texts, st.integers(1, 30))
def test_piece_begins_at_a_line_unless_the_line_is_longer(text: str, length: int):
    for start, _ in divide_lines(text, length):
        line = text[:start].rfind("\n") + 1
        assert start == line or start - line >= length


def test_piece_inside_a_comment_is_labelled_as_a_comment():
    examples = list(LabelledCharacters(Documents(["/* one\n two\n */ int\n"]), length=8).examples())
    assert [example.input for example in examples] == ["/* one\n", " two\n", " */ int\n"]
    assert [CLASSES[label] for label in examples[1].target] == ["comment"] * 5


def test_pieces_of_a_document_are_in_the_same_split():
    documents = [f"int a{number};\n" * 5 for number in range(400)]
    examples = list(LabelledCharacters(Documents(documents), 20, 0.25).examples())
    splits = {}
    for example in examples:
        assert splits.setdefault(example.name.partition("@")[0], example.split) == example.split
    held_out = sum(split == "validation" for split in splits.values())
    assert 60 < held_out < 140
    assert set(splits.values()) == {"training", "validation"}


def test_fingerprint_depends_on_source():
    assert len({LabelledCharacters(Documents([text])).fingerprint() for text in "ab"}) == 2


def test_source_is_a_table_in_the_experiment(tmp_path):
    table = {"use": "c-characters", "source": {"use": "inline", "text": "int x; /* y */\n"}}
    component = resolve(Registry.installed(), "corpus", table, "corpus", tmp_path)
    assert isinstance(component, Component), component
    corpus = component.build()
    assert corpus.example_spec({}).target == Classes(CLASSES)
    assert [example.input for example in corpus.examples()] == ["int x; /* y */\n"]
    assert "15 bytes" in corpus.describe()


@pytest.mark.parametrize("text", ["", "\n"])
def test_empty_document_has_no_piece(text: str):
    assert len(list(LabelledCharacters(Documents([text])).examples())) == len(text)
