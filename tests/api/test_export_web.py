"""The exported page in a real browser: it writes what the run writes, and asks no other server."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqforge import Experiment, Run, export_format, train
from seqforge.errors import PluginError
from seqforge.storage.paths import CACHE_VARIABLE

for library in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(library, reason="needs the libraries of the extra: pip install 'seqforge-onnx[onnxruntime]'")
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")

TEXT = "der süße Fluß grüßt die Bäume\n" * 60


@pytest.fixture(scope="module", params=["characters", "bytes"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """Return a run with one layer that ONNX has and one that it has not, and its page."""
    folder = tmp_path_factory.mktemp("web")
    tables: dict[str, Any] = {
        "experiment": {"name": f"small-{request.param}"},
        "corpus": {"use": "inline", "text": TEXT},
        "vocabulary": {"use": request.param},
        "model": {
            "cells": [{"use": "lstm", "hidden_size": 24}, {"use": "block", "cell": {"use": "mgu", "hidden_size": 24}}]
        },
        "optimizer": {"use": "adam", "learning_rate": 0.02},
        "training": {"batch_size": 8, "sequence_length": 30, "steps": 60, "device": "cpu", "precision": "float32"},
        "evaluation": {"interval": 100},
        "sampling": {"interval": 100, "length": 10},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQFORGE_CACHE", str(folder / "cache"))
        run = train(Experiment.from_dict(tables), folder)
        check = export_format(run, folder / "page", "web")
    assert check.fault is None
    return run, folder / "page"


@pytest.fixture
def open_page(open_folder: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Open the page of a folder, and wait for its model."""

    def open_ready(folder: Path) -> Any:
        page = open_folder(folder)
        page.wait_for_selector("#write:not([disabled])")
        return page

    return open_ready


def write(page: Any, beginning: str, length: int) -> str:
    """Write from a beginning until the text has a number of characters, and return it."""
    page.fill("#beginning", beginning)
    page.press("#beginning", "Enter")
    page.wait_for_function(f"document.getElementById('text').textContent.length >= {length}")
    page.keyboard.press("Escape")
    return page.text_content("#text")


@needs_npm
def test_the_page_writes_the_most_probable_text_of_the_run(
    exported: tuple[Run, Path], open_page: Callable[[Path], Any]
) -> None:
    run, folder = exported
    page = open_page(folder)
    assert page.title() == run.experiment.identity.name
    page.evaluate("document.getElementById('temperature').value = 0")
    (expected,) = run.sample("der süße", length=150, samplers=["greedy"], precision="float32")
    assert write(page, "der süße", 100)[:100] == expected[:100]
    assert page.text_content("#write") == "Write"
    assert "a second" in page.text_content("#status")


@needs_npm
def test_a_visitor_sees_doubt_and_what_the_model_does_not_know(
    exported: tuple[Run, Path], open_page: Callable[[Path], Any]
) -> None:
    run, folder = exported
    page = open_page(folder)
    drawn = page.locator("#text span").nth(1)
    text = write(page, "der λ", 40)
    assert text.startswith("der λ")
    knows_all = run.vocabulary().size == 256
    assert ("The model does not know: λ." in page.text_content("#status")) != knows_all
    assert drawn.get_attribute("style").startswith("background-color")
    drawn.dispatch_event("click")
    assert "Expected: " in page.text_content("#status")
    assert page.text_content("#status") == drawn.get_attribute("title")
    page.uncheck("#show")
    assert not drawn.get_attribute("style")
    page.fill("#beginning", "")
    page.click("#write")
    page.wait_for_function("document.getElementById('text').textContent.length > 20")
    assert page.text_content("#write") == "Stop"
    page.click("#write")
    assert page.text_content("#write") == "Write"


@needs_npm
def test_without_a_network_the_error_is_that_of_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"REGISTRY": "http://127.0.0.1:1", "FETCH_RETRIES": "0", "CACHE": str(tmp_path / "npm")}
    for name, value in values.items():
        monkeypatch.setenv(f"npm_config_{name.lower()}", value)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    with pytest.raises(PluginError, match=r"npm cannot download onnxruntime-web .* ECONNREFUSED"):
        export_format("linux-small", tmp_path / "page", "web")


def test_without_npm_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PluginError, match="npm is not installed") as raised:
        export_format("linux-small", tmp_path / "page", "web")
    assert "Install npm" in str(raised.value.hint)
    assert not (tmp_path / "page").exists()
