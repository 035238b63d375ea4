"""Tokens of a text, and the labels of its characters."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.labels import CLASSES, Class, label_characters, tokenize
from seqforge_code_structure.structure import TokenKind, scan_text

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


def test_names_of_the_classes():
    assert CLASSES == ("other", "comment", "string", "preprocessor", "keyword", "type", "number", "identifier")


@given(TEXTS | st.text())
def test_tokens_cover_the_text_and_every_character_has_a_label(text: str):
    found = list(tokenize(text))
    assert [start for _, start, _ in found] == [0, *(stop for *_, stop in found)][: len(found)]
    assert "".join(text[start:stop] for _, start, stop in found) == text
    assert label_characters(text).shape == (len(text),)
    assert label_characters(text).dtype == np.uint8


@given(TEXTS)
def test_both_lexers_find_the_same_comments_and_literals(text: str):
    kinds = {
        TokenKind.COMMENT: Class.COMMENT,
        TokenKind.LINE_COMMENT: Class.COMMENT,
        TokenKind.UNTERMINATED_COMMENT: Class.COMMENT,
        TokenKind.STRING: Class.STRING,
        TokenKind.CHARACTER: Class.STRING,
        TokenKind.UNTERMINATED_STRING: Class.STRING,
        TokenKind.UNTERMINATED_CHARACTER: Class.STRING,
        TokenKind.BRACKET: Class.OTHER,
    }
    found = label_characters(text)
    for match in scan_text(text):
        if (kind := TokenKind(match.lastindex or TokenKind.END)) in kinds:
            assert set(found[match.start(kind) : match.end(kind)]) == {kinds[kind]}


@given(TEXTS, st.text("ab\n \\\"'"))
def test_content_of_a_comment_does_not_change_labels_around_it(text: str, inside: str):
    before, after = label_characters(text + " \n/* */ int x;"), label_characters(text + f" \n/*{inside}*/ int x;")
    assert after[-7:].tolist() == before[-7:].tolist()
