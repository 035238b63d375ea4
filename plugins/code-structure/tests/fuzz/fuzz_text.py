"""Fuzzes all that judges text, and the sampler's state, by atheris (libFuzzer), whose coverage guides it.

    pip install atheris
    python plugins/code-structure/tests/fuzz/fuzz_text.py -max_total_time=600 -max_len=4096 -timeout=20

An input is UTF-8 with errors, or a run of pieces of C, one for each byte. Whatever it is, what the judges promise must
hold. An input that broke a promise is left in the current folder; its file's name as the only argument runs it again.
"""

import sys

import atheris

with atheris.instrument_imports(include=["seqforge_code_structure"]):
    from seqforge_code_structure.identifiers.lexicon import Count, Lexicon
    from seqforge_code_structure.identifiers.metric import Identifiers
    from seqforge_code_structure.labels import labels
    from seqforge_code_structure.limits import DEEPEST_NESTING
    from seqforge_code_structure.metrics.brackets import Brackets
    from seqforge_code_structure.metrics.indentation import Indentation
    from seqforge_code_structure.metrics.terminators import Terminators
    from seqforge_code_structure.report import all_findings
    from seqforge_code_structure.samplers.grammar import State, after, closer, forbidden, length_to_close
    from seqforge_code_structure.units import split

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

IDENTIFIERS = Identifiers()
IDENTIFIERS.restore(b'{"seqforge_c_lexicon":1,"files":9,"names":"a f x","free":[0,9,1],"bound":[9,0,9],"idle":{"x":5}}')
METRICS = [Brackets(), Indentation(), Terminators(), IDENTIFIERS]
NAMES = [metric.score([]).values.keys() for metric in METRICS]
LEXICON = Lexicon(9, {"a": Count(0, 9, 0)})


def judge(data: bytes) -> None:
    """Hold the judges to their promises on one input."""
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
        assert all(0 <= found.start < found.stop <= len(text) for found in all_findings(text, LEXICON, cut=cut))
        units = list(split(text, beginning_missing=cut, end_missing=cut))
        assert "".join(text[unit.start : unit.stop] for unit in units) == text
    assert len(labels(text)) == len(text)
    write(text)


def write(text: str) -> None:
    """Write what the sampler allows of a text, close what is open, and hold the whole to the judge of brackets."""
    state, stack, written, owed = State(), list[State](), "", 0
    for character in text:
        longer = sum(map(length_to_close, after(state, character).states)) - length_to_close(state)
        if character not in forbidden(state) and owed + longer <= DEEPEST_NESTING:
            written, state, owed = written + character, moved(state, stack, character), owed + longer
    for left in range(owed, 0, -1):
        assert sum(map(length_to_close, [*stack, state])) == left
        character = closer(state)
        assert character not in forbidden(state)
        written, state = written + character, moved(state, stack, character)
    assert not closer(state)
    # Indented, since what stands in column 0 may end a unit whose brackets are open.
    assert not [fault for unit in split((written + "\n").replace("\n", "\n ")) for fault in unit.faults], written


def moved(state: State, stack: list[State], character: str) -> State:
    """Write a character."""
    following, pushed, drops = after(state, character)
    assert not drops
    stack += [pushed] if pushed else []
    return following or stack.pop()


def test_one_input(data: bytes) -> None:
    """Run one input, where an undecodable one is none."""
    try:
        judge(data)
    except UnicodeDecodeError:
        return


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
