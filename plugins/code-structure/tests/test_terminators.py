"""Comments, strings and character literals that are not closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.terminators import analyze_terminators

CORRECT = """\
/* a "comment' (* */ // don't /* mind
#define QUOTE '"' /* one
two */ "\\"" \\
	'\\''
#error don't
#if 0
it's prose
#endif
char *s = "/*" "a\\
b" "*/", c = '\\'';	int x = y */**/ z *// z
;
"""


def wrong(text: str, **options: bool) -> list[tuple[str, str]]:
    return [(text[f.start : f.stop], f.message) for f in analyze_terminators(text, **options).defects]


def test_correct_code_has_no_error():
    found = analyze_terminators(CORRECT)
    assert found.defects == []
    assert found.total == {"comment": 3, "string": 4, "character": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int x; /* a */ b */\n", [("*/", "'*/' closes no comment")]),
        ("int x; /* a\nint y; /* b */\n", [("/*", "the comment is not closed before another one begins")]),
        ("int x; /*/* b */\n", [("/*", "the comment is not closed before another one begins")]),
        ("int x; /* a\n", [("/*", "the comment is never closed")]),
        ("#define A 1 /* a\nint y; /* b */\n", [("/*", "the comment is not closed before another one begins")]),
        ('f("a, "b");\n', [('");', "the string is not closed on its line")]),
        ("c = 'a;\n", [("'", "the character literal is not closed on its line")]),
        ("c = '';\n", [("'", "the character literal is not closed on its line")] * 2),
    ],
)
def test_errors_are_found(text: str, expected: list[tuple[str, str]]):
    assert wrong(text) == expected
    assert wrong("#if 0\n" + text + "#endif\n") == [] or "/*" in text
    assert sum(analyze_terminators(text).wrong.values()) == len(expected)


@pytest.mark.parametrize("text", ["x = f(/* a", 'x = f("a', "x = f('\\x1"])
def test_tokens_that_are_cut_need_not_be_closed(text: str):
    assert wrong(text) != []
    assert wrong(text, end_missing=True) == []
    assert wrong(text + "\n", end_missing=True) == [] or "/*" not in text


@given(st.integers(0, len(CORRECT)))
def test_correct_code_has_no_error_after_any_cut(stop: int):
    # A directive that is cut may not be recognized.
    assert wrong(CORRECT[:stop], end_missing=True) == [] or CORRECT[:stop].splitlines()[-1:][0].startswith("#")


@given(st.text("/*\"'\\\n #if01ndefx"), st.booleans())
def test_counts_and_positions_are_consistent_for_any_text(text: str, end_missing: bool):
    found = analyze_terminators(text, end_missing=end_missing)
    assert all(0 <= defect.start < defect.stop <= len(text) for defect in found.defects)
    assert len(found.defects) == sum(found.wrong.values())
    assert all(found.wrong[name] <= found.total[name] for name in found.total)
