"""The grammar of generated text, compared with the analysis of complete texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_c_samplers.bracket_grammar import (
    FRAGMENT,
    LexicalState,
    Mode,
    closing_character,
    closing_length,
    forbidden_characters,
    representative,
    transition,
)
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_units

ALPHABET = "()[]{}\"'\\/*#\n\r\t ;ax=,0" + FRAGMENT
WORDS = [
    *ALPHABET,
    "\n}",
    "\nx x",
    "\nX(",
    "};\n",
    "\n#if A\n",
    "\n#else\n",
    "\n#endif\n",
    "\n#define f(x) ",
    "\n#pragma don't\n",
    "/*",
    "//",
    "'a'",
]


class Text:
    """A generated text, with the state and the stack of the grammar."""

    def __init__(self) -> None:
        self.content, self.state, self.stack = "", LexicalState(), list[LexicalState]()

    def write(self, character: str) -> None:
        self.content += character
        move = transition(self.state, character)
        while move.drops and self.stack and self.stack[-1].directive is not None:
            self.stack.pop()
        if move.pushed is not None:
            self.stack.append(move.pushed)
        self.state = self.stack.pop() if move.state is None else move.state

    def write_allowed(self, pieces: list[str]) -> None:
        for character in "".join(pieces):
            if character not in forbidden_characters(self.state):
                self.write(character)

    @property
    def closing_length(self) -> int:
        return sum(map(closing_length, [*self.stack, self.state]))


def messages_of(text: str) -> list[str]:
    """Return the bracket errors of a text, without those that depend on columns or are early signs."""
    found = [defect.message for unit in split_units(text, end_missing=True) for defect in unit.defects]
    return [message for message in found if "closes nothing" in message or "closed before ')" in message]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=80))
def test_text_of_allowed_characters_has_no_error(pieces: list[str]):
    text = Text()
    text.write_allowed(pieces)
    # A long literal that is cut is not recognized as a literal, so brackets in it count.
    assert messages_of(text.content) == [] or text.state.mode in (Mode.CHARACTER, Mode.CHARACTER_ESCAPE)


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=80))
def test_closing_characters_are_allowed_and_close_everything(pieces: list[str]):
    text = Text()
    text.write_allowed(pieces)
    for left in range(text.closing_length, 0, -1):
        assert text.closing_length == left
        assert closing_character(text.state) not in forbidden_characters(text.state)
        text.write(closing_character(text.state))
    assert closing_character(text.state) == ""
    complete = text.content + "\n"
    units = list(split_units(complete))
    assert [defect.message for unit in units for defect in unit.defects] == []
    # The text of an unknown directive is not C, so its quotation marks enclose no literal.
    assert analyze_terminators(complete).defects == [] or "#" in pieces


@given(st.lists(st.sampled_from([*WORDS, "e", "endif"]), max_size=80))
def test_every_state_on_the_stack_takes_a_character_to_close(pieces: list[str]):
    text = Text()
    for character in "".join(pieces):  # including forbidden ones
        text.write(character)
        assert all(map(closing_length, text.stack[1:]))


@given(st.lists(st.sampled_from([*WORDS, "e", "endif"]), max_size=80), st.characters())
def test_character_has_the_same_effect_as_its_representative(pieces: list[str], character: str):
    text = Text()
    for written in "".join(pieces):
        text.write(written)
    assert transition(text.state, character) == transition(text.state, representative(character))
    forbidden = forbidden_characters(text.state)
    assert (character in forbidden) == (representative(character) in forbidden)


def generate(text: str) -> Text:
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
        ("{ { // )", "\n }}"),
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
def test_shortest_closing_text(text: str, rest: str):
    found = generate(text)
    assert found.closing_length == len(rest)
    while character := closing_character(found.state):
        found.write(character)
    assert found.content == text + rest


@pytest.mark.parametrize(
    ("text", "forbidden"),
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
        ("{\n", ")]"),
        ("{{\n", ")]}"),
        ("{{\n ", ")]"),
        ("{\nx", ")]("),
        ("{\nx ", ")]*definx" + FRAGMENT),
        ("x ", ")]}"),
        ("{ {\n#if A\n", ")]}"),
    ],
)
def test_forbidden_characters(text: str, forbidden: str):
    assert sorted(forbidden_characters(generate(text).state)) == sorted(forbidden)
