"""A small trained run of a language model on C, and pages in a browser."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seqforge import Experiment, Registry, Run, train
from seqforge.runs.loaded_run import LoadedRun

LINES = (
    "static int read_block(struct file *file)\n{\n\tint count = 0;\n\n\t/* Wait for the device. */\n",
    '\tif (file->ready && count < 10) {\n\t\tprintk("block (%d)", count);\n\t\tcount++;\n\t}\n\treturn count;\n}\n\n',
)


@pytest.fixture(scope="session")
def trained(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQFORGE_CACHE", str(folder / "cache"))
        table: dict[str, Any] = {
            "experiment": {"name": "small"},
            "corpus": {"use": "inline", "text": "".join(LINES) * 120},
            "data": {"validation_fraction": 0.3},
            "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 12}]},
            "optimizer": {"use": "adam", "learning_rate": 0.01},
            "training": {"batch_size": 4, "sequence_length": 16, "steps": 12, "backend": "eager", "log_interval": 1},
            "evaluation": {"interval": 4},
            "sampling": {"interval": 4, "length": 60, "count": 2},
            "metrics": [{"use": "brackets"}, {"use": "indentation"}],
        }
        return train(Experiment.from_dict(table, registry=registry), folder).path


@pytest.fixture
def run(trained: Path, registry: Registry, tmp_path: Path) -> Run:
    """Return a copy of the run, which a test may change."""
    return Run.open(shutil.copytree(trained, tmp_path / "small"), registry=registry)


@pytest.fixture
def subject(run: Run) -> LoadedRun:
    return run.load()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open pages, and fail at the end of the test if one had an error or requested anything but itself."""
    contexts: list[Any] = []
    problems: list[str] = []

    def open_file(
        address: str, width: int = 1280, scheme: str = "light", ready: str = ".u-wrap", message: str | None = None
    ) -> Any:
        """Open a page, whose console may have only one message."""
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("console", lambda found: found.text == message or problems.append(f"console: {found.text}"))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}") or dialog.dismiss())
        page.on("request", lambda request: request.url.startswith(address) or problems.append(f"loads {request.url}"))
        page.goto(address)
        page.wait_for_selector(ready)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert not problems
