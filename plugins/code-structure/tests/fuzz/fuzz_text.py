"""Coverage-guided fuzzing, by atheris (libFuzzer), of all analyses of text.

    pip install atheris
    python plugins/code-structure/tests/fuzz/fuzz_text.py -max_total_time=600 -max_len=4096 -timeout=20

Depending on its first byte, an input is decoded as UTF-8, or each of its bytes selects a piece of C. The assertions
below must hold for every input. An input that violates one is saved in the current folder. To run it again, pass its
file name as the only argument.
"""

import sys

import atheris

with atheris.instrument_imports(include=["seqforge_code_structure"]):
    from seqforge_code_structure.findings import analyze
    from seqforge_code_structure.identifiers.lexicon import Flag, Lexicon
    from seqforge_code_structure.labels import label_characters
    from seqforge_code_structure.metrics import Brackets, Identifiers, Indentation, Terminators
    from seqforge_code_structure.units import split_units

PIECES = [
    *"()[]{};,.:?*&!=+-<>\"'\\/#\n\t \0a0_\r\f~^%|\ufffd\ud800\u00e9",
    *("int ", "char *", "void ", "struct s ", "static ", "const ", "unsigned ", "u32 ", "size_t ", "bool "),
    *("if (", "else ", "for (", "while (", "do ", "switch (", "case A:", "default:", "break;", "return ", "goto out;"),
    *("out:\n", "sizeof(", "typeof(", "x = ", "->next", "NULL", "ARRAY_SIZE(", "list_for_each_entry(", "min_t(int, "),
    *("container_of(", "__free(kfree) ", "__init ", "asm volatile(", "EXPORT_SYMBOL(", "DEFINE_MUTEX(", "LIST_HEAD("),
    *("\nint f(int a)\n{\n", "\n}\n\n", "\n{\n", "\t", "\t\t", "        ", ") {\n", ";\n", "} else {\n", "\n\n"),
    *("/*", "*/", "//", "\\\n", "\\'", '\\"', "'a'", '"a"', "L'", "0x1f", "1e+3", "...", "##", "=="),
    *(
        "\n#if A\n",
        "\n#ifdef B\n",
        "\n#ifndef C\n",
        "\n#elif !defined(A) && B\n",
        "\n#else\n",
        "\n#endif\n",
        "\n#if 0\n",
    ),
    *(
        "\n#define F(x) ",
        "\n#define G \\\n",
        "\n#include <a.h>\n",
        "\n#error don't\n",
        "\n#pragma ",
        "typedef ",
        "enum {",
    ),
    *(
        "union {",
        "extern ",
        "SYSCALL_DEFINE2(f, int, a)",
        "__attribute__((",
        "scoped_guard(",
        "for_each_x_scoped(a, b)",
    ),
]

FLAGS = {"a": Flag.LOCAL | Flag.LOCAL_IN_EXCERPT, "f": Flag.VARIABLE, "x": Flag.LOCAL | Flag.USED_BY_MACROS}
LEXICON = Lexicon.from_flags(9, FLAGS)
IDENTIFIERS = Identifiers()
IDENTIFIERS.lexicon = LEXICON
METRICS = [Brackets(), Indentation(), Terminators(), IDENTIFIERS]
NAMES = [metric.score([]).values.keys() for metric in METRICS]


def check(data: bytes) -> None:
    """Check all properties for one input."""
    if not data:
        return
    if data[0] & 1:
        text = data[1:].decode("utf-8", "surrogatepass" if data[0] & 2 else "replace")
    else:
        text = "".join(PIECES[value % len(PIECES)] for value in data[1:])
    for metric, names in zip(METRICS, NAMES, strict=True):
        score = metric.score([text, text[::2]])
        assert score.values.keys() == names
        assert all(value >= 0 for value in score.values.values())
        assert score.weights.keys() <= names
        assert all(0 <= found.start < found.stop <= len([text, text[::2]][found.text]) for found in score.findings)
    for cut in (False, True):
        found = analyze(text, LEXICON, cut=cut, strict=cut)
        assert all(0 <= item.start < item.stop <= len(text) for item in found)
        units = list(split_units(text, beginning_missing=cut, end_missing=cut))
        assert "".join(text[unit.start : unit.stop] for unit in units) == text
    assert len(label_characters(text)) == len(text)


def test_one_input(data: bytes) -> None:
    """Check one input, unless it cannot be decoded."""
    try:
        check(data)
    except UnicodeDecodeError:
        return


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
