"""Evaluation of the preprocessor's conditions under two assignments."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqforge_code_structure.conditions import ALL_FALSE, ALL_TRUE, BOTH, NEITHER, Conditions, evaluate_condition


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("0", NEITHER),
        ("1", BOTH),
        ("!0", BOTH),
        ("A", ALL_TRUE),
        ("!A", ALL_FALSE),
        ("!!A", ALL_TRUE),
        ("defined(A)", ALL_TRUE),
        ("!defined A", ALL_FALSE),
        ("defined(__cplusplus)", NEITHER),
        ("IS_ENABLED(CONFIG_A) && !defined(B)", NEITHER),
        ("A || !B", BOTH),
        ("A && B /* && 0 */ // && 0", ALL_TRUE),
        ("!(A && (B || 0))", ALL_FALSE),
        ("A != 2", ALL_FALSE),
        ("A < 2", ALL_FALSE),
        ("A >= 2 && (B) == 3", ALL_TRUE),
        ("A << 2", ALL_TRUE),
        ("f(A && B, C) \\\n || 0", ALL_TRUE),
        ("", ALL_TRUE),
        ("(" * 500, ALL_TRUE),
    ],
)
def test_condition_is_evaluated(condition: str, holds: int):
    assert evaluate_condition("if", condition) == holds


@example("!" * 900)
@example("!(" * 300 + ")" * 300)
@given(st.text("()!&|<=A01 /*\\\n") | st.text())
def test_ifdef_and_ifndef_are_complementary(condition: str):
    assert evaluate_condition("if", condition) in range(4)
    assert evaluate_condition("ifdef", condition) + evaluate_condition("ifndef", condition) == BOTH


def compiled(text: str) -> list[int]:
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
    assert compiled("a\n#if A\na\n#elif B\na\n#elifdef C\na\n#else\na\n#endif\na\n") == [3, 1, 0, 0, 2, 3]
    assert compiled("#if 0\n#if A\na\n#else\na\n#endif\n#elif 1\na\n#else\na\n#endif\na\n") == [0, 0, 3, 0, 3]
    assert compiled("#else\na\n#endif\n#elif 0\na\n") == [3, 3]
    assert compiled("#ifndef A\n#define A\na\n#endif\n#ifndef A\n#define B\na\n#endif\n") == [3, 2]
