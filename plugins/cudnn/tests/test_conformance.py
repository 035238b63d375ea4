"""The fused layers of torch against the scan of the plain cells."""

from functools import partial
from typing import ClassVar

import pytest
import torch
from seqforge_cudnn.backend import CudnnBackend, OnednnBackend
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN

from seqforge.testing.backend_suite import BackendSuite


class Ordered(RNN):
    """An RNN whose units read only those before them: its recurrent matrix is not its recurrent weight."""

    equations: ClassVar = "rnn-tanh"

    def recurrent_matrix(self) -> torch.Tensor:
        return self.recurrent_weight.tril()


class TestOnednn(BackendSuite):
    backend: ClassVar = OnednnBackend
    cells: ClassVar = {"rnn": RNN, "gru": GRU, "lstm": LSTM, "another recurrent matrix": Ordered}


class TestOnednnRelu(BackendSuite):
    backend: ClassVar = OnednnBackend
    cells: ClassVar = {"rnn, relu": partial(RNN, nonlinearity="relu")}
    dtypes: ClassVar = (torch.float64, torch.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is available")
class TestCudnn(BackendSuite):
    backend: ClassVar = CudnnBackend
    cells: ClassVar = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
    # In float32, cuDNN may multiply in TF32, which the suite's tolerance does not allow for.
    dtypes: ClassVar = (torch.float64, torch.bfloat16)
    device: ClassVar = "cuda"
