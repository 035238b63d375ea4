"""Fixtures for damaged and hostile checkpoints."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seqforge.runs.verification import CheckpointManifest
from seqforge.storage.records import MANIFEST, describe_files


@pytest.fixture
def reseal() -> Callable[[Path], None]:
    """Return a function that makes the manifest of a checkpoint fit its files, as an attacker could."""

    def make(checkpoint: Path) -> None:
        manifest = CheckpointManifest.read(checkpoint / MANIFEST)
        files = describe_files(checkpoint / name for name in manifest.files)
        manifest.model_copy(update={"files": files}).write(checkpoint / MANIFEST)

    return make
