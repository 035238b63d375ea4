"""A registry of plugins that belong to these tests, so that no first-party option changes a message or a default."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from seqforge.registry import GROUP, Registry, discover

PLUGINS = {"basics": "sample_basics", "extra": "sample_extra", "native": "sample_native", "tasks": "sample_tasks"}


@pytest.fixture(scope="session")
def samples() -> Iterator[Registry]:
    """The plugins `basics` and `extra`, with `native`, which is broken, and `tasks`, which is disabled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "plugins")
        entries = [EntryPoint(name, module, GROUP) for name, module in PLUGINS.items()]
        yield Registry(discover(entries, disabled=["tasks"]))
