"""Conformance of the cells with a matrix state."""

from typing import ClassVar

from seqforge_matrix_cells.gated_deltanet import GatedDeltaNet
from seqforge_matrix_cells.gla import GLA
from seqforge_matrix_cells.hgrn import HGRN2
from seqforge_matrix_cells.mamba import Mamba2
from seqforge_matrix_cells.mlstm import MLSTM
from seqforge_matrix_cells.rwkv import RWKV7

from seqforge.testing.cell_suite import CellSuite


def _rounded(cell, **options):
    return lambda input_size, hidden_size: cell(input_size, -(-hidden_size // 2) * 2, heads=2, **options)


class TestCells(CellSuite):
    cells: ClassVar = {
        "gla": _rounded(GLA, key_size=3),
        "gated-deltanet": _rounded(GatedDeltaNet, key_size=3),
        "negative": _rounded(GatedDeltaNet, key_size=5, negative_eigenvalues=True),
        "hgrn-2": _rounded(HGRN2, key_size=3),
        "hgrn-2-bounded": _rounded(HGRN2, key_size=3, lower_bound=0.5),
        "mamba-2": _rounded(Mamba2, key_size=3),
        "mlstm": _rounded(MLSTM, key_size=3),
        "rwkv-7": _rounded(RWKV7, bottleneck_size=2),
    }
