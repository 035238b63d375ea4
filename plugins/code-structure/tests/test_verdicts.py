"""Findings in snippets of C, from a table of snippets and verdicts."""

from pathlib import Path

import pytest
from seqforge_code_structure.defects import RULES
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers.lexicon_file import read_linux_lexicon

TABLE = (Path(__file__).parent / "golden" / "verdicts.txt").read_text()


def read_table() -> list[tuple[str, str, str, list[str]]]:
    """Return the title, the options, the code and the findings of each snippet."""
    rows: list[tuple[str, str, str, list[str]]] = []
    for block in TABLE.split("\n=== ")[1:]:
        heading, _, rest = block.partition("\n")
        title, _, options = heading.rstrip("]").partition(" [")
        code = rest.split("\n--- ")[0].rstrip("\n") + "\n"
        findings = [line.removeprefix("--- ") for line in rest.split("\n") if line.startswith("--- ")]
        rows.append((title, options, code if "cut" not in options else code[:-1], findings))
    return rows


@pytest.mark.parametrize(("options", "code", "expected"), [pytest.param(*row[1:], id=row[0]) for row in read_table()])
def test_findings_match_the_table(options: str, code: str, expected: list[str]):
    lexicon = read_linux_lexicon() if "linux" in options else None
    found = analyze(code, lexicon, cut="cut" in options, strict="strict" in options)
    selected = [item for item in found if RULES[item.rule].default or item.rule in options]
    assert [f"{item.rule} {code[item.start : item.stop]}".split("\n")[0].strip() for item in selected] == expected
