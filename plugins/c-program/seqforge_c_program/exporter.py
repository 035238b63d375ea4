"""The formats `c` and `c-int8`: a program in C99 with the equations of the cells, and a file with the weights."""

import shutil
import subprocess
import tempfile
import weakref
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqforge.errors import PluginError
from seqforge.kinds import Cell, ExportedModel, Exporter, FactoredCell, TrainedModel

PROGRAM, WEIGHTS = "model.c", "model.bin"
"""Files of an exported folder."""

_MAGIC = 0x31676673
_BLOCK = 64
"""Rows of a matrix in float32 whose sums the program computes at once."""

_NORMS = {type(None): 0, nn.RMSNorm: 1, nn.LayerNorm: 2}
_KINDS = {"lstm": 0, "gru": 1, "rnn-tanh": 2, "rnn-relu": 3}


class CProgram(Exporter):
    """A program in C99 without libraries, `model.c`, with weights in float32, `model.bin`.

    It has the equations of LSTM, GRU and RNN, and vocabularies of characters or bytes.
    """

    def write(self, model: TrainedModel, folder: Path) -> None:
        """Write the program, which is the same for every model, and the weights.

        Raises:
            PluginError: If a cell is no LSTM, GRU or RNN, or if a symbol is the beginning of another one.
        """
        symbols = sorted(model.symbols)
        repeated = any(other.startswith(symbol) for symbol, other in pairwise(symbols))
        if repeated or not all(0 < len(symbol) < 256 for symbol in symbols):
            raise PluginError(
                "the format c is for vocabularies of characters or bytes, in which no symbol begins with another one",
                hint="`--format onnx` exports models with any vocabulary.",
            )
        norm = cast("Any", model.norm)
        parts = [_integers(_MAGIC, len(symbols), len(model.cells), _NORMS[type(norm)])]
        with torch.no_grad():
            for number, cell in enumerate(model.cells):
                parts += self._layer(cell, model.input if number == 0 else None, len(symbols))
                parts += [_floats(tensor[0]) for tensor in model.initial_states[number]]
            features = model.head.in_features
            gain = torch.ones(features) if norm is None else norm.weight
            shift = getattr(norm, "bias", None)
            parts += map(_floats, (gain, torch.zeros(features) if shift is None else shift))
            parts += (self._matrix(model.head.weight), _floats(model.head.bias))
        parts += [bytes([len(symbol)]) + symbol for symbol in model.symbols]
        (folder / WEIGHTS).write_bytes(b"".join(parts))
        (folder / PROGRAM).write_bytes(files("seqforge_c_program").joinpath(PROGRAM).read_bytes())

    def open(self, folder: Path) -> "RunningProgram":
        """Compile the program, and start it."""
        return RunningProgram(folder)

    def _layer(self, cell: Cell[Any], input_layer: nn.Module | None, symbols: int) -> list[bytes]:
        """Return the numbers of a layer. That of the lowest one has the product of W with the input for each symbol."""
        own_projection = type(cell).project is not FactoredCell.project
        if own_projection or not isinstance(cell, FactoredCell) or cell.equations not in _KINDS:
            raise PluginError(
                f"the cell {type(cell).__name__} is no LSTM, GRU or RNN without variants, the cells of the format c",
                hint="`--format onnx` exports any cell.",
            )
        weight = cell.input_weight
        if input_layer is not None and (vectors := input_layer(torch.arange(symbols))).is_floating_point():
            weight = weight @ vectors.t()
        sizes = _integers(_KINDS[cell.equations], weight.shape[1], cell.hidden_size)
        biases = [_floats(cast("Tensor", cell.recurrent_bias))] if cell.equations == "gru" else []
        return [sizes, self._matrix(weight), _floats(cell.bias), self._matrix(cell.recurrent_matrix()), *biases]

    def _matrix(self, matrix: Tensor) -> bytes:
        """Return a matrix as blocks of rows. A block has one column after another."""
        rows, columns = matrix.shape
        blocks = nn.functional.pad(matrix, (0, 0, 0, -rows % _BLOCK)).reshape(-1, _BLOCK, columns)
        return _integers(32) + _floats(blocks.transpose(1, 2))


class CProgramInt8(CProgram):
    """The program of the format `c` with matrices in 8-bit integers, a quarter of the size. The export states the cost.

    Each row of a matrix has a scale. The program rounds the input of a product to 8 bits when it computes it.
    """

    exact = False

    def _matrix(self, matrix: Tensor) -> bytes:
        """Return a matrix as the scales of its rows, and one row of integers after another."""
        scales = matrix.abs().amax(1).clamp_min(1e-30) / 127
        integers = (matrix / scales[:, None]).round().to(torch.int8)
        return _integers(8) + _floats(scales) + integers.numpy().tobytes()


def _integers(*numbers: int) -> bytes:
    return np.array(numbers, "<i4").tobytes()


def _floats(tensor: Tensor) -> bytes:
    return tensor.detach().numpy().astype("<f4").tobytes()


class RunningProgram(ExportedModel):
    """The program in an exported folder, compiled, which answers each symbol by logits."""

    program = "model.c (compiled by cc)"

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise PluginError("no C compiler is installed, which the check needs", hint="On Debian: apt install gcc")
        self._size = int(np.fromfile(folder / WEIGHTS, "<i4", 2)[1])
        with tempfile.TemporaryDirectory() as place:
            binary = Path(place) / "a.out"
            command = [compiler, "-std=c99", "-O3", "-march=native", folder / PROGRAM, "-lm", "-o", binary]
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603
            process = subprocess.Popen(  # noqa: S603
                [binary, "--logits"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        self._source, self._target = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        weakref.finalize(self, process.communicate)  # It ends when its input ends.

    def read(self, symbols: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Return the logits after each symbol."""
        self._source.write(_integers(*symbols))
        self._source.flush()
        content = self._target.read(4 * len(symbols) * self._size)
        return np.frombuffer(content, "<f4").reshape(-1, self._size)
