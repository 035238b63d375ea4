from typing import ClassVar

from seqforge_parallel_cells.cells import MinGRU, MinLSTM

from seqforge.testing import CellSuite


class TestMinGRU(CellSuite):
    cells: ClassVar = {"min-gru": MinGRU}


class TestMinLSTM(CellSuite):
    cells: ClassVar = {"min-lstm": MinLSTM}
