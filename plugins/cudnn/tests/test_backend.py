"""The cells that the fused layers run, and checks that are not in the conformance suite."""

from typing import Any, ClassVar

import pytest
import torch
from seqforge_cudnn.backend import CudnnBackend, OnednnBackend
from seqforge_essentials.cells.gru import GRU, ResetBeforeGRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN
from torch import Tensor

from seqforge.kinds import BackendContext, FactoredCell, Refusal

CPU = BackendContext(torch.device("cpu"), torch.float32)
GPU = BackendContext(torch.device("cuda"), torch.float32)
every_cell = pytest.mark.parametrize("cell_class", [RNN, GRU, LSTM])
needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is available")


def sequence(time: int = 12, batch: int = 5, features: int = 7) -> Tensor:
    return torch.randn(time, batch, features, generator=torch.Generator().manual_seed(1))


def train_once(read: Any, cell: FactoredCell[Any], inputs: Tensor, state: Any) -> list[Tensor]:
    """Return the outputs, the last state and the gradients of the parameters."""
    outputs, after = read(inputs, state)
    return [outputs, *after, *torch.autograd.grad(outputs.square().mean(), list(cell.parameters()))]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (LSTM(3, 4, peepholes=True), "LSTM"),
        (LSTM(3, 4, coupled_gates=True), "LSTM"),
        (ResetBeforeGRU(3, 4), "ResetBeforeGRU"),
    ],
    ids=["peepholes", "coupled", "reset before"],
)
def test_a_variant_without_a_fused_layer_is_unsupported_with_a_reason(cell: FactoredCell[Any], name: str) -> None:
    assert OnednnBackend().unsupported(cell, CPU) == f"torch has no fused layer with the equations of {name}"
    assert CudnnBackend().unsupported(cell, GPU) == f"torch has no fused layer with the equations of {name}"


class Doubled(RNN):
    equations: ClassVar = "rnn-tanh"

    def project(self, inputs: Tensor) -> Tensor:
        return 2 * super().project(inputs)


def test_a_cell_that_reads_its_input_otherwise_is_unsupported() -> None:
    assert OnednnBackend().unsupported(Doubled(3, 4), CPU) == "torch has no fused layer with the equations of Doubled"


@every_cell
def test_each_backend_supports_one_device(cell_class: Any) -> None:
    cell = cell_class(3, 4)
    assert OnednnBackend().refusal(cell, CPU) is None
    assert CudnnBackend().refusal(cell, GPU) is None
    assert OnednnBackend().refusal(cell, GPU) == Refusal("it runs on cpu, not on cuda", about="device")
    assert CudnnBackend().refusal(cell, CPU) == Refusal("it runs on cuda, not on cpu", about="device")


@needs_a_gpu
@every_cell
def test_on_a_gpu_a_cell_agrees_with_the_cpu_without_warnings(cell_class: Any) -> None:
    # A warning is an error here, such as that of cuDNN about weights that are not contiguous.
    cell = cell_class(7, 33)
    expected = train_once(cell, cell, sequence(), cell.initial_state(5))
    cell.to("cuda")
    read = CudnnBackend().sequence_function(cell, GPU)
    found = train_once(read, cell, sequence().cuda(), cell.initial_state(5))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-3, atol=1e-4)
