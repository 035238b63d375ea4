"""Small faults in C: gcc reports each, and a rule names it; correct code that is similar has no finding."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from seqforge_code_structure.defects import MOST_DEFECTS, RULES
from seqforge_code_structure.findings import analyze

GOLDEN = Path(__file__).parent / "golden"
WARNINGS = ("-Wall", "-Wextra", "-Wno-implicit-function-declaration", "-std=gnu11", "-fsyntax-only", "-x", "c", "-")
MOST_UNNAMED = 10
"""Largest number of faults of 60 that no rule needs to name."""


def read_snippets(name: str = "faults.txt") -> list[tuple[str, str, list[str]]]:
    """Return the title, the code and the findings of each snippet."""
    rows: list[tuple[str, str, list[str]]] = []
    for block in (GOLDEN / name).read_text().split("\n=== ")[1:]:
        title, _, rest = block.partition("\n")
        code, *findings = re.split(r"^---", rest, flags=re.MULTILINE)
        rows.append((title, code, [line.strip() for line in findings if line.strip()]))
    return rows


def find(code: str) -> list[str]:
    """Return the rule of each finding and the text at its position, with no lexicon."""
    found = analyze(code, None, strict=True)
    return [
        f"{item.rule} {code[item.start : item.stop]}".split("\n")[0].strip()
        for item in found
        if RULES[item.rule].default
    ]


def compile_with_gcc(code: str) -> str:
    """Return the errors and warnings of gcc."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    return subprocess.run([gcc, *WARNINGS], input=code, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize(("code", "expected"), [pytest.param(*row[1:], id=row[0]) for row in read_snippets()])
def test_each_fault_is_named(code: str, expected: list[str]):
    assert [finding for finding in find(code) if finding in expected or not expected] == expected


@pytest.mark.parametrize("code", [pytest.param(row[1], id=row[0]) for row in read_snippets()])
def test_gcc_reports_each_fault(code: str):
    assert re.search("error|warning|unterminated", compile_with_gcc(code))


def test_most_faults_are_named():
    named = [bool(expected) for _, _, expected in read_snippets()]
    assert len(named) >= 60
    assert len(named) - sum(named) <= MOST_UNNAMED


@pytest.mark.parametrize("code", [pytest.param(row[1], id=row[0]) for row in read_snippets("correct.txt")])
def test_correct_code_has_no_finding(code: str):
    assert "error" not in compile_with_gcc(code)
    assert not find(code)


def test_number_of_faults_of_a_unit_is_limited():
    found = analyze("int f(int n)\n{\n" + "\tbreak;\n" * (2 * MOST_DEFECTS) + "}\n", None)
    assert len(found) == MOST_DEFECTS
