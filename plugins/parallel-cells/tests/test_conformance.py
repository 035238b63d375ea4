from typing import ClassVar

from seqforge_parallel_cells.min_gru import MinGRU
from seqforge_parallel_cells.min_lstm import MinLSTM

from seqforge.testing import CellSuite


class TestMinGRU(CellSuite):
    cells: ClassVar = {"min-gru": MinGRU}


class TestMinLSTM(CellSuite):
    cells: ClassVar = {"min-lstm": MinLSTM}
