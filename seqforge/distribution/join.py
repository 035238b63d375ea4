"""The connection to the other processes that torchrun, or another launcher, has started."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from seqforge.distribution.launch import Launch
from seqforge.distribution.world import ALONE, LostProcessError, World, reported_lost_processes
from seqforge.errors import RunError

HANG_TIMEOUT = timedelta(minutes=30)
"""Time after which a collective operation fails because a process does not take part in it."""

CONNECT_TIMEOUT = timedelta(minutes=10)
"""Time after which a process stops waiting for the others to start."""

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def join_world() -> Generator[World]:
    """Connect to the other processes of a launch, and yield the world of all; yield `ALONE` if there is no launch.

    The launcher describes the launch in environment variables, as torchrun does: RANK, WORLD_SIZE, MASTER_ADDR,
    MASTER_PORT, LOCAL_RANK and LOCAL_WORLD_SIZE.

    Raises:
        RunError: If the processes cannot connect, for example because a port is in use.
    """
    environment = os.environ
    if not all(name in environment for name in _VARIABLES):
        yield ALONE
        return
    rank, size, local_rank, local_size, port = _read_numbers(environment)
    # torchrun keeps the store. Other launchers leave this to the first process.
    is_server = rank == 0 and environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    address = environment["MASTER_ADDR"]
    try:
        store = TCPStore(address, port, size, is_server, CONNECT_TIMEOUT, wait_for_workers=False)
    except RuntimeError as error:
        raise _unreachable(address, port, is_server, error) from error
    attempt = int(environment.get("TORCHELASTIC_RESTART_COUNT", "0"))
    training = store.add(f"seqforge/attempt-{attempt}/rank-{rank}/trainings", 1) - 1
    launch = Launch(store, rank, attempt, training)
    world = World(rank, size, local_rank, local_size, launch)
    if size == 1:
        yield world
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and distributed.is_nccl_available() else "gloo"
    own_keys = PrefixStore(f"seqforge/attempt-{attempt}/training-{training}/group", store)
    try:
        launch.wait_for("start", size, arrive=True, timeout=CONNECT_TIMEOUT)
        with reported_lost_processes():
            distributed.init_process_group(backend, timeout=HANG_TIMEOUT, world_size=size, rank=rank, store=own_keys)
    except (LostProcessError, TimeoutError) as error:
        raise RunError(
            f"process {rank}: only some of the {size} processes have started",
            hint="Start the same command on every machine, at about the same time.",
        ) from error
    try:
        yield world
    finally:
        distributed.destroy_process_group()


def _read_numbers(environment: Mapping[str, str]) -> tuple[int, int, int, int, int]:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
    try:
        rank, size, local_rank, local_size, port = (int(environment.get(name, "0")) for name in names)
    except ValueError as error:
        raise RunError(f"the environment variables {', '.join(names)} must be numbers: {error}") from error
    if not (0 <= rank < size and local_rank >= 0 and 0 < port < 1 << 16):
        raise RunError(
            f"the environment describes no launch: RANK={rank}, WORLD_SIZE={size}, MASTER_PORT={port}",
            hint="Start seqforge with torchrun, which sets these variables, or unset them.",
        )
    return rank, size, local_rank, max(local_size, 1), port


def _unreachable(address: str, port: int, is_server: bool, error: RuntimeError) -> RunError:
    if is_server:
        return RunError(
            f"the port {port} of this machine is in use, or cannot be opened",
            hint="Set MASTER_PORT to a free port, or start the processes with torchrun --standalone, which finds one.",
        )
    reason = str(error).partition("\n")[0]
    return RunError(
        f"there is no connection to the first process at {address}, port {port}: {reason}",
        hint="Check that it runs, that every machine has the same MASTER_ADDR and MASTER_PORT, and that no firewall "
        "blocks the port.",
    )
