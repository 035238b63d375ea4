"""The state of a text that is being written, held to the judge of written texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_code_structure.samplers.automaton import far, near
from seqforge_code_structure.samplers.writing import Mode, State, after, closing, closing_length, forbidden
from seqforge_code_structure.terminators import terminators
from seqforge_code_structure.units import split

ALPHABET = "()[]{}\"'\\/*#\n\t ;ax=,0"
WORDS = [*ALPHABET, "\n#if A\n", "\n#else\n", "\n#endif\n", "\n#define f(x) ", "\n#pragma don't\n", "/*", "//", "'a'"]


def write(pieces: list[str]) -> tuple[str, State]:
    """Write what is allowed of some characters."""
    text, state = "", State()
    for character in "".join(pieces):
        if character not in forbidden(state):
            text, state = text + character, after(state, character)
    return text, state


def faults(text: str) -> list[str]:
    """Faults but for columns and other signs that are no matter of brackets."""
    # What stands in column 0 may end a unit whose brackets are open.
    bare = text.replace("\n", "\n ")
    found = [fault.message for unit in split(bare, end_missing=True) for fault in unit.faults]
    return [message for message in found if "closes nothing" in message or "closed before ')" in message]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=80))
def test_what_is_allowed_has_no_fault(pieces: list[str]):
    text, state = write(pieces)
    # A long literal that is cut looks like none, so that what is in it counts.
    assert faults(text) == [] or state.mode in (Mode.CHARACTER, Mode.CHARACTER_ESCAPE)
    assert len(closing(state)) <= closing_length(state)


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=80))
def test_what_closes_it_is_allowed_and_leaves_nothing_open(pieces: list[str]):
    text, state = write(pieces)
    rest = closing(state)
    complete = text
    while rest:
        assert rest[0] not in forbidden(state)
        complete, state = complete + rest[0], after(state, rest[0])
        assert len(closing(state)) < len(rest)
        rest = closing(state)
    complete += "\n"
    units = list(split(complete.replace("\n", "\n ")))
    assert [fault.message for unit in units for fault in unit.faults] == []
    # A directive with a name of its own is no C, and its quotes are nobody's.
    assert terminators(complete).faults == [] or "#" in pieces


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=40), st.integers(0, 400))
def test_while_the_end_is_far_it_is_near_to_none(pieces: list[str], left: int):
    states = [State()]
    for character in "".join(pieces):
        states.append(after(states[-1], character))
    for position, state in enumerate(states):
        for steps, later in enumerate(states[position : position + 1 + far([state], left)]):
            assert left - steps > near(later) or not far([state], left)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("", ""),
        ("int f(void)\n{\n\tg(a[", "])}"),
        ('f("a', '")'),
        ('f("\\', '\\")'),
        ("f('", "0')"),
        ("{ /* )", "*/}"),
        ("{ // )", "\n}"),
        ("// )", ""),
        ("{\n#define F(x) g(x", ")\n}"),
        ("{\n#if A\n(", ")\n#endif\n}"),
        ("#if A\n", "#endif\n"),
        ("#if A\n(\n#if B\nx", "\n#endif\n)\n#endif\n"),
        ("#if A\n#end", "if\n"),
        ("#if A\\", " \n\n#endif\n"),
        ("#define F (\\", ")"),
        ("#ifdef A", "\n\n#endif\n"),
        ("#pragma don't (", ""),
        ("# include <a", ""),
    ],
)
def test_what_closes(text: str, rest: str):
    state = State()
    for character in text:
        assert character not in forbidden(state)
        state = after(state, character)
    assert closing(state) == rest


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("", ")]}"),
        ("(", "]}"),
        ("#", "e"),
        ("#if A\n", ")]}"),
        ("#if A\n#", ""),
        ("#if A\n(\n#", "e"),
        ("#if A\n(\n)#", "]})"),
        ('"', "\n"),
        ('"\\', ""),
        ("'", "\n'"),
        ("/* )", ""),
        ("/* /", "*"),
        ("#define F (", "]}\n"),
        ("#define F (\\", "]}"),
        ("a *", ")]}/"),
        ("#if A\n" * 32 + "#", "i"),
        ("(" * 256 + "\n#", "ei"),
        ("a\\'", ")]}"),
    ],
)
def test_what_is_forbidden(text: str, refused: str):
    state = State()
    for character in text:
        state = after(state, character)
    assert sorted(forbidden(state)) == sorted(refused)
