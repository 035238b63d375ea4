"""Division of texts into top-level units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.labels import label_characters
from seqforge_code_structure.units import split_units

C = """\
/* Counts. */
#include <linux/base.h>

static int count;
int limits[] = { 1, 2 }; /* two */

struct pair {
	int left, right;
} __packed;

#ifdef DOUBLE
static int twice(int x)
#else
static int once(int x)
#endif
{
	if (x) {
		return x; }
	return 0;
}
EXPORT_SYMBOL(once);
"""

PIECES = st.sampled_from(
    [
        *"(){}[];,#\\\n\t /*\"'x=:\0é",
        *("/*", "*/", "//", "\n}", "\n{", "\r\n", '"a"', "\n#if A\n", "\n#else\n", "\n#endif\n", "\n#if 0\n"),
        *("\n#define f(x) (", "\nint f(int x)\n{\n", "\treturn 0;\n}\n", "static struct s x = {\n"),
    ]
)
TEXTS = st.lists(PIECES).map("".join) | st.text()


def starts(text: str) -> list[str]:
    return [text[unit.start : unit.stop].strip().splitlines()[0] for unit in split_units(text)]


def test_unit_is_a_declaration_with_the_comments_and_directives_before_it():
    assert starts(C) == [
        "/* Counts. */",
        "int limits[] = { 1, 2 }; /* two */",
        "struct pair {",
        "#ifdef DOUBLE",
        "EXPORT_SYMBOL(once);",
    ]
    assert all(unit.kind == "complete" and not unit.defects for unit in split_units(C))


@pytest.mark.parametrize("lost", ["\t\treturn x; }", "}\nEXPORT"])
def test_missing_brace_affects_only_its_unit(lost: str):
    text = C.replace(lost, lost.replace("}", "")) + "\nstatic int next(void)\n{\n\treturn 1;\n}\n"
    units = list(split_units(text))
    assert [text[unit.start : unit.stop].strip()[:17] for unit in units if not unit.defects][-1] == "static int next(v"
    assert sum(unit.defect_count for unit in units) == 1


FLAT = """\
int f(int n)
{
int count = n;
long total = 0;

do {
	total += count;
} while (--count);
if (n) {
	n = g(n);
}
done:
return n + (int)total;
}
"""


def test_function_may_have_declarations_blocks_and_labels_in_column_0():
    (flat, following) = split_units(FLAT + C[C.index("static int count") : C.index("int limits")])
    assert flat.stop == following.start == len(FLAT)
    assert not flat.defects


def test_missing_brace_in_column_0_affects_only_its_unit():
    units = split_units(FLAT.replace("return n + (int)total;\n}", "return n;") + C)
    assert [unit.defect_count for unit in units] == [1, *(0 for _ in units[1:])]
    assert len(units) > 4


@pytest.mark.parametrize("before", ["", "#define a ", "int f(void)\n{\n\t"])
def test_many_quotation_marks_behind_backslashes_take_linear_time(before: str):
    # An algorithm with quadratic time would take hours.
    text = before + "'" + "\\'" * 300_000
    assert [unit.defect_count for unit in split_units(text, end_missing=True)] == [0]
    assert len(label_characters(text)) == len(text)


@given(TEXTS, st.booleans(), st.booleans())
def test_units_cover_the_text_without_gaps(text: str, beginning_missing: bool, end_missing: bool):
    units = list(split_units(text, beginning_missing=beginning_missing, end_missing=end_missing))
    assert "".join(text[unit.start : unit.stop] for unit in units) == text
    assert all(unit.start < unit.stop for unit in units)
    assert all(unit.start <= defect.start < unit.stop for unit in units for defect in unit.defects)
    assert [unit.kind == "head" for unit in units] == [beginning_missing and place == 0 for place in range(len(units))]
    assert all(unit.kind != "tail" for unit in units[: None if not end_missing else -1])


def test_a_brace_with_which_a_cut_line_goes_on_closes_no_function():
    function, variable = split_units("} else {\n\ta();\n\t}\n}\nint z;\n", beginning_missing=True)
    assert function.defects == []
    assert (variable.kind, variable.start) == ("complete", 20)


def test_only_a_macro_that_is_cut_may_have_open_brackets():
    macro = "int y;\n#define A(x) (x"
    assert [unit.macro_defects for unit in split_units(macro, end_missing=True)] == [[], []]
    assert [len(unit.macro_defects) for unit in split_units(macro + "\nint z;\n", end_missing=True)] == [0, 1]


def test_a_brace_after_a_block_of_a_cut_function_does_not_end_it():
    head = "\tif (f()) {\n\t\tgoto out;\n\t}\n\n\tg();\nout:\n\treturn 0;\n}\n"
    (unit,) = split_units(head, beginning_missing=True)
    assert (unit.stop, unit.defects) == (len(head), [])


def test_all_brackets_of_a_table_are_counted():
    table = "int t[][2] = {\n\t{ 1, 2 }, { 3, f(4) },\n{ 5 },\n\t[7] = { g[8] }\n};\n"
    (unit,) = split_units(table)
    assert unit.brackets == sum(map(table.count, "()[]{}"))
    assert unit.balanced


@given(TEXTS, TEXTS)
def test_units_do_not_depend_on_later_text(text: str, after: str):
    whole = [unit for unit in split_units(text, end_missing=True) if unit.kind == "complete"]
    longer = list(split_units(text + "\nint x;\n" + after, end_missing=True))
    assert [unit for unit in longer if unit.stop < len(text)][: len(whole) - 1] == whole[:-1]
