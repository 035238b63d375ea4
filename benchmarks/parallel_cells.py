"""Compare the training speed of minGRU and minLSTM with LSTMs of torch and of the native kernels, at equal sizes.

A step consists of forward pass, cross-entropy, backward pass, gradient clipping and fused Adam, in float32, on one-hot
symbols: batch 64, sequence 100, 128 symbols. Each round times every model once, and the last column is the median of
the ratios within each round. Times are CPU times of one core on a CPU, and wall-clock times on a GPU.

    python benchmarks/parallel_cells.py [--rounds 7] [--sizes S M L] [--device cpu]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from seqforge_essentials.cells.lstm import LSTM
from seqforge_native.backend import NativeBackend
from seqforge_parallel_cells.cells import MinGRU, MinLSTM
from torch import Tensor, nn

from seqforge.kinds import BackendContext
from seqforge.model import install_backend

SYMBOLS, BATCH, TIME = 128, 64, 100
SIZES = {"S": (1, 128), "M": (2, 512), "L": (3, 704)}
"""Number of layers, and hidden size."""
MINIMUM_SECONDS = 0.3
"""Minimum duration of one timing, so that small models take several steps."""


class CellModel(nn.Module):
    """A stack of equal cells, with one-hot symbols as input and logits as output."""

    def __init__(self, make_cell: type[MinGRU | MinLSTM | LSTM], layers: int, hidden_size: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(make_cell(hidden_size if layer else SYMBOLS, hidden_size) for layer in range(layers))
        self.head = nn.Linear(hidden_size, SYMBOLS)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits `[time, batch, symbols]` of one-hot symbols of the same shape, from the initial state."""
        for cell in self.cells:
            inputs, _ = cell(inputs, cell.initial_state(inputs.shape[1]))
        return self.head(inputs)


class TorchLSTM(nn.Module):
    """`torch.nn.LSTM` with the same input and output as `CellModel`."""

    def __init__(self, layers: int, hidden_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SYMBOLS, hidden_size, layers)
        self.head = nn.Linear(hidden_size, SYMBOLS)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits `[time, batch, symbols]` of one-hot symbols of the same shape, from the initial state."""
        return self.head(self.lstm(inputs)[0])


def _use_native_backend(model: CellModel) -> CellModel:
    """Make the cells compute whole sequences with the native backend."""
    context = BackendContext(torch.device("cpu"), torch.float32)
    for cell in model.cells:
        install_backend(NativeBackend(), cell, context)
    return model


MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    "nn.LSTM": TorchLSTM,
    "lstm, native": lambda layers, hidden_size: _use_native_backend(CellModel(LSTM, layers, hidden_size)),
    "min-gru": lambda layers, hidden_size: CellModel(MinGRU, layers, hidden_size),
    "min-lstm": lambda layers, hidden_size: CellModel(MinLSTM, layers, hidden_size),
}


def training_step(model: nn.Module, tokens: Tensor) -> Callable[[], float]:
    """Return a function that takes one optimizer step, waits for the device, and returns the loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    one_hot = torch.eye(SYMBOLS, device=tokens.device)

    def step() -> float:
        optimizer.zero_grad()
        logits = model(nn.functional.embedding(tokens[:-1], one_hot))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss.item()

    return step


def seconds_per_step(step: Callable[[], float], steps: int, clock: Callable[[], float]) -> float:
    """Return the mean time of some steps, in seconds."""
    start = clock()
    for _ in range(steps):
        step()
    return (clock() - start) / steps


def measure(size: str, rounds: int, device: str) -> None:
    """Measure one size and print its rows."""
    torch.manual_seed(0)
    clock = time.process_time if device == "cpu" else time.perf_counter
    tokens = torch.randint(SYMBOLS, (TIME + 1, BATCH), device=device)
    models = {name: make(*SIZES[size]).to(device) for name, make in MODELS.items()}
    steps = {name: training_step(model, tokens) for name, model in models.items()}
    for step in steps.values():
        step()  # The first step allocates memory, and compiles on a GPU.
    counts = {name: max(1, round(MINIMUM_SECONDS / seconds_per_step(step, 1, clock))) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds_per_step(step, counts[name], clock))
    for name, model in models.items():
        parameters = sum(parameter.numel() for parameter in model.parameters())
        speed = BATCH * TIME / statistics.median(times[name])
        ratio = statistics.median(lstm / own for lstm, own in zip(times["nn.LSTM"], times[name], strict=True))
        layers, hidden_size = SIZES[size]
        print(
            f"{size}: {layers}×{hidden_size:<5} {name:12} {parameters:>12,} {speed:>13,.0f} {ratio:>10.2f}", flush=True
        )


def main() -> None:
    """Measure all sizes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {arguments.device}, {arguments.rounds} rounds")
    print(f"{'size':9} {'cell':12} {'parameters':>12} {'characters/s':>13} {'÷ nn.LSTM':>10}")
    for size in arguments.sizes:
        measure(size, arguments.rounds, arguments.device)


if __name__ == "__main__":
    main()
