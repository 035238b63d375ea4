"""A registry of plugins for these tests only, so that no first-party plugin changes an expected message or default."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from seqforge.registry.discovery import GROUP, discover
from seqforge.registry.registry import Registry

PLUGINS = {"essentials": "sample_basics", "extra": "sample_extra", "native": "sample_native"}


@pytest.fixture(scope="session")
def samples() -> Iterator[Registry]:
    """Return a registry of the plugins `essentials` and `extra`, and the broken `native`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "plugins")
        entries = [EntryPoint(name, module, GROUP) for name, module in PLUGINS.items()]
        yield Registry(discover(entries))
