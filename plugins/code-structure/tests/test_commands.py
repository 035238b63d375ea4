"""The commands `seqforge c-structure` and `seqforge c-lexicon`."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from seqforge_code_structure import sources
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon

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
    path = folder / "c.lexicon"
    assert run(monkeypatch, "c-lexicon", "text", "--output", str(path)) == 0
    return path


def test_findings_have_the_format_of_a_compiler(folder: Path, lexicon: Path, monkeypatch, capsys):
    capsys.readouterr()
    assert run(monkeypatch, "c-structure", "faulty.c", "good.c", "--lexicon", str(lexicon)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "faulty.c:4:6: warning: unused variable 'i' [unused-variable]",
        "faulty.c:6:15: error: return of the undefined identifier 'ret' [undefined-return]",
    ]
    assert "faulty.c:11:9: error: '(' is not closed before '}' [bracket]" in lines
    assert all(line.startswith("faulty.c:") for line in lines)


def test_unit_that_is_not_analyzed_is_reported_once(folder: Path, monkeypatch, capsys):
    (folder / "deep.c").write_text("int x = " + "(" * 1000 + "1" + ")" * 1000 + ";\n")
    assert run(monkeypatch, "c-structure", "deep.c") == 1
    assert capsys.readouterr().out.splitlines() == [
        "deep.c:1:1: error: not analyzed: nested deeper than 256 [too-complex]"
    ]


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
    assert f"\x1b[1mlines.c:3:1: \x1b[0m\x1b[33mwarning: \x1b[0m{warning}\x1b[2m [indentation]\x1b[0m" in lines
    assert (
        "\x1b[1mlines.c:5:9: \x1b[0m\x1b[31merror: \x1b[0m'(' is not closed before '}'\x1b[2m [bracket]\x1b[0m" in lines
    )
    assert captured.err.splitlines()[-1] == f"{len(lines)} findings in 1 file"


def test_text_that_is_cut_at_both_ends(folder: Path, monkeypatch, capsys):
    (folder / "sample.txt").write_text("\treturn 1;\n}\n\n" + TRAINING + "int g(void)\n{\n\tif (a")
    assert run(monkeypatch, "c-structure", "sample.txt", "--cut") == 0
    assert run(monkeypatch, "c-structure", "sample.txt") == 1


def test_json_output_has_lines_columns_and_positions(folder: Path, monkeypatch, capsys):
    assert run(monkeypatch, "c-structure", "faulty.c", "--json") == 1
    first = json.loads(capsys.readouterr().out)[0]
    start = FAULTY.index("i;")
    assert first == {
        "file": "faulty.c", "line": 4, "column": 6, "start": start, "stop": start + 1,
        "kind": "names", "rule": "unused-variable", "severity": "warning", "message": "unused variable 'i'",
    }  # fmt: skip


def test_correct_code_prints_nothing(folder: Path, monkeypatch, capsys):
    assert run(monkeypatch, "c-structure", "good.c") == 0
    assert capsys.readouterr().out == ""


def test_standard_input_may_be_cut(folder: Path, monkeypatch, capsys):
    cut = TRAINING + "int g(void)\n{\n\tif (f("
    for arguments, expected in ((["-", "--cut"], 0), (["-"], 1)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(cut.encode() + b"\xff")))
        assert run(monkeypatch, "c-structure", *arguments) == expected
    assert capsys.readouterr().out.startswith("<stdin>:")


def test_standard_input_is_read_beside_files_that_several_processes_would_read(folder: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TRAINING.encode())))
    assert run(monkeypatch, "c-structure", "-", "good.c", "--rates", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rates"]["brackets.balanced"]["cases"] == 2


def test_unreadable_files_are_reported(folder: Path, monkeypatch, capsys):
    (folder / "bad.c").write_text("int x;\n)\n")
    assert run(monkeypatch, "c-structure", "none.c", "bad.c") == 2
    captured = capsys.readouterr()
    assert "error: none.c: cannot be read: No such file" in captured.err
    assert "2 findings in 1 file" in captured.err
    assert "bad.c:2:1: error: ')' closes nothing [bracket]" in captured.out
    (folder / "empty").mkdir()
    assert run(monkeypatch, "c-structure", "empty") == 2
    assert "error: empty: the folder has no file that ends with .c or .h" in capsys.readouterr().err
    assert run(monkeypatch, "c-structure", "bad.c", "--select", "x") == 2
    assert "syntax, too-complex" in capsys.readouterr().err.replace("syntax, syntax", "twice")
    monkeypatch.setattr(sources, "LARGEST_FILE", 10)
    assert run(monkeypatch, "c-structure", "good.c") == 2
    assert "larger than 10 bytes" in capsys.readouterr().err


@pytest.mark.parametrize("fewest", [1, 1000])
def test_folder_is_analyzed_in_the_order_of_its_files(fewest: int, folder: Path, monkeypatch, capsys):
    for number in range(20):
        (folder / "text" / f"{number:02}.h").write_text(FAULTY)
    monkeypatch.setattr(sources.map_files, "__defaults__", (fewest,))
    assert run(monkeypatch, "c-structure", "text", "--select", "bracket") == 1
    captured = capsys.readouterr()
    lines = [f"text/{number:02}.h:11:9: error: '(' is not closed before '}}' [bracket]" for number in range(20)]
    assert captured.out.splitlines() == lines
    assert "20 findings in 23 files" in captured.err


def test_progress_is_shown_on_a_terminal_beside_the_results(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(sources.map_files(len, ["a", "bc"], fewest=3)) == [1, 2]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "1 of 2 files" in shown.err
    assert "2 of 2 files" in shown.err


def test_samples_are_analyzed_separately(folder: Path, monkeypatch, capsys):
    (folder / "samples.c").write_text("--- sample 1 of 2\nint f(void)\n{\n\tg(\n--- sample 2 of 2\nint x;\n)\n")
    assert run(monkeypatch, "c-structure", "samples.c", "--cut") == 1
    assert capsys.readouterr().out.splitlines() == ["samples.c:7:1: error: ')' closes nothing [bracket]"]


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["--ignore", "brackets", "--ignore", "syntax"], {"unused-variable", "undefined-return"}),
        (["--select", "names,bracket", "--ignore", "unused-variable"], {"undefined-return", "bracket"}),
        (["--select", "syntax"], {"syntax"}),
    ],
)
def test_options_choose_what_is_reported(options: list[str], rules: set[str], folder: Path, monkeypatch, capsys):
    assert run(monkeypatch, "c-structure", "faulty.c", "--json", *options) == 1
    assert {record["rule"] for record in json.loads(capsys.readouterr().out)} == rules


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--select", "undefned-name"], "Did you mean 'undefined-name'?"),
        (["--ignore", "bracket,braces"], "--ignore: there is no rule 'braces'"),
        (["--lexicon", "missing.lexicon"], "missing.lexicon"),
    ],
)
def test_wrong_options_are_reported(options: list[str], message: str, folder: Path, monkeypatch, capsys):
    assert run(monkeypatch, "c-structure", "good.c", *options) == 2
    assert message in capsys.readouterr().err


def test_what_is_not_checked_is_reported(folder: Path, monkeypatch, capsys):
    (folder / "user.c").write_text("#include <stdio.h>\n" + FAULTY)
    run(monkeypatch, "c-structure", "user.c", "good.c")
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: undefined names were not checked in 1 file without a header of Linux: --lexicon or --strict does"
    ]
    assert run(monkeypatch, "c-structure", "good.c") == 0
    assert capsys.readouterr().err == ""


def test_command_does_not_import_torch(folder: Path):
    code = "import sys; from seqforge.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    finished = subprocess.run(
        [sys.executable, "-c", code, "c-structure", "faulty.c"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "undefined-return" in finished.stdout
    assert "Error" not in finished.stderr


def test_lexicon_counts_the_files_of_a_folder(lexicon: Path, monkeypatch, capsys):
    found = read_lexicon(lexicon)
    assert found.files == 3
    assert found.must_be_declared("ret", argument=False, whole=True)
    assert run(monkeypatch, "c-lexicon", "text") == 0
    assert "c.lexicon: 1 name from 3 files" in capsys.readouterr().out


def test_lexicon_is_the_same_with_several_processes(folder: Path, monkeypatch):
    for number in range(70):
        (folder / "text" / f"{number}.h").write_text(TRAINING.replace("ret", f"ret{number % 7}"))
    contents: list[bytes] = []
    for cores in (1, 2):
        monkeypatch.setattr(sources.os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert run(monkeypatch, "c-lexicon", "text") == 0
        contents.append((folder / "c.lexicon").read_bytes())
    assert contents[0] == contents[1]
    assert read_lexicon(folder / "c.lexicon").files == 73


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.c"], "missing.c: cannot be read"),
        (["missing"], "missing: cannot be read"),
        (["prose"], "prose: no C function"),
        (["text", "--output", "none/x.json"], "x.json: the folder none does not exist"),
    ],
)
def test_errors_of_the_command_line_are_reported(arguments: list[str], message: str, folder: Path, monkeypatch, capsys):
    (folder / "prose").write_text("fox")
    assert run(monkeypatch, "c-lexicon", *arguments) == 1
    assert message in capsys.readouterr().err


WRONG = "int g(int dev)\n{\n\treturn dev + ret;\n}\n\nint h(void)\n{\n\treturn (1;\n}\n"


def write_texts(folder: Path, name: str, texts: list[str]) -> None:
    (folder / name).mkdir()
    for number, text in enumerate(texts):
        (folder / name / f"{number}.c").write_text(text)


def test_rates_of_files_are_compared_with_those_of_a_reference(folder: Path, monkeypatch, capsys):
    write_texts(folder, "samples", [WRONG, TRAINING] * 12)
    write_texts(folder, "real", [TRAINING] * 25)
    assert run(monkeypatch, "c-structure", "samples", "--rates", "--reference", "real", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["texts"], found["reference"]["texts"]) == (24, 25)
    brackets = found["rates"]["brackets.balanced"]
    assert (brackets["value"], brackets["cases"]) == (pytest.approx(2 / 3), 36)
    undefined = found["rates"]["identifiers.returns_undeclared"]
    assert undefined["value"] > 0
    assert undefined["interval"][0] < undefined["value"] < undefined["interval"][1]
    real = found["reference"]["rates"]["identifiers.returns_undeclared"]
    assert real["value"] == 0
    assert real["interval"][1] > 0
    excess = found["excess"]["identifiers.returns_undeclared"]
    assert excess["value"] == undefined["value"]
    assert excess["interval"][0] > 0
    assert found["rates"]["terminators.unterminated_characters"]["value"] is None


def test_rates_are_a_table_with_what_compilers_accept_first(folder: Path, monkeypatch, capsys):
    samples = "".join(f"--- sample {number} of 2\n{text}" for number, text in enumerate((WRONG, TRAINING), start=1))
    (folder / "samples.txt").write_text(samples)
    assert run(monkeypatch, "c-structure", "samples.txt", "--rates") == 0
    captured = capsys.readouterr()
    heading, first, *rows = captured.out.splitlines()
    assert heading.split() == ["of", "the", "rate", "cases"]
    assert first.startswith("units that gcc accepts")
    assert any(re.fullmatch(r"functions that declare a name twice +0\.00% +\d", row.strip()) for row in rows)
    assert any(re.fullmatch(r"functions that use an undefined name +33\.33% +3", row.strip()) for row in rows)
    assert "2 texts; 95% intervals in parentheses" in captured.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference", "text"], "--reference needs --rates"),
        (["--rates", "--strict"], "--rates always uses all rules and a lexicon"),
        (["--rates", "--reference", "missing.c"], "missing.c: cannot be read"),
    ],
)
def test_wrong_options_of_rates_are_reported(folder: Path, monkeypatch, capsys, options: list[str], message: str):
    assert run(monkeypatch, "c-structure", "good.c", *options) == 2
    assert message in capsys.readouterr().err
