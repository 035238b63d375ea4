"""The corpus `linux-source` passes the suite of corpora."""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from seqforge_linux_source.corpus import LinuxSource

from seqforge.testing.corpus_suite import CorpusSuite

PLACES: dict[str, Path] = {}


@pytest.fixture(autouse=True)
def _places(kernel_tree: Path) -> None:
    PLACES["tree"] = kernel_tree


def read(place: str) -> Any:
    return LinuxSource(source=PLACES[place])


class TestLinuxSource(CorpusSuite):
    corpora: ClassVar = {"tree": partial(read, "tree")}
    unreadable: ClassVar = {"missing": partial(LinuxSource, source=Path("/no/such/linux"))}
