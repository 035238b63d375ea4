"""The display of a run in a notebook: one output that is updated, without widgets."""

import html
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seqforge import train
from seqforge.api.notebook import NotebookDisplay, sample_html
from seqforge.events import Mark, Sampled


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Replace IPython's display, and return what the output of the cell showed, one after the other."""
    shown: list[dict[str, str]] = []

    class Output:
        def update(self, content: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.append(content)

    def display(content: dict[str, str], *, raw: bool, display_id: bool) -> Output:
        assert raw
        assert display_id
        assert not shown  # a second output would stand below the first
        shown.append(content)
        return Output()

    module = ModuleType("IPython.display")
    module.__dict__["display"] = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("seqforge.api.notebook.SECONDS", 0.0)
    return shown


def test_a_run_is_one_panel_with_progress_curves_and_a_sample(
    experiment: Any, tmp_path: Path, outputs: list[dict[str, str]]
) -> None:
    settings = {"steps": 6, "log_interval": 1}
    shown = experiment(training=settings, evaluation={"interval": 3}, sampling={"interval": 6, "length": 20})
    with NotebookDisplay() as display:
        run = train(shown, tmp_path, callbacks=[display], progress=False)
    last = outputs[-1]
    assert any("training step 4" in content["text/html"] for content in outputs)
    assert any('value="0.5' in content["text/html"] for content in outputs)
    assert 'value="1.0000"' in last["text/html"]
    assert "done 6 steps" in last["text/html"]
    assert last["text/html"].count("<polyline") == 2
    assert "sample at step 6" in last["text/html"]
    assert last["text/plain"].startswith("done: 6 steps")
    assert f"Run: {run.path}" in last["text/plain"]


def test_a_run_without_characters_keeps_its_curves(
    labelled_experiment: Any, tmp_path: Path, outputs: list[dict[str, str]]
) -> None:
    shown = labelled_experiment(training={"steps": 6, "log_interval": 1, "batch_size": 2}, evaluation={"interval": 3})
    with NotebookDisplay() as display:
        train(shown, tmp_path, callbacks=[display], progress=False)
    assert outputs[-1]["text/html"].count("<polyline") == 2


def test_the_panel_shows_marks_and_sentences_and_escapes_what_a_model_wrote(outputs: list[dict[str, str]]) -> None:
    text = '<script>alert(1)</script> x"'
    sampled = Sampled(5, (text,), summary=("4% of the <b> are wrong",), marks=(Mark(0, 8, 'a "wrong" tag'),))
    NotebookDisplay().on_sampled(sampled)
    shown = outputs[-1]["text/html"]
    assert 'title="a &quot;wrong&quot; tag"' in shown
    assert "&lt;script&gt;</mark>alert(1)" in shown
    assert "4% of the &lt;b&gt; are wrong" in shown
    assert "<script>" not in shown
    assert outputs[-1]["text/plain"].splitlines()[-2:] == [text, "4% of the <b> are wrong"]


def test_a_run_that_fails_is_shown_as_stopped(outputs: list[dict[str, str]]) -> None:
    with pytest.raises(RuntimeError), NotebookDisplay():
        raise RuntimeError
    assert outputs[-1]["text/plain"] == "stopped"


@pytest.mark.parametrize(
    ("marks", "marked"),
    [
        ([], []),
        ([Mark(2, 4, "b"), Mark(0, 1, "a")], ["a", "cd"]),
        ([Mark(0, 4, "a"), Mark(2, 6, "b")], ["abcd"]),
        ([Mark(4, 99, "a")], ["ef"]),
        ([Mark(9, 12, "a")], []),
    ],
)
def test_marks_leave_the_text_as_it_is(marks: list[Mark], marked: list[str]) -> None:
    shown = sample_html("abcdef", marks)
    inside = [part.partition(">")[2].partition("</mark>")[0] for part in shown.split("<mark ")[1:]]
    assert inside == marked
    assert html.unescape("".join(part.partition(">")[2] for part in shown.split("<"))) == "abcdef"
