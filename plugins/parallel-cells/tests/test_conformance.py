from functools import partial
from typing import ClassVar

from seqforge_parallel_cells.cells import QRNN, RGLRU, SRU, IndRNN, MinGRU, MinLSTM

from seqforge.testing.cell_suite import CellSuite


class TestMinGRU(CellSuite):
    cells: ClassVar = {"min-gru": MinGRU}


class TestMinLSTM(CellSuite):
    cells: ClassVar = {"min-lstm": MinLSTM}


class TestIndRNN(CellSuite):
    cells: ClassVar = {"ind-rnn": partial(IndRNN, nonlinearity="tanh"), "ind-rnn, relu": IndRNN}


class TestQRNN(CellSuite):
    cells: ClassVar = {"qrnn": QRNN}


class TestSRU(CellSuite):
    cells: ClassVar = {"sru": SRU, "sru, equal sizes": lambda inputs, hidden: SRU(hidden, hidden)}


class TestRGLRU(CellSuite):
    cells: ClassVar = {"rg-lru": RGLRU, "rg-lru, equal sizes": lambda inputs, hidden: RGLRU(hidden, hidden)}
