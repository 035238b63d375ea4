"""A process is killed before each of its file operations; the cache is whole afterwards."""

import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seqforge.data.dataset import load_token_file

OPERATIONS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime", "fcntl.flock", "shutil.rmtree"}


def load(made: ModuleType, documents: dict[str, str]) -> Any:
    return load_token_file(made.Documents(documents), made.VOCABULARIES["characters"](), {}, lambda _: None)


def was_killed(made: ModuleType, operation: int) -> bool:
    """Encode in a child process that is killed before a file operation, counted from 1."""
    child = os.fork()
    if child == 0:
        count = 0

        def kill(event: str, _: Any) -> None:
            nonlocal count
            if event in OPERATIONS:
                count += 1
                if count == operation:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            load(made, made.TEXTS)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("damaged", [False, True])
def test_a_kill_before_any_file_operation_leaves_a_whole_cache(
    made: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
):
    operation = 0
    killed = True
    while killed:
        operation += 1
        monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / str(operation)))
        if damaged:
            tokens = load(made, made.TEXTS).folder / "tokens.bin"
            tokens.write_bytes(b"?" + tokens.read_bytes()[1:])
        killed = was_killed(made, operation)
        load(made, {"other": "another corpus"})
        assert not list(tmp_path.rglob("*.tmp"))
        text = made.VOCABULARIES["characters"]()
        file = load_token_file(made.Documents(made.TEXTS), text, {}, lambda _: None)
        assert text.decode(file.map().read().tolist()).decode() == "".join(made.TEXTS.values())
    assert operation > 25
