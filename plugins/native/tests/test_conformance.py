from functools import partial
from typing import ClassVar

from seqforge_native.gru import GRU
from seqforge_native.lstm import LSTM
from seqforge_native.rnn import RNN

from seqforge.testing import CellSuite


class TestRNN(CellSuite):
    cells: ClassVar = {"tanh": RNN, "relu": partial(RNN, nonlinearity="relu")}


class TestGRU(CellSuite):
    cells: ClassVar = {"gru": GRU}


class TestLSTM(CellSuite):
    cells: ClassVar = {"lstm": LSTM}
