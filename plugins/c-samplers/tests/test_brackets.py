"""What a text leaves open, and the text that closes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_c_samplers.brackets import close_text, count_bracket_faults, count_indented_comments, find_open_conditions
from seqforge_code_structure.units import split_units


def count_faults(text: str) -> int:
    return count_bracket_faults(text, split_units(text))


@pytest.mark.parametrize(
    ("text", "closing", "compact"),
    [
        ("int a;\n", "", ""),
        ("int f(void)\n{\n\tif (a) {\n\t\tg(b,\n", ");\n\t}\n}\n", ")}}"),
        ("static struct a x = {\n\t{ 1 },\n", "};\n", "}"),
        ("struct a {\n\tint b;\n", "};\n", "}"),
        ("void f(void)\n{\n\tdo {\n", "\t} while (0);\n}\n", " }}"),
        ("void f(void)\n{\n#ifdef A\n\tif (x) {\n", "\t}\n#endif\n}\n", " }\n#endif\n}"),
        ("/* a\n * b\n", " */", " */"),
        ('f("a', '");\n', '")'),
        ("{ // a (", "\n}\n", "\n}"),
        ("#if 1\n", "#endif\n", "#endif\n"),
        ("int a[", "];\n", "]"),
    ],
)
def test_closing_text(text: str, closing: str, compact: str) -> None:
    assert close_text(text) == closing
    assert close_text(text, compact=True) == compact
    assert count_faults(text + closing) == count_faults(text + compact) == 0


PIECES = [
    *("f(", "x)", "{\n", "}\n", "a[", "]", ";\n", "/* ", " */"),
    *("#if A\n", "\n#else\n", "\n#endif\n", '"', "// ", "\n"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.booleans())
def test_nothing_remains_open_in_any_text(pieces: list[str], compact: bool) -> None:
    text = "".join(pieces)
    closed = text + close_text(text, compact=compact)
    assert close_text(closed, compact=compact) == ""


def test_each_branch_of_an_open_condition_is_remembered() -> None:
    text = "int a;\n#ifndef A\nint f(void);\n#elif B\n#if C\n#endif\n#else\nint g(void);\n"
    assert find_open_conditions(text) == ["#ifndef A\n", "#elif B\n", "#else\n"]
    assert find_open_conditions(f"{text}#endif\n") == []


BRANCHES = "#ifdef A\nint a;\n#else\nint f(void)\n{{\n\t{}\n}}\n#endif\n"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        *(("f(]", 1), ("f)", 1), ('"a\n', 1), ("*/\n", 1), ("#define A {\n", 1)),
        *((BRANCHES.format("g(]);"), 1), (BRANCHES.format("g();"), 0)),
    ],
)
def test_faults_are_counted(text: str, faults: int) -> None:
    assert count_faults(text + close_text(text)) == faults


def test_comments_outside_of_brackets_begin_in_column_0() -> None:
    assert count_indented_comments("/* a */\nint a; /* b */\nvoid f(void)\n{\n\t/* c */\n}\n") == 0
    assert count_indented_comments("int a;\n\t/* b */\n") == 1
