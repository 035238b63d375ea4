"""The commands `seqforge c-structure` and `seqforge c-lexicon`."""

import io
import json
import sys
from pathlib import Path

import pytest
from seqforge_code_structure import commands
from seqforge_code_structure.identifiers.lexicon import read_lexicon

import seqforge.cli

FAULTY = "/* é */\nint f(int dev)\n{\n\tint i;\n\n\treturn dev + ret;\n}\n\nint g(void)\n{\n\treturn (1;\n}\n"
TRAINING = "int f(void)\n{\n\tint ret = 0;\n\n\treturn ret;\n}\n"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqforge", *arguments])
    with pytest.raises(SystemExit) as exit_:
        seqforge.cli.main()
    return int(exit_.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faulty.c").write_text(FAULTY)
    (tmp_path / "good.c").write_text(TRAINING)
    (tmp_path / "text").mkdir()
    for number in range(3):
        (tmp_path / "text" / f"{number}.c").write_text(TRAINING)
    return tmp_path


@pytest.fixture
def lexicon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "lexicon.json"
    assert (
        run(monkeypatch, "c-lexicon", "--corpus", "text", "--set", 'corpus.files=["text/*.c"]', "--output", str(path))
        == 0
    )
    return path


def test_findings_have_the_format_of_a_compiler(folder: Path, lexicon: Path, monkeypatch, capsys):
    capsys.readouterr()
    assert run(monkeypatch, "c-structure", "faulty.c", "good.c", "--lexicon", str(lexicon)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["faulty.c:4:6: unused variable 'i'", "faulty.c:6:15: undefined identifier 'ret'"]
    assert "faulty.c:11:9: '(' is not closed before '}'" in lines
    assert all(line.startswith("faulty.c:") for line in lines)


def test_unit_that_is_not_analyzed_is_reported_once(folder: Path, monkeypatch, capsys):
    (folder / "deep.c").write_text("(" * 1000)
    assert run(monkeypatch, "c-structure", "deep.c") == 1
    assert capsys.readouterr().out.splitlines() == ["deep.c:1:1: not analyzed: nested deeper than 256"]


def test_byte_order_mark_is_ignored(folder: Path, monkeypatch, capsys):
    (folder / "marked.c").write_bytes(b"\xef\xbb\xbf" + TRAINING.encode())
    assert run(monkeypatch, "c-structure", "marked.c") == 0
    assert capsys.readouterr().out == ""


def test_warnings_and_errors_have_colors_on_a_terminal(folder: Path, monkeypatch, capsys):
    (folder / "lines.c").write_text("int f(void)\n{\n  return 1;\n\t\treturn 2;\n\treturn (3;\n\treturn 4;\n}\n")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert run(monkeypatch, "c-structure", "lines.c") == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    warning = "the indentation does not match the brace depth: expected 1 level"
    assert f"\x1b[1mlines.c:3:1: \x1b[0m\x1b[33m{warning}\x1b[0m" in lines
    assert "\x1b[1mlines.c:5:9: \x1b[0m\x1b[31m'(' is not closed before '}'\x1b[0m" in lines
    assert captured.err == f"{len(lines)} findings in 1 file\n"


def test_text_that_is_cut_at_both_ends(folder: Path, monkeypatch, capsys):
    (folder / "sample.txt").write_text("\treturn 1;\n}\n\n" + TRAINING + "int g(void)\n{\n\tif (a")
    assert run(monkeypatch, "c-structure", "sample.txt", "--cut") == 0
    assert run(monkeypatch, "c-structure", "sample.txt") == 1


def test_json_output_has_lines_columns_and_positions(folder: Path, monkeypatch, capsys):
    assert run(monkeypatch, "c-structure", "faulty.c", "--json") == 1
    first = json.loads(capsys.readouterr().out)[0]
    start = FAULTY.index("i;")
    assert first == {
        "file": "faulty.c", "line": 4, "column": 6, "start": start, "stop": start + 1, "message": "unused variable 'i'"
    }  # fmt: skip


def test_correct_code_prints_nothing(folder: Path, monkeypatch, capsys):
    assert run(monkeypatch, "c-structure", "good.c") == 0
    assert capsys.readouterr().out == ""


def test_standard_input_may_be_cut(folder: Path, monkeypatch, capsys):
    cut = TRAINING + "int g(void)\n{\n\tif (f("
    for arguments, expected in ((["-", "--cut"], 0), (["-"], 1)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(cut.encode() + b"\xff")))
        assert run(monkeypatch, "c-structure", *arguments) == expected
    assert "<stdin>:" in capsys.readouterr().out


def test_unreadable_files_are_reported(folder: Path, monkeypatch, capsys):
    (folder / "bad.c").write_text("int x;\n)\n")
    assert run(monkeypatch, "c-structure", "none.c", "bad.c") == 2
    captured = capsys.readouterr()
    assert "error: none.c: cannot be read: No such file" in captured.err
    assert "2 findings in 1 file" in captured.err
    assert "bad.c:2:1: ')' closes nothing" in captured.out
    monkeypatch.setattr(commands, "LARGEST_FILE", 10)
    assert run(monkeypatch, "c-structure", "good.c") == 2
    assert "larger than 10 bytes" in capsys.readouterr().err


def test_lexicon_counts_the_files_of_the_corpus(lexicon: Path):
    found = read_lexicon(lexicon)
    assert found.files == 3
    assert found.must_be_declared("ret")


def test_corpus_from_an_experiment_file(folder: Path, monkeypatch, capsys):
    (folder / "experiment.toml").write_text('[corpus]\nuse = "text"\nfiles = ["text/*.c"]\n')
    assert run(monkeypatch, "c-lexicon", str(folder / "experiment.toml")) == 0
    assert read_lexicon(folder / "lexicon.json").files == 3
    assert "lexicon.json: 1 name from 3 files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "corpus: missing"),
        (["--corpus", "inline", "--set", "corpus.text=fox"], "no C function"),
        (["--corpus", "linux-sorce"], "linux-source"),
        (["--corpus", "text", "--set", "corpus.pth=text"], "corpus.pth"),
        (["none.toml"], "none.toml: no such file"),
        (
            ["--corpus", "text", "--set", 'corpus.files=["text/*.c"]', "--output", "none/x.json"],
            "x.json is not a file",
        ),
        (
            ["--corpus", "c-characters", "--set", "corpus.source={use='inline',text='a'}"],
            "it yields labelled examples",
        ),
    ],
)
def test_errors_of_the_command_line_are_reported(arguments: list[str], message: str, folder: Path, monkeypatch, capsys):
    assert run(monkeypatch, "c-lexicon", *arguments) == 1
    assert message in capsys.readouterr().err
