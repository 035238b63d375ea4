"""The backends `native` and `inductor` against the scan of the plain cells."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import pytest
import torch
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_native.backend import NativeBackend
from seqforge_native.inductor import InductorBackend
from torch import Tensor

from seqforge.kinds import BackendContext
from seqforge.testing.backend_suite import SIZES, BackendSuite
from seqforge.testing.cell_case import CaseSizes


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile every kernel once for all checks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQFORGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class TestNative(BackendSuite):
    backend: ClassVar = NativeBackend
    cells: ClassVar = {
        "rnn": RNN,
        "gru": GRU,
        "lstm": LSTM,
    }
    dtypes: ClassVar = (torch.float32, torch.bfloat16)


class TestRecorded(BackendSuite):
    """A cell without a built-in kernel. More cells are in recorded/."""

    backend: ClassVar = NativeBackend
    cells: ClassVar = {"lstm, peepholes, coupled": partial(LSTM, peepholes=True, coupled_gates=True)}
    dtypes: ClassVar = (torch.float32, torch.bfloat16)
    sizes: ClassVar = SIZES[:3]


class TestNativeRelu(BackendSuite):
    backend: ClassVar = NativeBackend
    cells: ClassVar = {"rnn, relu": partial(RNN, nonlinearity="relu")}
    dtypes: ClassVar = (torch.float32,)


class Ordered(LSTM):
    """An LSTM whose units read only those before them: its recurrent matrix is not its recurrent weight."""

    def recurrent_matrix(self) -> Tensor:
        return torch.cat([gate.tril() for gate in self.recurrent_weight.chunk(4)])


@pytest.mark.usefixtures("compilable")
class TestInductor(BackendSuite):
    """Every reader of a new cell compiles, about 12 seconds for a cell and type: one cell, one example of one shape.

    The golden losses are those of an RNN in float32 (tests/training/test_golden_losses.py).
    """

    backend: ClassVar = InductorBackend
    cells: ClassVar = {"lstm, peepholes": partial(Ordered, peepholes=True)}
    dtypes: ClassVar = (torch.float64,)
    sizes: ClassVar = (CaseSizes(4, 3, 5, 5),)


class TestInductorInBfloat16(TestInductor):
    dtypes: ClassVar = (torch.bfloat16,)


@pytest.mark.usefixtures("compilable")
def test_inductor_reads_batches_of_many_sizes() -> None:
    cell = LSTM(5, 5, peepholes=True)
    read = InductorBackend().sequence_function(cell, BackendContext(torch.device("cpu"), torch.float32))
    with torch.no_grad():
        for rows in range(2, 12):  # torch.compile refuses a ninth version of a function
            inputs, state = torch.randn(3, rows, 5), cell.initial_state(rows)
            torch.testing.assert_close(read(inputs, state), cell(inputs, state))
