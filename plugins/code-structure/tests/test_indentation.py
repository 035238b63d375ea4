"""Comparison of indentation with the depth of braces."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.indentation import IndentationAnalysis, analyze_indentation
from seqforge_code_structure.units import split_units

GOLDEN = Path(__file__).parent / "golden"
CODE = (GOLDEN / "indentation.c").read_text()
CHECKED_LINES = 25


def check(text: str) -> IndentationAnalysis:
    return analyze_indentation(text, read_units(text, split_units(text)))


def lines(text: str) -> list[str]:
    return [text[defect.start :].split("\n", 1)[0] for defect in check(text).defects]


@pytest.mark.parametrize("unit", ["\t", "    ", "  ", "   "])
def test_correct_code_agrees_with_any_unit_of_indentation(unit: str):
    found = check(CODE.replace("\t", unit))
    columns = len(unit.expandtabs(8))
    assert (found.unit, found.lines, found.agreeing, found.defects) == (columns, CHECKED_LINES, CHECKED_LINES, [])


@pytest.mark.parametrize(
    "line",
    ["\tint b = a;", "\tfor (;;) {", "\t\tg();", "\t\th();", "\tcase 1:", "\t\tb = 2;", "\t\td = 3;", "\t} b[2];"],
)
def test_wrong_indentation_of_a_line_is_found(line: str):
    assert CODE.count(line) == 1
    for wrong in ("\t" * 3 + line, "    " + line.replace("\t", " " * 8), line.strip()):
        if not (wrong == "}" or wrong.startswith("} b")):
            assert [found.split("\t/*")[0].split(" //")[0] for found in lines(CODE.replace(line, wrong))] == [wrong]


def test_case_may_be_indented_as_its_switch_or_inside_of_it():
    inside = "int f(void)\n{\n\tswitch (a) {\n\t\tcase 1: {\n\t\t\tg();\n\t\t}\n\t\tcase 2:\n\t\t\th();\n\t}\n}\n"
    assert lines(inside) == []
    assert lines(inside.replace("\t\t\tg();", "\tg();")) == ["\tg();"]
    assert lines(inside.replace("\t\tcase 2", "case 2"))[0] == "case 2:"


def test_block_may_have_a_style_of_its_own():
    wide = "int f(void)\n{\n\tint a;\n\n\tif (a) {\n\t\t\tg();\n\t\t\th();\n\t}\n\treturn 0;\n}\n"
    assert lines(wide) == []
    assert lines(wide.replace("\t\t\th();", "\t\t\t\th();")) == ["\t\t\tg();", "\t\t\t\th();"]
    alone = wide.replace("\t\t\th();\n", "")
    assert lines(alone) == []
    assert lines(alone.replace("\t\t\tg();", "\t\t\t\tg();")) == ["\t\t\t\tg();"]
    cases = "\tswitch (a) {\n\t\tcase 1:\n\t\t\tg();\n\t\t\tbreak;\n\t\tcase 2:\n\t\t\tbreak;\n\t}\n"
    assert lines(CODE + wide.replace("\treturn", cases + "\treturn")) == []


def test_macro_in_a_switch_may_be_a_case():
    text = "int f(void)\n{\n\tswitch (a) {\n\tCASE_OF(1);\n\tCASE_OF(2);\n\tcase '{':\n\t\tbreak;\n\t}\n}\n"
    assert lines(text) == []
    assert lines(text.replace("switch", "if")) == ["\tCASE_OF(1);", "\tCASE_OF(2);"]


def test_columns_count_and_a_few_spaces_more_or_less_do_not():
    text = "int f(void)\n{\n\tint a;\n\tg();\n\tif (a) {\n\t\th();\n\t}\n\treturn 0;\n}\n"
    for same in ("        ", "   \t", "\t  ", "     "):
        assert lines(text.replace("\tg()", same + "g()")) == []
    for other in ("    ", "\t    ", "\t\t"):
        assert lines(text.replace("\tg()", other + "g()")) == [other + "g();"]


def test_break_may_be_in_the_column_of_its_case():
    text = "int f(void)\n{\n\tswitch (a) {\n\tcase 1:\n\t\tg();\n\tbreak;\n\tcase 2:\n\t\tbreak;\n\t}\n}\n"
    assert lines(text) == []
    assert lines(text.replace("\n\tbreak", "\nbreak")) == ["break;"]
    assert lines(text.replace("\n\tbreak", "\n\treturn")) == ["\treturn;"]


def test_missing_brace_does_not_affect_later_functions():
    broken = CODE.replace("\tfor (;;) {", "\tfor (;;) {\n\t\tif (b) {")
    assert "\tint a;" not in lines(broken)
    assert "\th();" not in lines(broken)
    assert lines(broken)


def test_lines_outside_of_braces_are_not_checked():
    assert check("int a;\n\tint b;\nint c[] = { 1,\n 2 };\nfoo(\n;\n x);\n").lines == 0


@given(st.text("{}();:\t #\ncase/*\\x"))
def test_counts_and_positions_are_consistent_for_any_text(text: str):
    found = check(text)
    assert 0 <= found.agreeing <= found.lines
    assert found.lines - found.agreeing == len(found.defects)
    assert all(0 <= defect.start < defect.stop <= len(text) for defect in found.defects)
    assert all(text[defect.start - 1] == "\n" for defect in found.defects)


@pytest.mark.parametrize(
    "text",
    [
        "{\n" + "case 1:\n" * 30_000,
        "{\n" + ";\n" * 30_000,
        "{" * 30_000,
        "{;" + "\n\t " * 30_000,
        # This takes minutes if the text since the last round bracket is copied at each brace.
        "int a[] = {\n" + "\t{ { 1 } },\n" * 300_000 + "};\n",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_number_of_defects_is_bounded_for_hostile_texts(text: str):
    assert len(check(text).defects) <= 1000
