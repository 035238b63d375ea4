"""The demo on the front page: a model that comes with seqforge writes in a real browser."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("zensical", reason="needs the documentation tools: pip install -e '.[docs]'")
from website import demo

INDEX = Path(__file__).parents[2] / "docs/index.md"


def test_without_the_libraries_the_front_page_has_no_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text(INDEX.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(demo, "MODEL", "no-such-model")
    assert "no-such-model" in str(demo.add_demo(tmp_path))
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "<iframe" not in page
    assert "the finding of the post" in page
    assert "## Why seqforge" in page


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_a_reader_lets_the_model_write(open_folder: Callable[[Path], Any], tmp_path: Path) -> None:
    for library in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(library, reason="needs the libraries of the extra: 'seqforge-onnx[onnxruntime]'")
    (tmp_path / "index.html").write_text('<link rel="icon" href="data:,">' + INDEX.read_text("utf-8"), "utf-8")
    assert demo.add_demo(tmp_path) is None
    page = open_folder(tmp_path)
    page.click("summary")
    frame = page.frame_locator("iframe")
    frame.locator("#write:not([disabled])").wait_for()
    assert frame.locator("#beginning").input_value() == "static int "
    frame.locator("#write").click()
    frame.locator("#text span").nth(100).wait_for(state="attached")  # A line break is there, but not visible.
    assert frame.locator("#text").text_content().startswith("static int ")
