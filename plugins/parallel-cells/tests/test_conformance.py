from functools import partial
from typing import ClassVar

from seqforge_parallel_cells.cells import MinGRU, MinLSTM
from seqforge_parallel_cells.ind_rnn import IndRNN
from seqforge_parallel_cells.qrnn import QRNN
from seqforge_parallel_cells.rg_lru import RGLRU
from seqforge_parallel_cells.sru import SRU

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
