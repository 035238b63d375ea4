"""Evaluation of the preprocessor's conditions , in which unknown names are true."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqforge_code_structure.compiled_code import Conditions, evaluate_condition


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("0", False),
        ("1", True),
        ("!0", True),
        ("A", True),
        ("!A", False),
        ("!!A", True),
        ("defined(A)", True),
        ("!defined A", False),
        ("defined(__cplusplus)", False),
        ("IS_ENABLED(CONFIG_A) && !defined(B)", False),
        ("A || !B", True),
        ("A && B /* && 0 */ // && 0", True),
        ("!(A && (B || 0))", False),
        ("A != 2", False),
        ("A < 2", False),
        ("A >= 2 && (B) == 3", True),
        ("A << 2", True),
        ("f(A && B, C) \\\n || 0", True),
        ("", True),
        ("(" * 500, True),
    ],
)
def test_condition_is_evaluated(condition: str, holds: bool):
    assert evaluate_condition("if", condition) is holds


@example("!" * 900)
@example("!(" * 300 + ")" * 300)
@given(st.text("()!&|<=A01 /*\\\n") | st.text())
def test_ifdef_and_ifndef_are_complementary(condition: str):
    assert evaluate_condition("if", condition) in (False, True)
    assert evaluate_condition("ifdef", condition) != evaluate_condition("ifndef", condition)


def compiled(text: str) -> list[bool]:
    conditions, seen = Conditions(), []
    start = 0
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            conditions.follow(text, start, start + len(line) - 1)
        else:
            seen.append(conditions.compiled)
        start += len(line)
    return seen


def test_conditions_follow_branches():
    assert compiled("a\n#if A\na\n#elif B\na\n#elifdef C\na\n#else\na\n#endif\na\n") == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]
    assert compiled("#if 0\n#if A\na\n#else\na\n#endif\n#elif 1\na\n#else\na\n#endif\na\n") == [
        False,
        False,
        True,
        False,
        True,
    ]
    assert compiled("#else\na\n#endif\n#elif 0\na\n") == [1, 1]
    assert compiled("#ifndef A\n#define A\na\n#endif\n#ifndef A\n#define B\na\n#endif\n") == [1, 0]
