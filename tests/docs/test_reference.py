"""The reference describes every public name, every event, and every file and line that a run writes."""

import difflib
import inspect
import json
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

import seqforge
import seqforge.errors
import seqforge.events
import seqforge.kinds
from seqforge.kinds.table import INTERFACES
from seqforge.runs.directory import FILES, FOLDERS
from seqforge.training.callbacks import Callback
from website.reference import reference_pages

DOCS = Path(__file__).parents[2] / "docs/reference"
TEXT = "".join(page.read_text("utf-8") for page in DOCS.glob("*.md"))
DESCRIBED = set(re.findall(r"^(?:::: |<!-- )(\S+)(?: -->)?$", TEXT, re.MULTILINE))
WHOLE_MODULES = {
    "seqforge.kinds.example_spec": {"Classes", "Draw", "ExampleSpec", "Numbers", "Text", "Value"},
    "seqforge.kinds.generation_kernel": {
        "GenerationKernel",
        "GenerationModel",
        "LogitRule",
    },
}
EVENTS = {name for name in seqforge.kinds.__all__ if hasattr(seqforge.events, name)}


def classes_of(module: ModuleType) -> set[str]:
    """Return the classes that a module defines."""
    return {name for name, value in inspect.getmembers(module, inspect.isclass) if value.__module__ == module.__name__}


@pytest.mark.parametrize(
    "names",
    [
        seqforge.__all__,
        seqforge.kinds.__all__,
        [interface.suite_name for _, interface in INTERFACES.values()],
        classes_of(seqforge.errors),
        classes_of(seqforge.events),
    ],
    ids=["seqforge", "interfaces", "testing", "errors", "events"],
)
def test_every_public_name_is_described(names: list[str]) -> None:
    described = {name.rpartition(".")[2] for name in DESCRIBED} | {"__version__"}
    described |= {name for module, members in WHOLE_MODULES.items() if module in DESCRIBED for name in members}
    assert len(names) > 5
    assert set(names) - described == set()


def test_the_pages_in_the_checkout_describe_the_code() -> None:
    """After a change of a docstring or a signature, `python -m website.reference` writes them."""
    for page, content in reference_pages().items():
        written = (DOCS.parent / page).read_text("utf-8")
        difference = difflib.unified_diff(written.splitlines(), content.splitlines(), page, "code", lineterm="", n=0)
        assert not (changes := list(difference)), "\n".join(changes)


def test_the_page_of_the_package_lists_its_names() -> None:
    page = (DOCS / "seqforge.md").read_text("utf-8")
    assert [name for name in seqforge.__all__ if not re.search(rf"`(seqforge\.)?{name}`", page)] == []


def test_the_page_names_the_methods_of_all_events() -> None:
    page = (DOCS / "run-directory.md").read_text("utf-8")
    rows = re.findall(r"^\| \[`(\w+)`\]\S+ \| `(on_\w+)` \|", page, flags=re.MULTILINE)
    assert {event for event, _ in rows} == EVENTS
    for event, method in rows:
        (parameter,) = list(inspect.signature(getattr(Callback, method)).parameters.values())[1:]
        assert parameter.annotation is getattr(seqforge.events, event)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqforge.Run:
    """Return a run with an evaluation, and with a sample that is scored."""
    corpus = seqforge.use("inline", text="a rose is a rose is a rose is a rose, " * 10)
    experiment = seqforge.Experiment(
        corpus=corpus,
        model={"cells": [seqforge.use("rnn", hidden_size=2)]},
        data={"validation_fraction": 0.3},
        training={"steps": 1, "batch_size": 1, "sequence_length": 5, "log_interval": 1, "backend": "eager"},
        sampling={"length": 20},
        metrics=[seqforge.use("distinct")],
    )
    return seqforge.train(experiment, output=tmp_path_factory.mktemp("runs"), progress=False)


def test_the_page_of_the_run_directory_has_every_file(run: seqforge.Run) -> None:
    page = (DOCS / "run-directory.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([\w.]+)", page, flags=re.MULTILINE))
    written = {path.name for path in run.path.iterdir()}
    assert ({*FILES, *FOLDERS} | written) - documented == set()
    assert {path.name for path in (run.path / "checkpoints/step-00000001").iterdir()} <= documented


def test_the_page_of_the_run_directory_has_every_key_of_the_history(run: seqforge.Run) -> None:
    page = (DOCS / "run-directory.md").read_text("utf-8").partition("## History")[2]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (both|started|ended) \|", page, flags=re.MULTILINE)
    keys = {key: line for names, line in rows for key in re.findall(r"\w+", names)}
    lines = [json.loads(line) for line in (run.path / "history.jsonl").read_text("utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["started", "ended"]
    for line in lines:
        allowed = {key for key, kind in keys.items() if kind in ("both", line["event"])}
        assert set(line) <= allowed
        assert allowed - set(line) <= {"initial", "gpu"}  # A value that is None is left out.


def test_the_lines_of_the_metrics_log_are_those_of_the_page(run: seqforge.Run) -> None:
    lines = {line["event"]: set(line) - {"event", "checksum"} for line in run.metrics()}
    step, evaluated = seqforge.events.StepFinished, seqforge.events.Evaluated
    assert lines["step"] == {field.name for field in fields(step)}
    assert lines["evaluation"] == {field.name for field in fields(evaluated)} - {"scores", "summary"} | {"seconds"}
    values = lines["sample"] - {"step", "intervals", "summary", "checksums"}
    assert values
    assert all(re.fullmatch(r"distinct\.\w+(\.baseline)?", name) for name in values)
    page = (DOCS / "run-directory.md").read_text("utf-8").partition("### The lines")[2]
    assert list(lines) == re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)[-3:]
