"""The grammar of a text that is being written, held to the judge of written texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_code_structure.samplers.grammar import (
    FRAGMENT,
    Mode,
    State,
    after,
    closer,
    forbidden,
    length_to_close,
    stands_for,
)
from seqforge_code_structure.terminators import terminators
from seqforge_code_structure.units import split

ALPHABET = "()[]{}\"'\\/*#\n\r\t ;ax=,0" + FRAGMENT
WORDS = [*ALPHABET, "\n#if A\n", "\n#else\n", "\n#endif\n", "\n#define f(x) ", "\n#pragma don't\n", "/*", "//", "'a'"]


class Text:
    """A text that is being written, with its stack."""

    def __init__(self) -> None:
        self.written, self.state, self.stack = "", State(), list[State]()

    def write(self, character: str) -> None:
        self.written += character
        move = after(self.state, character)
        while move.drops and self.stack and self.stack[-1].directive is not None:
            self.stack.pop()
        if move.pushed is not None:
            self.stack.append(move.pushed)
        self.state = self.stack.pop() if move.state is None else move.state

    def write_allowed(self, pieces: list[str]) -> None:
        for character in "".join(pieces):
            if character not in forbidden(self.state):
                self.write(character)

    @property
    def length_to_close(self) -> int:
        return sum(map(length_to_close, [*self.stack, self.state]))


def faults(text: str) -> list[str]:
    """Faults but for columns and other signs that are no matter of brackets."""
    # What stands in column 0 may end a unit whose brackets are open.
    bare = text.replace("\n", "\n ")
    found = [fault.message for unit in split(bare, end_missing=True) for fault in unit.faults]
    return [message for message in found if "closes nothing" in message or "closed before ')" in message]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=80))
def test_what_is_allowed_has_no_fault(pieces: list[str]):
    text = Text()
    text.write_allowed(pieces)
    # A long literal that is cut looks like none, so that what is in it counts.
    assert faults(text.written) == [] or text.state.mode in (Mode.CHARACTER, Mode.CHARACTER_ESCAPE)


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=80))
def test_what_closes_it_is_allowed_and_leaves_nothing_open(pieces: list[str]):
    text = Text()
    text.write_allowed(pieces)
    for left in range(text.length_to_close, 0, -1):
        assert text.length_to_close == left
        assert closer(text.state) not in forbidden(text.state)
        text.write(closer(text.state))
    assert closer(text.state) == ""
    complete = text.written + "\n"
    units = list(split(complete.replace("\n", "\n ")))
    assert [fault.message for unit in units for fault in unit.faults] == []
    # A directive with a name of its own is no C, and its quotes are nobody's.
    assert terminators(complete).faults == [] or "#" in pieces


@given(st.lists(st.sampled_from([*WORDS, "e", "endif"]), max_size=80))
def test_what_waits_takes_a_character_or_more_to_close(pieces: list[str]):
    text = Text()
    for character in "".join(pieces):  # whatever is forbidden
        text.write(character)
        assert all(map(length_to_close, text.stack[1:]))


@given(st.lists(st.sampled_from([*WORDS, "e", "endif"]), max_size=80), st.characters())
def test_a_character_does_what_another_does_that_stands_for_it(pieces: list[str], character: str):
    text = Text()
    for written in "".join(pieces):
        text.write(written)
    assert after(text.state, character) == after(text.state, stands_for(character))
    assert (character in forbidden(text.state)) == (stands_for(character) in forbidden(text.state))


def written(text: str) -> Text:
    found = Text()
    for character in text:
        found.write(character)
    return found


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("", ""),
        ("int f(void)\n{\n\tg(a[", "])}"),
        ('f("a', '")'),
        ('f("\\', '\\")'),
        ("f('", " ')"),
        ("{ /* )", "*/}"),
        ("{ // )", "\n}"),
        ("// )", ""),
        ("{\n#define F(x) g(x", ")\n}"),
        ("{\n#if A\n(", ")\n#endif\n}"),
        ("#if A\n", "#endif\n"),
        ("#if A\n(\n#if B\nx", "\n#endif\n)\n#endif\n"),
        ("#if A\n#if B\n", "#endif\n#endif\n"),
        ("#if A\n#end", "if\n"),
        ("#if A\n#endif", "\n"),
        ("#if A\\", " \n#endif\n"),
        ("#define F (\\", ")"),
        ("#ifdef A", "\n#endif\n"),
        ("#pragma don't (", ""),
        ("# include <a", ""),
        ("a # b", ""),
        ("{\n#define f(([ // a", "\n}"),
        ("{\n#define f \\\r\n(", ")\n}"),
        ('f("a\\\r', '")'),
        ('f("a\\\r\nb', '")'),
        ('f("a\\\r"', ")"),
        ("f('\\\r\n", "')"),
    ],
)
def test_what_closes(text: str, rest: str):
    found = written(text)
    assert found.length_to_close == len(rest)
    while character := closer(found.state):
        found.write(character)
    assert found.written == text + rest


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("", ")]}"),
        ("(", "]}"),
        ("#", "e" + FRAGMENT),
        ("#if", FRAGMENT),
        ("#if a", ""),
        ("#if A\n", ")]}"),
        ("#if A\n#", FRAGMENT),
        ("#if A\n(\n#", "e" + FRAGMENT),
        ("#if A\n(\n)#", "]})"),
        ('"', "\n"),
        ('"\\', ""),
        ("'", "\n'"),
        ("/* )", ""),
        ("/* /", "*"),
        ("#define F (", "]}\n"),
        ("#define F (\\", "]}\r"),
        ("#if A \\", "\r"),
        ("a \\", ")]}"),
        ("#define F (/", "]}\n/"),
        ("a *", ")]}/"),
        ("#pragma don't /", "/*"),
        ("a\\'", ")]}"),
    ],
)
def test_what_is_forbidden(text: str, refused: str):
    assert sorted(forbidden(written(text).state)) == sorted(refused)
