"""Training steps of seqforge in several processes, each on its part of a batch."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import torch

from benchmarks.peers.seqforge_models import SYMBOLS, experiment
from benchmarks.sizes import BATCH_SIZE, CLIP_NORM, SEQUENCE_LENGTH, SIZES
from benchmarks.worker import Clock
from seqforge.data.batches import Batch
from seqforge.distribution.replica import Replica
from seqforge.distribution.world import ALONE, World, join_world
from seqforge.model.choose_backend import choose_backends
from seqforge.model.measure_backends import BatchShape
from seqforge.runs.training_state import new_training_state
from seqforge.tasks.language_model import text_losses
from seqforge.training.step import train_step


def train(clocks: Iterator[Clock], size: str, processes: int, threads: int, averages: bool = True) -> None:
    """Time training steps of one batch that is divided over processes.

    Args:
        clocks: One clock for each round.
        size: Name of the model size.
        processes: Number of processes.
        threads: Number of threads of each process.
        averages: Whether gradients are averaged. Without it, the difference is the cost of averaging.
    """
    torch.set_num_threads(threads)
    options = {"size": size, "threads": threads, "averages": averages}
    with ExitStack() as stack:
        if processes > 1:
            with socket.socket() as free:
                free.bind(("localhost", 0))
                port = free.getsockname()[1]
            launch = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "localhost"}
            os.environ |= {name: str(value) for name, value in {**launch, "MASTER_PORT": port, "RANK": 0}.items()}
            for rank in range(1, processes):
                command = [sys.executable, "-m", __name__, json.dumps(options)]
                environment = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)}
                stack.enter_context(subprocess.Popen(command, env=environment))
        world = stack.enter_context(join_world())
        steps = _Steps(world, size, averages)
        for clock in clocks:
            world.broadcast(True)
            with clock:
                steps.take()
        world.broadcast(False)


class _Steps:
    """Training steps on a random batch."""

    def __init__(self, world: World, size: str, averages: bool) -> None:
        chosen = experiment("lstm", size, "float32", backend="native")
        rows = BATCH_SIZE // world.size
        self._state = new_training_state(chosen, SYMBOLS, torch.device("cpu"))
        choose_backends(
            self._state.model, chosen.registry, BatchShape(SEQUENCE_LENGTH, rows), backend=chosen.training.backend
        )
        self._world = world if averages else ALONE
        self._replica = Replica(self._state.model, self._world)
        self._loss = chosen.loss.build()
        self._batch = Batch(*torch.randint(SYMBOLS, (2, SEQUENCE_LENGTH, rows)), continues=False)
        self._steps = SIZES[size].steps

    def take(self) -> None:
        """Take the steps of one round."""
        for _ in range(self._steps):
            losses = text_losses(self._state, [self._batch], self._loss)
            result = train_step(self._state, losses, 1.0, CLIP_NORM, None, self._replica)
            self._world.sum([result.loss])


def main() -> None:
    """Take part in the steps of the first process, with the options in the argument."""
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    with join_world() as world:
        steps = _Steps(world, options["size"], options["averages"])
        while world.broadcast():
            steps.take()


if __name__ == "__main__":
    main()
