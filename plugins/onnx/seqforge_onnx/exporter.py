"""The formats `onnx` and `onnx-int8`: the graphs of a model, and a description of their inputs and outputs."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqforge.errors import import_library
from seqforge.kinds import ExportedModel, Exporter, TrainedModel
from seqforge_onnx.graphs import EXTRA, quiet, scan_graph, sequence_graph, step_graph

STEP, SEQUENCE, DESCRIPTION, EXAMPLE = "step.onnx", "sequence.onnx", "model.json", "generate.py"
"""Files of an exported folder."""

_USE = (
    "step.onnx maps `symbols` [batch] and every state to `logits` [batch, symbols] of the next symbol and every next "
    "state; sequence.onnx does the same for `symbols` [time, batch]. A symbol is its index in `symbols`, whose bytes "
    "are those of `encoding`. Before the first symbol, each row of a state is `initial`, or full of it."
)


class Onnx(Exporter):
    """ONNX: `step.onnx` for one symbol, `sequence.onnx` for many, both in float32 and for any number of rows.

    `sequence.onnx` has ONNX's own layers for LSTM, GRU and RNN; with another cell, a `Scan` of the step.
    """

    def write(self, model: TrainedModel, folder: Path) -> None:
        """Write the two graphs, the description of the model, and a program that generates text with them."""
        step = step_graph(model)
        self._write_graph(STEP, step, folder)
        self._write_graph(SEQUENCE, sequence_graph(model) or scan_graph(step, model), folder)
        (folder / DESCRIPTION).write_text(describe(model), "utf-8")
        # As text, since the package does not import the program, whose library is an extra.
        (folder / EXAMPLE).write_bytes(files("seqforge_onnx").joinpath(f"{EXAMPLE}.txt").read_bytes())

    def open(self, folder: Path) -> "OnnxModel":
        """Return the model as ONNX Runtime computes it."""
        return OnnxModel(folder)

    def _write_graph(self, name: str, graph: Any, folder: Path) -> None:
        import_library("onnx.checker", EXTRA).check_model(graph, full_check=True)
        (folder / name).write_bytes(graph.SerializeToString(deterministic=True))


def describe(model: TrainedModel) -> str:
    """Return the description of a model in JSON: its symbols, the names and shapes of its states, and how to run it."""
    encoding = _encoding(model.symbols)
    states = [
        {
            "input": name,
            "output": f"next_{name}",
            "type": str(tensor.numpy().dtype),
            "shape": list(tensor.shape[1:]),
            "initial": _shorten(tensor[0]),
        }
        for name, tensor in model.state_tensors.items()
    ]
    symbols = [symbol.decode(encoding) for symbol in model.symbols]
    table = {"name": model.name, "use": _USE, "states": states, "encoding": encoding, "symbols": symbols}
    return json.dumps(table, indent=1, ensure_ascii=False)


def _encoding(symbols: Sequence[bytes]) -> str:
    """Return the encoding in which every symbol is text: that of each byte, if a symbol is a part of a character."""
    try:
        for symbol in symbols:
            symbol.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _shorten(row: Tensor) -> Any:
    """Return the numbers of a tensor as lists, or the one number that it is full of."""
    first = row.flatten()[0]
    return cast("Any", first.item() if bool((row == first).all()) else row.tolist())


class OnnxModel(ExportedModel):
    """A model that ONNX Runtime computes.

    Args:
        folder: Folder with the graph of a step, that of a sequence if there is one, and their description.
    """

    def __init__(self, folder: Path) -> None:
        runtime = import_library("onnxruntime", EXTRA)
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        self.program = f"ONNX Runtime {runtime.__version__}"
        self._sessions = {
            name: runtime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])
            for name in (STEP, SEQUENCE)
            if (folder / name).exists()
        }
        states = json.loads((folder / DESCRIPTION).read_text("utf-8"))["states"]
        self._states: dict[str, NDArray[Any]] = {
            each["input"]: np.broadcast_to(np.array(each["initial"], each["type"]), (1, *each["shape"]))
            for each in states
        }

    def read(self, symbols: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Read several symbols by `sequence.onnx`, if there is one, and otherwise one by one by `step.onnx`."""
        if len(symbols) > 1 and SEQUENCE in self._sessions:
            return self._run(SEQUENCE, symbols[:, None])[:, 0]
        return np.concatenate([self._run(STEP, symbol) for symbol in symbols[:, None]])

    def _run(self, graph: str, symbols: NDArray[np.int64]) -> NDArray[Any]:
        logits, *states = self._sessions[graph].run(None, {"symbols": symbols, **self._states})
        self._states = dict(zip(self._states, states, strict=True))
        return logits


class OnnxInt8(Onnx):
    """ONNX with matrices in 8-bit integers, about a quarter of the size. The export states what this costs.

    ONNX Runtime rounds the weights once, and the inputs of each product when it computes them.
    """

    exact = False

    def _write_graph(self, name: str, graph: Any, folder: Path) -> None:
        super()._write_graph(name, graph, folder)
        quantize = import_library("onnxruntime.quantization", EXTRA).quantize_dynamic
        with quiet():
            quantize(folder / name, folder / name)
