"""Analysis of names in deeply nested, long and malformed texts."""

import random

import pytest
from seqforge_code_structure.defects import RULES, TOO_DEEP, Defect
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers import parsing, reading
from seqforge_code_structure.identifiers.parsing import TOO_MUCH_WORK
from seqforge_code_structure.identifiers.reading import LONGEST_UNIT
from tree_sitter import Parser

FUNCTION = "int f(void)\n{{\n\t{}\n}}\n"

TOKENS = [
    *"(){}[];,.*&\"'#=+:\n",
    "if",
    "else",
    "for",
    "int",
    "a",
    "b",
    "->",
    "struct",
    "return",
    "define",
    "case",
    "goto",
]

DEEP = {
    "brackets": ("int x = " + "(" * 100_000 + "1" + ")" * 100_000 + ";", TOO_DEEP),
    "open brackets": ("(" * 100_000, TOO_DEEP),
    "braces": ("int f(void)\n" + "{" * 100_000, TOO_DEEP),
    "statements without semicolons": (FUNCTION.format("while (a) b " * 10_000), TOO_MUCH_WORK),
    "errors that the parser cannot leave": (".a = " * 20_000, TOO_MUCH_WORK),
    "pointers without an end": ("int " + "*" * 100_000, TOO_MUCH_WORK),
    "the same in a function": (FUNCTION.format(".a = " * 20_000), TOO_MUCH_WORK),
    "a long unit": (FUNCTION.format("x = 1;\n" * (LONGEST_UNIT // 5)), f"longer than {LONGEST_UNIT:,} characters"),
}


def find_name_errors(text: str) -> list[Defect]:
    return [item for item in analyze(text, None) if RULES[item.rule].kind in ("names", "syntax")]


@pytest.mark.parametrize(("text", "expected"), DEEP.values(), ids=DEEP)
def test_units_beyond_a_limit_are_reported(text: str, expected: str):
    messages = [finding.message for finding in find_name_errors(text)]
    assert any(expected in message for message in messages)
    assert len(messages) <= 2


@pytest.mark.parametrize(
    "text",
    [
        "\0" * 500_000,
        "int f(void){ int \0a = 3;\0 return a; }\n" * 2_000,
        "int f(void) { return \ufffd\ufffd(; }\n" * 2_000,
        "#if A\n" * 100_000,
        "a" * 11_000_000,
        "a = b + c; " * 1_000_000,
        " ".join(random.Random(1).choices(TOKENS, k=100_000)),
        bytes(random.Random(2).choices(range(256), k=200_000)).decode("latin-1"),
        "__aligned(" * 20_000,
        # Each of these takes minutes if the pattern that matches it is not bounded.
        FUNCTION.format("for_each_a" * 49_000),
        FUNCTION.format("for_each_x_scoped" * 25_000),
        FUNCTION.format("int " + ", ".join(f"a{number}" for number in range(60_000)) + ";"),
        FUNCTION.format('"' + '\\"' * 200_000),
        FUNCTION.format("\n#ifndef A\n" + "\n" * 400_000 + "\n#endif\n"),
        "a" * 400_000 + ")\n{\n",
        FUNCTION.format("if (a)\n\t\tg();\n\telse " * 10_000 + ";"),
        FUNCTION.format("x = " + "a + " * 10_000 + "1;"),
        "int " + "*" * 100_000 + "x;",
        FUNCTION.format("x = " + "(a)" * 10_000 + "b;"),
        FUNCTION.format("x = " + "a ? b : " * 10_000 + "1;"),
        FUNCTION.format("g(" + "struct a *, " * 20_000 + "b);"),
        FUNCTION.format("list_for_each_entry(a, " * 5_000),
        FUNCTION.format("for_each_x_scoped(" * 5_000),
        FUNCTION.format("a (" * 200 + ") {" * 200),
        FUNCTION.format("A(1;" * 200 + "A(]" * 5_000),
        "#define OWN(a) ;\n" + FUNCTION.format("OWN(" * 200 + ")" * 200 + "OWN(a) b " * 5_000 + "]("),
        FUNCTION.format("FOO\n" * 20_000 + "]("),
        FUNCTION.format("x = AB(1)" + " AB(1)" * 25_000 + "]("),
        "int f()" + " AB(1)" * 25_000 + "](;",
        FUNCTION.format("int a " + "__a " * 25_000 + "]("),
        FUNCTION.format("if ((a))\n" * 50_000 + "]("),
        "f(a)\nint a;\n" * 10_000,
        "#if 0\n" + "int a = x\n" * 100_000 + "#endif\n",
        "int f(void)\n{\n" + "int a;\n" * 12_500 + "}}\n}\n",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_hostile_texts_are_analyzed(text: str):
    for finding in find_name_errors(text):
        assert 0 <= finding.start < finding.stop <= len(text)


def test_more_errors_are_no_more_work(monkeypatch: pytest.MonkeyPatch):
    works: list[parsing.Work] = []

    class RecordedWork(parsing.Work):
        def __init__(self, parser: Parser, length: int) -> None:
            super().__init__(parser, length)
            works.append(self)

    monkeypatch.setattr(parsing, "Work", RecordedWork)
    for length in (100_000, 200_000):
        assert parsing.parse_code(b".a = " * (length // 5)) is None
    # Without the limit, the reports are proportional to the length, and the time is quadratic.
    once, twice = (work.reports for work in works)
    assert twice <= once


def test_long_code_with_few_errors_is_parsed():
    tree = parsing.parse_code(FUNCTION.format("\tg(a);\n" * 50_000 + "\tg(;\n" * 10).encode())
    assert tree is not None
    assert tree.root_node.has_error


def test_code_that_is_repaired_may_have_many_errors_before():
    # Each line is an error of the grammar until the rules for annotations remove `__foo`.
    text = "struct s x[] = {\n" + "\t{ .a = (int __force) 1 },\n" * 4_000 + "};\n"
    assert parsing.parse_code(text.encode()) is None
    assert find_name_errors(text) == []


def test_nesting_within_the_limit_is_analyzed(monkeypatch: pytest.MonkeyPatch):
    text = FUNCTION.format("x = " + "(" * 200 + "a" + ")" * 200 + ";")
    assert find_name_errors(text) == []
    monkeypatch.setattr(reading, "DEEPEST_NESTING", 100)
    assert [finding.message for finding in find_name_errors(text)] == [TOO_DEEP]


@pytest.mark.parametrize("between", ["", " /* a comment */ "])
def test_a_part_of_a_called_name_is_no_name(between: str):
    function = FUNCTION.format(f"NAME(part){between}(1);\n\treturn 0;")
    assert [name.name for name in reading.read_unit(function).functions[0].free] == ["NAME"]
