"""The processes that train one model together, and the connection to those that a launcher such as torchrun started."""

import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed
from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from seqforge.distribution.launch import Launch
from seqforge.errors import RunError

ResultT = TypeVar("ResultT")

HANG_TIMEOUT = timedelta(minutes=30)
"""Time after which a collective operation fails because a process does not take part in it."""

CONNECT_TIMEOUT = timedelta(minutes=10)
"""Time after which a process stops waiting for the others to start."""

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

LONGEST_TURN = timedelta(days=1)
"""Longest time for which other processes wait while the first process of a machine encodes a corpus."""


class LostProcessError(RunError):
    """Another process of this run ended, or cannot be reached."""


class FailedElsewhereError(Exception):
    """A computation failed in another process, which reports the reason."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes that train one model together, and which of them this process is.

    Every process calls the same operations in the same order. For a world of one process they return their argument.
    Values travel as JSON, without pickle.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        local_rank: Number of this process among those of its machine, from 0.
        local_size: Number of processes on this machine.
        launch: Store that the processes of this launch share; None if this process was started on its own.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    launch: Launch | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes the run directory and displays the progress."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Return the indices of this process's part of `count` items, a contiguous block.

        The blocks of all processes differ in length by at most one, and the longer ones come first.
        """
        short, longer = divmod(count, self.size)
        start = self.rank * short + min(self.rank, longer)
        return range(start, start + short + (self.rank < longer))

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sums of numbers over all processes, in float64."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        with reported_lost_processes():
            distributed.all_reduce(sums)
        return [float(value) for value in sums]

    def gather(self, value: Any) -> list[Any]:
        """Return a JSON value of every process, in the order of their ranks."""
        if self.size == 1:
            return [value]
        return self._gather_text(json.dumps(value))

    def _gather_text(self, text: str) -> list[Any]:
        content = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        with reported_lost_processes():
            distributed.all_gather(lengths, torch.tensor([len(content)]))
            sizes = [int(length) for length in lengths]
            padded = torch.zeros(max(sizes), dtype=torch.uint8)
            padded[: len(content)] = content
            contents = [torch.empty_like(padded) for _ in range(self.size)]
            distributed.all_gather(contents, padded)
        return [json.loads(part[:size].numpy().tobytes()) for part, size in zip(contents, sizes, strict=True)]

    def broadcast(self, value: Any = None) -> Any:
        """Return the JSON value of the first process. The values of the others are ignored."""
        return self.gather(value)[0]

    def collect(self, compute: Callable[[], Any]) -> list[Any]:
        """Call a function in every process, and return the JSON values of all.

        Raises:
            Exception: The error of the function in this process.
            FailedElsewhereError: If the function raised an error in another process only.
        """
        if self.size == 1:
            return [compute()]
        try:
            outcome = json.dumps({"value": compute()})
        except Exception:
            self.gather({})
            raise
        outcomes = self._gather_text(outcome)
        if not all(outcomes):
            raise FailedElsewhereError(f"a computation failed in process {[*map(bool, outcomes)].index(False)}")
        return [other["value"] for other in outcomes]

    def gather_rows(self, rows: Tensor) -> Tensor:
        """Return the rows `[rows, …]` of every process, equally many, in the order of their ranks, on the CPU."""
        if self.size == 1:
            return rows
        own = rows.detach().cpu().contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        with reported_lost_processes():
            distributed.all_gather(parts, own)
        return torch.cat(parts)

    def own_rows(self, rows: Tensor) -> Tensor:
        """Return the rows of this process in the concatenated rows of all, as `gather_rows` returns them."""
        own = self.share(len(rows))
        return rows[own.start : own.stop]

    def in_turn(self, place: str, compute: Callable[[], ResultT]) -> ResultT:
        """Call a function in the first process of each machine, and afterwards in the others.

        The first process fills a cache that the others then read. Use each `place` once in a launch only.
        """
        if self.launch is None:
            return compute()
        machines = self.gather(self.local_rank).count(0)
        result = compute() if self.local_rank == 0 else None
        # A corpus may take longer than the timeout of the operations above, which is for processes that hang.
        try:
            self.launch.wait_for(place, machines, arrive=self.local_rank == 0, timeout=LONGEST_TURN)
        except TimeoutError as error:
            raise LostProcessError("another process failed while it encoded the corpus") from error
        return compute() if result is None else result

    def seed_step(self, seed: int, step: int) -> None:
        """Seed the generators of torch for one step, if there are several processes.

        The random numbers of a process, as for dropout, then depend only on the seed, the step and the rank. A single
        process draws from one generator during the whole run, whose state is in the checkpoint.
        """
        if self.size > 1:
            torch.manual_seed(int(np.random.SeedSequence([seed, step, self.rank]).generate_state(1, np.uint64)[0]))


ALONE = World()
"""The world of a process that was started on its own."""


@contextmanager
def reported_lost_processes() -> Generator[None]:
    """Convert the error of a collective operation inside the block that lost the connection to another process.

    Raises:
        LostProcessError: If the block raises an error of the network, of a timeout, or of the processes' connection.
    """
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        is_of_connection = isinstance(error, distributed.DistError) or "gloo" in message.lower() or "NCCL" in message
        if isinstance(error, RunError) or not is_of_connection:
            raise
        raise LostProcessError(
            "the connection to another process was lost",
            hint="A process that was killed leaves no message of its own. If you did not stop it, look for a lack of "
            "memory, or for an interrupted network, on its machine.",
        ) from error


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
