"""The measurement of backends on a cell, with the batch shape of a run. The cache folder stores the times."""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from seqforge.errors import RunError, warn
from seqforge.faults import describe_error
from seqforge.hardware import describe_device, fork_random_state, seed_generators
from seqforge.kinds import Backend, BackendContext, Cell, Refusal
from seqforge.model.precision import Precision, products_in
from seqforge.registry.registry import Registry
from seqforge.storage.cache import open_cache_folder
from seqforge.storage.files import reported_failures
from seqforge.storage.paths import cache_folder
from seqforge.storage.records import Record

EAGER = "eager"
"""Name of the reference: plain torch, which runs every cell."""

CLEARLY_SLOWER = 1.5
"""The measurement of a backend stops early if it takes this many times as long as the best one."""

REPETITIONS = 5

BUDGET_SECONDS = 2.0
"""Time after which a measurement starts no further repetition."""

PREPARATION_SHARE = 0.1
"""Largest share of a run that the preparation of a backend may take."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """Work of the cells in a run.

    Attributes:
        steps: Number of steps of a sequence.
        rows: Number of sequences in a batch.
        optimizer_steps: Number of optimizer steps of the run, or infinity if another limit ends it.
        seconds: Time limit of the run in seconds, or infinity.
    """

    steps: int
    rows: int
    optimizer_steps: float = math.inf
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class CellTimes:
    """Times of the backends on one cell.

    Attributes:
        seconds: Time of a forward and a backward pass, by backend.
        refused: Why the other backends were not measured, by backend.
    """

    seconds: dict[str, float]
    refused: dict[str, Refusal]


@dataclass(frozen=True, slots=True)
class CellTiming:
    """A cell to measure.

    Attributes:
        cell: Cell on its device, without a backend.
        symbols: Whether the cell reads symbols.
        count: Number of cells in the model.
        batch_shape: Shape of a batch and length of the run.
        precision: Precision of the model.
        context: Device, and type of the products.
        module: Name of the cell's module in the model, if it is in one.
    """

    cell: Cell[Any]
    symbols: bool
    count: int
    batch_shape: BatchShape
    precision: Precision
    context: BackendContext
    module: str = ""


def measure_backends(
    timing: CellTiming,
    backends: Mapping[str, Backend],
    registry: Registry,
    *,
    cached: bool = True,
    compares_precisions: bool = False,
    limit: float = math.inf,
) -> CellTimes:
    """Return the times of the backends that can run a cell, from the cache if it has them.

    Args:
        timing: The cell and the shape of the batch.
        backends: Backends by name; `eager` is the reference.
        registry: Installed plugins; times are cached for their versions.
        cached: Whether to use the cache.
        compares_precisions: Whether the times are compared with those in another precision. Otherwise, `eager` is not
            measured if it is the only backend.
        limit: Best time in another precision. Backends that are clearly slower are not measured to the end.
    """
    refused = _refusals(timing, backends)
    supported = sorted(set(backends) - set(refused))
    if cached and supported == [EAGER] and not compares_precisions:
        return CellTimes({}, refused)
    # Times that are not measured to the end are only good for a comparison with the same other precision.
    fingerprint = _fingerprint(timing, supported, registry, compared=limit < math.inf)
    path = cache_folder() / "backends" / f"{fingerprint}.json"
    seconds = _read_times(path, supported) if cached else {}
    missing = [name for name in supported if name not in seconds]
    preparation = {name: backends[name].preparation_seconds(timing.cell, timing.context) for name in missing}
    outputs: dict[str, Tensor] = {}
    # Backends that must compile come last: whether they are tried depends on the times of the others. `eager` comes
    # after those that need no preparation: it is rarely the fastest, and then its measurement stops early.
    for name in sorted(missing, key=lambda name: (preparation[name], name == EAGER, name)):
        expected = min(seconds.values(), default=math.inf) * timing.batch_shape.optimizer_steps * timing.count
        if preparation[name] > PREPARATION_SHARE * min(expected, timing.batch_shape.seconds):
            reason = f"not tried: its compilation takes about {preparation[name]:.0f} s, too long for this run"
            refused[name] = Refusal(reason, about="run")
            continue
        try:
            best = min([limit, *seconds.values()])
            outputs[name], seconds[name] = _time(timing, backends[name], best, compiles=preparation[name] > 0)
        except Exception as error:  # noqa: BLE001 - a backend that fails is not chosen, whatever its error is
            refused[name] = Refusal(f"it failed: {describe_error(error, type(backends[name]))}")
            warn(f"the backend {name} failed for {type(timing.cell).__name__}: {error}")
    if outputs and EAGER in seconds and EAGER not in outputs:  # its time was in the cache
        outputs[EAGER], _ = _time(timing, backends[EAGER], 0.0, compiles=False)
    for name in outputs:
        if EAGER in outputs and not _agree(outputs[name], outputs[EAGER], timing.context.dtype):
            del seconds[name]
            refused[name] = Refusal("its outputs differ from those of the eager backend")
            warn(f"the backend {name} and the eager backend have different outputs for {type(timing.cell).__name__}")
    if outputs:
        _write_times(path, seconds)
    return CellTimes(seconds, refused)


def _refusals(timing: CellTiming, backends: Mapping[str, Backend]) -> dict[str, Refusal]:
    refused: dict[str, Refusal] = {}
    for name, backend in backends.items():
        try:
            refusal = backend.refusal(timing.cell, timing.context)
        except Exception as error:  # noqa: BLE001 - a backend that fails is not chosen, whatever its error is
            refusal = Refusal(f"it failed: {describe_error(error, type(backend))}", about="plugin")
        if refusal is not None:
            refused[name] = refusal
    return refused


def _time(timing: CellTiming, backend: Backend, best: float, *, compiles: bool) -> tuple[Tensor, float]:
    """Return the outputs, and the shortest time of a forward and a backward pass."""
    reader = backend.checked_function(timing.cell, timing.context)
    inputs, state = _inputs(timing), timing.cell.initial_state(timing.batch_shape.rows)
    leaves: list[Tensor] = [parameter for parameter in timing.cell.parameters() if parameter.requires_grad]
    if not timing.symbols:
        leaves.append(inputs.requires_grad_())
    times: list[float] = []
    outputs, began = inputs, time.perf_counter()
    with fork_random_state(timing.context.device), products_in(timing.precision, timing.context.device):
        for repetition in range(1 + REPETITIONS):  # the first warms up
            seed_generators(0, timing.context.device)  # A cell may draw masks, and its outputs are compared.
            started = _now(timing.context.device)
            outputs, _ = reader(inputs, state)
            if outputs.requires_grad:
                torch.autograd.grad(outputs.float().sum(), leaves, allow_unused=True)
            now = _now(timing.context.device)
            times.append(now - started)
            # The first repetition of a backend that compiles is mostly compilation.
            slow = 3 * CLEARLY_SLOWER if repetition == 0 else CLEARLY_SLOWER
            if times[-1] > slow * best and (repetition or not compiles):
                break
            if repetition and now - began > BUDGET_SECONDS:
                break
    return outputs.detach(), min(times[1:] or times)


def _now(device: torch.device) -> float:
    torch.get_device_module(device).synchronize()
    return time.perf_counter()


def _inputs(timing: CellTiming) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape, size = (timing.batch_shape.steps, timing.batch_shape.rows), timing.cell.input_size
    if timing.symbols:
        return torch.randint(size, shape, generator=generator).to(timing.context.device)
    return torch.randn(*shape, size, generator=generator).to(timing.context.device)


def _agree(outputs: Tensor, eager: Tensor, dtype: torch.dtype) -> bool:
    """Return whether the outputs differ by no more than rounding, by the root mean square of the difference.

    The largest difference is no measure for a trained cell: rounding can move a unit across its threshold.
    """
    tolerance = 0.1 if dtype == torch.bfloat16 else 1e-2
    expected = eager.float()
    difference = (outputs.float() - expected).square().mean()
    return bool(difference <= tolerance**2 * expected.square().mean().clamp(min=torch.finfo(torch.float32).tiny))


def _fingerprint(timing: CellTiming, supported: Sequence[str], registry: Registry, *, compared: bool) -> str:
    kind, device = type(timing.cell), timing.context.device
    described = [
        describe_device(device),
        torch.get_num_threads(),
        torch.__version__,
        sorted(f"{plugin.name} {plugin.version}" for plugin in registry.plugins),
        list(supported),
        f"{kind.__module__}.{kind.__qualname__}",
        [(name, list(value.shape)) for name, value in timing.cell.named_parameters()],
        [timing.symbols, timing.batch_shape.steps, timing.batch_shape.rows, str(timing.context.dtype), compared],
    ]
    return hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()


class BackendTimes(Record):
    """The content of a file in the cache with measured times.

    Attributes:
        seconds: Seconds per batch, by the name of the backend.
    """

    VERSION = 1

    seconds: dict[str, Annotated[float, Field(gt=0)]]


def _read_times(path: Path, supported: Sequence[str]) -> dict[str, float]:
    """Return the times in the cache, or none if they are missing or damaged."""
    try:
        times = BackendTimes.read(path).seconds
    except RunError:
        return {}
    return {name: seconds for name, seconds in times.items() if name in supported}


def _write_times(path: Path, seconds: Mapping[str, float]) -> None:
    try:
        with reported_failures("the times of the backends cannot be stored"):
            BackendTimes(seconds=dict(seconds)).write(open_cache_folder(path.parent.name) / path.name)
    except RunError as error:
        warn(f"{error.message}. {error.hint or ''}".rstrip())
