from functools import partial
from typing import ClassVar

from seqforge_essentials.cells.gru import GRU, MGU, ResetBeforeGRU
from seqforge_essentials.cells.lstm import LSTM, LayerNormLSTM
from seqforge_essentials.cells.rnn import RNN
from seqforge_essentials.cells.slstm import SLSTM

from seqforge.testing.cell_suite import CellSuite


class TestRNN(CellSuite):
    cells: ClassVar = {"tanh": RNN, "relu": partial(RNN, nonlinearity="relu")}


class TestGRU(CellSuite):
    cells: ClassVar = {"after": GRU, "before": ResetBeforeGRU, "minimal": MGU}


class TestLSTM(CellSuite):
    cells: ClassVar = {
        "plain": LSTM,
        "peepholes": partial(LSTM, peepholes=True),
        "coupled": partial(LSTM, coupled_gates=True),
        "coupled-peepholes": partial(LSTM, coupled_gates=True, peepholes=True),
    }


class TestLayerNormLSTM(CellSuite):
    cells: ClassVar = {"layer-norm": LayerNormLSTM}


class TestSLSTM(CellSuite):
    cells: ClassVar = {"one head": SLSTM, "heads": lambda size, hidden: SLSTM(size, 2 * -(-hidden // 2), heads=2)}
