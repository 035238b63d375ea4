"""The message for every mistake in an experiment, word for word, in `messages.txt`.

A case of that file is the command line, the file `mistake.toml`, and the message. After an intended change, run this
test with SEQFORGE_WRITE_MESSAGES=1 to write the new messages into the file, and review the difference.
"""

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from seqforge.errors import ExperimentError, PluginError, SeqforgeError
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.tables import override, read_table, replace_components
from seqforge.registry.registry import Registry

MESSAGES = Path(__file__).with_name("messages.txt")
HEADING, MARKER = "#### ", "---- message"
CORPUS = '[corpus]\nuse = "inline"\ntext = "hello"\n'
"""Appended to every file that does not mention a corpus."""


@dataclass(frozen=True, slots=True)
class Case:
    title: str
    command: str
    toml: str
    message: str

    @classmethod
    def parse(cls, text: str) -> "Case":
        title, command, rest = text.split("\n", 2)
        toml, _, message = rest.partition(f"{MARKER}\n")
        return cls(title, command.removeprefix("$ seqforge run "), toml, message.strip())

    def render(self) -> str:
        return f"{HEADING}{self.title}\n$ seqforge run {self.command}\n{self.toml}{MARKER}\n{self.message}\n"

    @property
    def file(self) -> str:
        return self.toml if "corpus" in self.toml else f"{self.toml}{CORPUS}"


def read_cases() -> tuple[str, list[Case]]:
    introduction, *cases = MESSAGES.read_text(encoding="utf-8").split(HEADING)
    return introduction.rstrip("\n") + "\n", [Case.parse(case) for case in cases]


INTRODUCTION, CASES = read_cases()


def load(case: Case, registry: Registry) -> Experiment:
    path, *arguments = shlex.split(case.command)
    overrides: list[str] = []
    chosen: dict[str, Any] = {}
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        if option == "--set":
            overrides.append(value)
        else:
            chosen[option.removeprefix("--")] = [value] if option == "--sampler" else value
    if not chosen:
        return Experiment.load(path, overrides, registry)
    table = override(replace_components(read_table(Path(path)), registry, **chosen), overrides)
    return Experiment.from_dict(table, registry=registry, origin=Path(path))


def raised_error(case: Case, registry: Registry) -> SeqforgeError:
    Path("mistake.toml").write_text(case.file, encoding="utf-8")
    with pytest.raises(SeqforgeError) as caught:
        load(case, registry)
    return caught.value


def printed(error: SeqforgeError) -> str:
    """Return an error as the command line prints it, with hints for the command line."""
    return f"{error.message}\n{error.hint}" if error.hint else error.message


@pytest.fixture
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "experiments"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.mark.usefixtures("_in_an_empty_folder")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_every_mistake_has_the_message_in_the_file(case: Case, samples: Registry):
    error = raised_error(case, samples)
    assert printed(error) == case.message
    chosen = any(option in case.command for option in ("--corpus", "--cell", "--loss", "--optimizer", "--sampler"))
    assert type(error) is (PluginError if chosen else ExperimentError)


if "SEQFORGE_WRITE_MESSAGES" in os.environ:

    @pytest.mark.usefixtures("_in_an_empty_folder")
    def test_write_the_messages(samples: Registry):
        cases = [replace(case, message=printed(raised_error(case, samples))) for case in CASES]
        MESSAGES.write_text("\n".join([INTRODUCTION, *(case.render() for case in cases)]), encoding="utf-8")


def test_every_case_has_its_own_title():
    titles = [case.title for case in CASES]
    assert sorted(set(titles)) == sorted(titles)
