"""Bracket errors: golden values, mutations of correct code, and hostile texts."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.defects import MOST_DEFECTS
from seqforge_code_structure.units import split_units

FUNCTION = """\
static int f(struct x *x, char c)
{
	int a[2] = { 1, x->y[3] };

	for (int i = 0; i < a[0]; i++) {
		if (c == '{' || g("}\\"{", x)) { /* { */
			x = (struct x){ 1 };
		} // )
	}
	return (a[1]);
}
"""
IGNORED = [
    range(FUNCTION.index(ignored), FUNCTION.index(ignored) + len(ignored))
    for ignored in ("'{'", '"}\\"{"', "/* { */", "// )")
]
BRACKETS = [
    place
    for place, character in enumerate(FUNCTION)
    if character in "()[]{}" and not any(place in ignored for ignored in IGNORED)
]


def defects(text: str, **options: bool) -> list[tuple[int, str]]:
    units = split_units(text, **options)
    return [(defect.start, defect.message) for unit in units for defect in sorted(unit.defects + unit.macro_defects)]


def positions(text: str, **options: bool) -> list[int]:
    return [position for position, _ in defects(text, **options)]


def test_correct_code_has_no_error():
    assert defects(FUNCTION) == []
    assert [unit.brackets for unit in split_units(FUNCTION)] == [len(BRACKETS)]


@given(st.sampled_from(BRACKETS))
def test_every_deleted_bracket_is_found(place: int):
    assert defects(FUNCTION[:place] + FUNCTION[place + 1 :])


@given(st.sampled_from(BRACKETS), st.sampled_from("()[]{}"))
def test_every_inserted_or_substituted_bracket_is_found(place: int, bracket: str):
    assert defects(FUNCTION[:place] + bracket + FUNCTION[place:])
    if bracket != FUNCTION[place]:
        assert defects(FUNCTION[:place] + bracket + FUNCTION[place + 1 :])


@given(st.integers(0, len(FUNCTION)))
def test_correct_code_has_no_error_after_any_cut(stop: int):
    assert defects(FUNCTION + FUNCTION[:stop], end_missing=True) == []
    cut = FUNCTION[stop:] + FUNCTION
    assert defects(cut, beginning_missing=True, end_missing=True) == [] or "'" in FUNCTION[:stop]


@given(st.text(st.characters(exclude_characters="*/\\?")))
def test_content_of_a_comment_is_ignored(text: str):
    assert defects(FUNCTION.replace("/* { */", f"/*{text}*/")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "int a = f(1];\n",
            [(11, "']' closes nothing; '(' is open"), (9, "'(' is never closed")],
        ),
        ("int a[2;\n", [(5, "'[' is never closed")]),
        ("}\n", [(0, "'}' closes nothing")]),
        ("int f(void)\n{\n\tg(a[1);\n}\n", [(18, "'[' is not closed before ')'")]),
        ("#define BEGIN {\nint x;\n", [(14, "'{' is never closed")]),
        (
            "#define F(x) do { g(x); } while (0)\n#define \\\n  # } (\nint x;\n",
            [(50, "'}' closes nothing"), (52, "'(' is never closed")],
        ),
    ],
)
def test_positions_and_messages(text: str, expected: list[tuple[int, str]]):
    assert defects(text) == sorted(expected)


@pytest.mark.parametrize(
    "conditions",
    [
        "#ifdef A\n if (x) {\n#else\n if (y) {\n#endif\n }\n",
        "#ifndef A\n if (x) {\n#endif\n g();\n#if !defined(A)\n }\n#endif\n",
        "#if A && B\n if (x) {\n#endif\n#if defined(B) && A\n }\n#endif\n",
        "#if A < 2\n if (x)\n#else\n if (y)\n#endif\n {\n }\n#if A >= 2\n {\n#endif\n#if !(A < 2)\n }\n#endif\n",
        "#if 0\n { ( don't [\n#endif\n",
        "#ifdef __cplusplus\n {\n#endif\n",
        "#if IS_ENABLED(CONFIG_A)\n {\n#elif B\n {\n#else\n {\n#endif\n }\n",
        "# if A /* ( */\n {\n# endif\n#if A\n }\n#endif\n",
    ],
)
def test_branches_of_a_condition_are_balanced(conditions: str):
    body = "int f(void)\n{\n" + conditions + "}\n"
    assert defects(body) == []
    assert defects(body.replace("\n}\n", "\n}}\n"))


def test_only_the_branch_that_is_compiled_counts():
    assert defects("int f(void)\n{\n#ifndef A\n }}\n#elif B\n }\n#endif\n}\n") == [(46, "'}' closes nothing")]


def test_code_in_an_include_guard_is_checked():
    assert positions("#ifndef H\n#define H\nint f(int x;\n#endif\n") == [25]


def test_early_signs_of_errors_in_a_cut_unit():
    unfinished = "int f(void)\n{\n\tif (g(x)) {\n\t\th();\n\t}\n"
    assert positions(unfinished, end_missing=True) == []
    assert positions(unfinished.replace("x))", "x)") + "\tk();\n", end_missing=True) != []
    assert positions(unfinished.replace("h()", "h(") + "\tk();\n", end_missing=True) == [unfinished.index("h(") + 1]
    assert positions("int f(int a)\n\tint b;\n\n\treturn", end_missing=True) == [19]


def test_error_affects_only_its_unit():
    broken = FUNCTION.replace("[1]", "[1")
    assert [unit.defect_count for unit in split_units(FUNCTION + broken + FUNCTION)] == [0, 1, 0]
    assert [unit.defect_count for unit in split_units(FUNCTION[:-2] + FUNCTION + FUNCTION)] == [1, 0, 0]


HOSTILE = {
    "open": "(" * 100_000,
    "closed": ")" * 200_000,
    "nested": "int f(void)" + "{" * 20_000 + "}" * 20_000,
    "NUL": "\0" * 100_000,
    "surrogates": b"int f(void) { return \xff\xc3(; }\n".decode("utf-8", "surrogateescape") * 3_000,
    "long line": "a = b + c; " * 100_000,
    "else if": "int f(void){" + "if(a){}else " * 10_000 + ";}",
    "#if": "#if A\n" * 100_000,
    "quotes": "'\"" * 100_000,
    "comment begins": "/*" * 100_000,
    "slashes": "/" * 300_001 + "*",
    "backslashes": '"' + "\\\n" * 100_000,
    "hashes": "\n#" * 50_000,
    "blank": ";" + "\n\t " * 100_000 + "x",
    "lines": ";\n" * 100_000,
    "declarations": "{\n" + ";\n#define x\n" * 30_000,
    "pairs": "()" * 100_000,
    "condition": "#if " + "(" * 500 + "!" * 400 + "\n" + "#if " + "A &&" * 100_000 + "\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded_for_any_text(name: str):
    text = HOSTILE[name]
    tracemalloc.start()
    try:
        units = 0
        for unit in split_units(text, end_missing=True):
            units += 1
            assert len(unit.defects) <= MOST_DEFECTS <= max(MOST_DEFECTS, unit.defect_count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert units
    assert peak < 3_000_000 + 300 * len(text)  # A directive takes 430 bytes.


@pytest.mark.parametrize("brackets", ["()", "{}", "[]"])
def test_depth_of_a_unit_is_that_of_its_innermost_brackets(brackets: str):
    opening, closing = brackets
    (unit,) = split_units(f"int x = {opening * 300};{closing * 300};\n")
    assert (unit.depth, unit.defect_count) == (300, 0)


def test_many_unmatched_brackets_take_linear_time():
    # An algorithm with quadratic time would take an hour.
    (unit,) = split_units("#define a " + "(" * 100_000 + "}" * 100_000)
    assert (unit.defect_count, len(unit.macro_defects)) == (0, MOST_DEFECTS)
    (unit,) = split_units("int x = " + "(" * 100_000 + "}" * 100_000)
    assert (unit.defect_count, len(unit.defects)) == (200_000, MOST_DEFECTS)
    (unit,) = split_units("#if A\n" * 100_000)
    assert len(unit.defects) == MOST_DEFECTS


def test_brackets_in_a_cut_character_literal_are_ignored():
    assert positions("int c = f('}", end_missing=True) == []
    assert positions("int c = f('}\n", end_missing=True) == [11]
