"""The sampler `scoped`: the faults that it finds, and samples of random words."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_text import Words, draw
from seqforge_c_samplers.checked import Scoped
from seqforge_code_structure.identifiers.checks import check_names
from seqforge_code_structure.identifiers.lexicon_file import read_linux_lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.units import split_units

from seqforge import Experiment, Registry
from seqforge.errors import DataError
from seqforge.kinds import RedrawingSampler, SamplingContext
from seqforge.testing.sampler_suite import FirstCharacters

HEAD = "static int f(struct device *dev, int count)\n{\n"
SAMPLER = Scoped()


def review(text: str, prompt: str = "\n", new: int | None = None) -> str:
    """Return the part of a text that may stay after a prompt, of which a number of symbols is new; by default all."""
    vocabulary = FirstCharacters()
    sampler: RedrawingSampler = SAMPLER
    tokens = vocabulary.encode(prompt.encode())
    memory = sampler.start(SamplingContext(torch.as_tensor(tokens.astype("int64")), 1, 500, vocabulary))
    drawn = vocabulary.encode(text.encode()).tolist()
    return text[: sampler.review(memory, drawn, new or len(drawn)).kept]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "\tint i;\n\n\tfor (i = 0; i < count; i++) {\n\t\tif (i)\n\t\t\tcontinue;\n",
        HEAD + "\tdo {\n\t\tcount--;\n\t} while (count);\n\treturn count;\n}\n",
        "static const struct file_operations ops = {\n\t.open = simple_open,\n};\n",
        "/* A comment\n * of two lines.\n */\n#ifdef CONFIG_SMP\nstruct a {\n\tint b;\n",
        'MODULE_LICENSE("GPL");\nstatic LIST_HEAD(list);\n__init int f(void)\n{\n',
    ],
)
def test_correct_code_stays(text: str) -> None:
    assert review(text) == text


@pytest.mark.parametrize(
    ("before", "line"),
    [
        (HEAD, "\treturn counter;\n"),
        (HEAD + "\tint i;\n", "\tint i;\n"),
        (HEAD, "\tint count;\n"),
        (HEAD, "\tcount = = 1;\n"),
        (HEAD, "\tg(count;\n"),
        (HEAD, "\n\n\tcount++;\n"),
        ("int a;\n", "\tif (a)\n\t\treturn;\n"),
        ("int a;\n", "\t/* Indented. */\n"),
        ("int a;\n", "a = 1;\n"),
        ("int a;\n", "}\n"),
    ],
)
def test_code_is_drawn_again_from_the_line_with_a_fault(before: str, line: str) -> None:
    assert review(before + line).rstrip("\n") == before.rstrip("\n")
    assert review(before) == before


@pytest.mark.parametrize(
    "start", ["if (err ", "if (!err)", "return g(&err,", "err = ", "err->", "count = g(err->", "count = err "]
)
def test_a_line_is_drawn_again_as_soon_as_it_uses_an_undeclared_name(start: str) -> None:
    for before in (HEAD, HEAD + "\tcount++;\n"):
        assert review(before + "\t" + start) == before
        assert review(before + "\tif (count)\n\t" + start, new=9) == before
    for before in (HEAD + "\tint err;\n", HEAD.replace(")", ", int err)")):
        assert review(before + "\t" + start) == before + "\t" + start
    # Faults of the prompt remain, and so do others after them.
    for prompt in ("int err;\n\n" + HEAD, HEAD + "\treturn counter;\n"):
        assert review("\t" + start, prompt) == "\t" + start
    assert review(start[-1], HEAD + "\t" + start[:-1]) == start[-1]


@pytest.mark.parametrize(
    "line",
    [
        "int err = ",
        "struct a *err, *b",
        "DEFINE_WAIT(err)",
        "/* (err) ",
        "/* (err) */ ",
        'g("a (err) ',
        "err(",
        "guard(mutex)(",
    ],
)
def test_a_line_may_declare_a_name_or_mention_it(line: str) -> None:
    assert review(HEAD + "\t" + line) == HEAD + "\t" + line
    assert review("#define A \\\n\tif (err) ") == "#define A \\\n\tif (err) "


def test_a_function_ends_before_another_one_begins() -> None:
    assert review(HEAD + "\treturn count;\n\nstatic int g(void)\n{\n") == HEAD + "\treturn count;\n"


def test_a_label_and_the_end_of_a_statement_may_follow_later() -> None:
    assert review(HEAD + "\tgoto out;\n\tif (count)\n\t\tunknown") == HEAD + "\tgoto out;\n\tif (count)\n\t\tunknown"


def test_a_prompt_is_not_checked() -> None:
    assert review("\tcount = 1;\n", prompt=HEAD + "\treturn counter;\n") == "\tcount = 1;\n"


WORDS = [
    *("int ", "i", "count", "dev", " = ", "0", ";\n", "\t", "if (", ") {\n", "}\n", "return ", "\n", "(", ")"),
    *("for (", "else ", "/* ", " */\n", "goto out", "out:\n", "->", "#if 1\n", "#endif\n", "while (0)", "do {\n"),
]
VOCABULARY = Words(word.encode() for word in [*WORDS, " ", "}", ";", "*", "/", "w", "h", "l", "e", "#", "n", "d", "f"])


@settings(max_examples=2)
@given(st.integers(0, 10_000))
def test_samples_of_random_words_parse_and_declare_their_names(seed: int) -> None:
    for text in draw(SAMPLER, Words([*VOCABULARY.words, HEAD.encode()]), HEAD, count=1, length=30, seed=seed):
        units = list(split_units(text))
        assert [defect for unit in units for defect in unit.defects] == []
        names = read_units(text, units)
        assert all(unit.parses for unit in names)
        rules = {defect.rule for defect in check_names(names, read_linux_lexicon())[1]}
        assert not rules & {"undefined-name", "undefined-return"}


def test_a_lexicon_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Scoped(tmp_path / "missing.lexicon")


def test_the_path_of_a_lexicon_is_relative_to_the_experiment(tmp_path: Path) -> None:
    tables = {
        "corpus": {"use": "inline", "text": "int x;"},
        "model": {"cells": [{"use": "rnn", "hidden_size": 4}]},
        "sampler": [{"use": "scoped", "lexicon": "own.lexicon"}],
    }
    experiment = Experiment.from_dict(tables, tmp_path, Registry.installed())
    assert experiment.samplers[0].options["lexicon"] == tmp_path / "own.lexicon"
