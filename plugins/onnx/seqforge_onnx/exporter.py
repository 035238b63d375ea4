"""The formats `onnx` and `onnx-int8`: the graphs of a model, a description of them, and a program that runs them."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqforge.errors import import_library
from seqforge.kinds import ExportedModel, ExportedPredictor, PredictorExporter, Text, TrainedModel, TrainedPredictor
from seqforge_onnx.graphs import EXTRA, model_graph, predictor_graphs, quiet

DESCRIPTION = "model.json"


class Onnx(PredictorExporter):
    """ONNX in float32, for any number of rows and steps.

    A language model is `step.onnx` for one symbol, and `sequence.onnx` for many. A model of labelled examples is
    `encoder.onnx`, and `decoder.onnx` for a step of its decoder, if it has one. ONNX has layers for LSTM, GRU and RNN;
    another cell is a `Scan` of its step, or of the rule of its matrix state.
    """

    def write(self, model: TrainedModel, folder: Path) -> None:
        """Write the two graphs, the description of the model, and a program that generates text with them."""
        graphs = {"step": model_graph(model, "batch"), "sequence": model_graph(model, "time", "batch")}
        self._write_files(folder, graphs, describe(model), "generate.py")

    def write_predictor(self, model: TrainedPredictor, folder: Path) -> None:
        """Write the graph of the encoder, that of the decoder, the description, and a program that predicts."""
        self._write_files(folder, predictor_graphs(model), _describe_predictor(model), "predict.py")

    def open(self, folder: Path) -> "OnnxModel":
        """Return the language model as ONNX Runtime computes it."""
        return OnnxModel(folder)

    def open_predictor(self, folder: Path) -> "Graphs":
        """Return the model of labelled examples as ONNX Runtime computes it."""
        return Graphs(folder)

    def _write_files(self, folder: Path, graphs: Mapping[str, bytes], description: str, program: str) -> None:
        for name, graph in graphs.items():
            (folder / f"{name}.onnx").write_bytes(graph)
        (folder / DESCRIPTION).write_text(description, "utf-8")
        # As text, since the package does not import the program, whose library is an extra.
        (folder / program).write_bytes(files("seqforge_onnx").joinpath(f"{program}.txt").read_bytes())


def describe(model: TrainedModel) -> str:
    """Return the description of a language model in JSON: its symbols, and the names and shapes of its states."""
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
    table = {"name": model.name, "states": states, **_describe_symbols(model.symbols)}
    return json.dumps(table, indent=1, ensure_ascii=False)


def _shorten(row: Tensor) -> Any:
    """Return the numbers of a tensor as lists, or the one number that it is full of."""
    first = row.flatten()[0]
    return cast("Any", first.item() if bool((row == first).all()) else row.tolist())


def _describe_predictor(model: TrainedPredictor) -> str:
    """Return what `predict.py` needs to know about a model of labelled examples, in JSON."""
    spec, vocabulary = model.spec, model.vocabulary
    described = _describe_symbols([vocabulary.decode([symbol]) for symbol in range(vocabulary.size)])
    table = {
        "name": model.name,
        "input": "text" if isinstance(spec.input, Text) else "numbers",
        "target": "alignment" if spec.output_mode == "sequence" and model.decoder is None else spec.output_mode,
        "names": described["symbols"] if isinstance(spec.target, Text) else getattr(spec.target, "names", None),
        **described,
    }
    return json.dumps(table, indent=1, ensure_ascii=False)


def _describe_symbols(symbols: Sequence[bytes]) -> dict[str, Any]:
    """Return symbols as text, and the encoding: that of each byte, if a symbol is a part of a character."""
    encoding = "utf-8"
    try:
        for symbol in symbols:
            symbol.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
    return {"encoding": encoding, "symbols": [symbol.decode(encoding) for symbol in symbols]}


class Graphs(ExportedPredictor):
    """The graphs of a folder as ONNX Runtime computes them."""

    def __init__(self, folder: Path) -> None:
        runtime = import_library("onnxruntime", EXTRA)
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        self.program = f"ONNX Runtime {runtime.__version__}"
        self.sessions = {
            path.stem: runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            for path in folder.glob("*.onnx")
        }

    def run(self, part: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the outputs of the graph of a name."""
        names = [output.name for output in self.sessions[part].get_outputs()]
        return dict(zip(names, self.sessions[part].run(None, dict(tensors)), strict=True))


class OnnxModel(ExportedModel):
    """A language model that ONNX Runtime computes: the graph of a step, and that of a sequence if there is one."""

    def __init__(self, folder: Path) -> None:
        self._graphs = Graphs(folder)
        self.program = self._graphs.program
        states = json.loads((folder / DESCRIPTION).read_text("utf-8"))["states"]
        self._states: dict[str, NDArray[Any]] = {
            each["input"]: np.broadcast_to(np.array(each["initial"], each["type"]), (1, *each["shape"]))
            for each in states
        }

    def read(self, symbols: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Read several symbols by `sequence.onnx`, if there is one, and otherwise one by one by `step.onnx`."""
        if len(symbols) > 1 and "sequence" in self._graphs.sessions:
            return self._run("sequence", symbols[:, None])[:, 0]
        return np.concatenate([self._run("step", symbol) for symbol in symbols[:, None]])

    def _run(self, graph: str, symbols: NDArray[np.int64]) -> NDArray[Any]:
        logits, *states = self._graphs.run(graph, {"symbols": symbols, **self._states}).values()
        self._states = dict(zip(self._states, states, strict=True))
        return logits


class OnnxInt8(Onnx):
    """ONNX with matrices in 8-bit integers, about a quarter of the size. The export states what this costs.

    ONNX Runtime rounds the weights once, and the inputs of each product when it computes them.
    """

    exact = False

    def _write_files(self, folder: Path, graphs: Mapping[str, bytes], description: str, program: str) -> None:
        super()._write_files(folder, graphs, description, program)
        quantize = import_library("onnxruntime.quantization", EXTRA).quantize_dynamic
        with quiet():
            for path in folder.glob("*.onnx"):
                quantize(path, path)
