"""Forks of the test process that form a world, as torchrun starts processes."""

import json
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import distributed


def run_world(size: int, function: Callable[[], Any], folder: Path, *, seconds: float = 120) -> list[Any]:
    """Call a function in each of several processes, and return their results, or `ERROR: …` of those that failed.

    A fork does not import anything again. It must not need the threads of its parent.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    address = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    variables = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, **address}
    children = [
        _fork(function, {**variables, "RANK": rank, "LOCAL_RANK": rank}, folder / f"{rank}.json")
        for rank in range(size)
    ]
    # torchrun, too, keeps the store. It is created after the forks, because its thread cannot be forked.
    store = distributed.TCPStore("localhost", port, is_master=True, wait_for_workers=False)
    _wait(children, time.monotonic() + seconds)
    del store
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def _fork(function: Callable[[], Any], variables: dict[str, Any], result: Path) -> int:
    result.write_text('"ERROR: the process was killed"')
    with warnings.catch_warnings():
        # pytest-xdist has a thread that waits for input, and holds no lock meanwhile.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    os.environ.update({name: str(value) for name, value in variables.items()})
    status = 1
    try:
        result.write_text(json.dumps(function()))
        status = 0
    except BaseException as error:  # noqa: BLE001 - the process ends here
        result.write_text(json.dumps(f"ERROR: {type(error).__name__}: {error}"))
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(children: Sequence[int], end: float) -> None:
    left = set(children)
    try:
        while left and time.monotonic() < end:
            for child in list(left):
                if os.waitpid(child, os.WNOHANG)[0]:
                    left.remove(child)
            time.sleep(0.01)
        assert not left, "a process hangs"
    finally:
        for child in left:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
