"""Tokens of a text, and the labels of its characters."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.labels import CLASSES, Class, label_characters

GOLDEN = Path(__file__).parent / "golden"
LETTERS = dict(zip(CLASSES, ".csPKTNI", strict=True))
TEXTS = st.lists(
    st.sampled_from([*"(){};\"'\\/*#\n\t ax1.é\0", "/*", "*/", "//", "\n#define a ", "struct ", "0x1e-3", "u8"])
).map("".join)


def show_labels(text: str) -> str:
    """Return a text with the labels of each line below it, one letter per character."""
    letters = "".join(LETTERS[CLASSES[label]] for label in label_characters(text))
    shown = "".join("\n" if character == "\n" else letter for character, letter in zip(text, letters, strict=True))
    return "".join(f"{line}\n{below}\n" for line, below in zip(text.split("\n"), shown.split("\n"), strict=True))


def test_golden_labels():
    text = (GOLDEN / "labels.c").read_text()
    assert show_labels(text) == (GOLDEN / "labels.txt").read_text()


def test_a_comment_and_a_directive_that_end_with_struct_do_not_name_what_follows():
    text = "// a struct\nint x;\n#define T struct\nint y;\nstruct /* a */ tag z;\n"
    labels = label_characters(text)
    assert {CLASSES[labels[text.index(word)]] for word in ("int x", "int y", "tag")} == {"type"}


def test_names_of_the_classes():
    assert CLASSES == ("other", "comment", "string", "preprocessor", "keyword", "type", "number", "identifier")


@given(TEXTS | st.text())
def test_every_character_has_a_label(text: str):
    labels = label_characters(text)
    assert (labels.shape, labels.dtype) == ((len(text),), np.uint8)
    assert set(labels.tolist()) <= set(map(int, Class))


@given(TEXTS, st.text("ab\n \\\"'"))
def test_content_of_a_comment_does_not_change_labels_around_it(text: str, inside: str):
    before, after = label_characters(text + " \n/* */ int x;"), label_characters(text + f" \n/*{inside}*/ int x;")
    assert after[-7:].tolist() == before[-7:].tolist()
