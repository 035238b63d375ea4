"""Processes that form a world, as torchrun starts them, and call a function of a test."""

import json
import os
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
from fork_server import begin, start_process
from torch import distributed


def run_world(size: int, function: Callable[[], Any], folder: Path, *, seconds: float = 120) -> list[Any]:
    """Call a function in each of several processes, and return their results, or `ERROR: …` of those that failed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    results = [folder / f"{rank}.json" for rank in range(size)]
    address = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    # torchrun, too, keeps the store.
    store = distributed.TCPStore("localhost", port, is_master=True, wait_for_workers=False)
    call = cloudpickle.dumps(function)
    processes: list[Any] = []
    for rank, result in enumerate(results):
        result.write_text('"ERROR: the process was killed"')
        variables = {**address, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "RANK": rank, "LOCAL_RANK": rank}
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        processes.append(start_process(_call, call, environment, result))
    _wait(processes, time.monotonic() + seconds)
    del store
    return [json.loads(result.read_text()) for result in results]


def _call(call: bytes, environment: Mapping[str, str], result: Path) -> None:
    begin(environment)
    try:
        result.write_text(json.dumps(cloudpickle.loads(call)()))
    except BaseException as error:  # noqa: BLE001 - the process ends here
        result.write_text(json.dumps(f"ERROR: {type(error).__name__}: {error}"))
        traceback.print_exc()


def _wait(processes: list[Any], end: float) -> None:
    try:
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
        assert not any(process.is_alive() for process in processes), "a process hangs"
    finally:
        for process in processes:
            process.kill()
            process.join()
