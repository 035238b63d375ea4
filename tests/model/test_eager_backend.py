"""The eager backend against the conformance suite."""

from functools import partial
from typing import ClassVar

from seqforge_essentials.cells.gru import GRU, ResetBeforeGRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN

from seqforge.model.install_backend import EagerBackend
from seqforge.testing.backend_suite import SIZES, BackendSuite


class TestEager(BackendSuite):
    backend: ClassVar = EagerBackend
    cells: ClassVar = {
        "rnn": RNN,
        "gru": GRU,
        "reset-before-gru": ResetBeforeGRU,
        "lstm": LSTM,
        "lstm, peepholes": partial(LSTM, peepholes=True),
        "lstm, peepholes, coupled": partial(LSTM, peepholes=True, coupled_gates=True),
    }
    sizes: ClassVar = SIZES[:4]
