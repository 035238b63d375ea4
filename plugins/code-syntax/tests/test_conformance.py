"""Every component of the plugin passes the suite of its kind."""

import sysconfig
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from seqforge_code_syntax.languages import NAMES
from seqforge_code_syntax.library import PythonLibrary
from seqforge_code_syntax.metric import CodeSyntax

from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.metric_suite import MetricSuite


@pytest.fixture(autouse=True)
def _library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the library by a small one, which is read many times."""
    for name in ("a.py", "b/c.py", "test/d.py", "site-packages/e.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"name = {name!r}\n")
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\n# \xe9\n")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))


class TestCorpora(CorpusSuite):
    corpora: ClassVar = {"python-library": PythonLibrary}


class TestMetrics(MetricSuite):
    metrics: ClassVar = {name: partial(CodeSyntax, name) for name in NAMES}


def test_tests_packages_and_modules_that_are_not_ascii_are_left_out():
    assert [document.name for document in PythonLibrary().documents()] == ["a.py", "b/c.py"]
