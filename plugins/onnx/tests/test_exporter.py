"""ONNX Runtime computes what the cells compute, for every cell, in one step and in a sequence."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from seqforge_essentials.cells.rnn import RNN
from seqforge_essentials.vocabularies import Characters
from seqforge_onnx.exporter import Onnx
from seqforge_onnx.graphs import model_graph
from stacks_of_cells import STACKS_OF_CELLS

import seqforge as sf
from seqforge import Experiment, Registry
from seqforge.errors import PluginError
from seqforge.evaluation.exported import trained_model
from seqforge.kinds import TrainedModel
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel

onnx = pytest.importorskip("onnx", reason="needs the libraries of the extra: pip install 'seqforge-onnx[onnxruntime]'")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TEXT = "the cat sat on the mat, and the rat sat on the cat\n"
REGISTRY = Registry.installed()
ROOT = Path(__file__).parents[3]


def build(cells: list[dict[str, Any]], seed: int = 0, **model: Any) -> tuple[SequenceModel, Experiment]:
    """Return a model with random parameters, large enough for every part of it to matter."""
    tables = {
        "corpus": {"use": "inline", "text": TEXT},
        "data": {"reset_state": "document"},
        "model": {"cells": cells, **model},
    }
    experiment = Experiment.from_dict(
        {**tables, "training": {"steps": 1, "precision": "float32"}}, Path.cwd(), REGISTRY
    )
    built = build_model(experiment, 5).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
        built.constrain_parameters()
    return built, experiment


def exported_from(model: SequenceModel) -> TrainedModel:
    vocabulary = Characters()
    vocabulary.learn([b"abcde"])
    return trained_model("small", model, vocabulary)


def require_equal(model: SequenceModel, folder: Path, seed: int = 0) -> None:
    """Check one step and a sequence of another length and batch than those of the trace, from random states."""
    exported = exported_from(model)
    Onnx().write(exported, folder)
    generator = torch.Generator().manual_seed(seed)
    symbols = torch.randint(5, (7, 3), generator=generator)
    with torch.no_grad():
        # States that occur, rather than any numbers: those after a few symbols.
        _, states = model(torch.randint(5, (4, 3), generator=generator), model.initial_states(3))
        expected, after = model(symbols, states)
    names = list(exported.state_tensors)
    inputs = {
        name: part.numpy() for name, part in zip(names, (part for state in states for part in state), strict=True)
    }
    found = run(folder / "sequence.onnx", {"symbols": symbols.numpy(), **inputs})
    compare(found, expected, after, names)
    stepped: list[Any] = []
    for row in symbols.numpy():
        logits, *values = run(folder / "step.onnx", {"symbols": row, **inputs})
        inputs = dict(zip(names, values, strict=True))
        stepped.append(logits)
    compare([np.stack(stepped), *values], expected, after, names)
    described = json.loads((folder / "model.json").read_text("utf-8"))["states"]
    for each, tensor in zip(described, exported.state_tensors.values(), strict=True):
        assert each["shape"] == list(tensor.shape[1:])
        assert np.allclose(np.broadcast_to(each["initial"], tensor.shape), tensor.numpy())


def run(path: Path, inputs: dict[str, Any]) -> list[Any]:
    return onnxruntime.InferenceSession(path).run(None, inputs)


def compare(found: list[Any], logits: torch.Tensor, states: Any, names: list[str]) -> None:
    found_logits, *found_parts = found
    parts = [part for state in states for part in state]
    for one, other, name in zip([*found_parts, found_logits], [*parts, logits], [*names, "logits"], strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("cells", STACKS_OF_CELLS.values(), ids=STACKS_OF_CELLS)
def test_every_cell_is_computed_by_its_name(cells: list[dict[str, Any]], tmp_path: Path) -> None:
    model, _ = build(cells, embedding_size=6, initial_state="learned")
    require_equal(model, tmp_path)


@pytest.mark.parametrize(("cell", "bias"), [("gla", "decay_bias"), ("mlstm", "gate_bias")])
def test_gates_that_are_almost_closed_are_computed(cell: str, bias: str, tmp_path: Path) -> None:
    model, _ = build([{"use": cell, "hidden_size": 4}], embedding_size=4)
    with torch.no_grad():
        getattr(model.cells[0], bias).sub_(60.0)
    require_equal(model, tmp_path)


@settings(max_examples=2, deadline=None, phases=(Phase.generate,))  # An example takes seconds.
@given(st.data())
def test_a_stack_with_any_input_norm_and_initial_state_is_computed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = st.sampled_from(["lstm", "gru", "rnn", "mgu"])  # Those that are traced in the least time.
    sizes = st.sampled_from([4, 8])
    cells = data.draw(st.lists(st.tuples(names, sizes), min_size=1, max_size=3))
    tables = [{"use": name, "hidden_size": size} for name, size in cells]
    for table in tables:
        if table["use"] == "rnn":
            table["nonlinearity"] = data.draw(st.sampled_from(["tanh", "relu"]))
        if table["use"] == "lstm":
            table["peepholes"] = data.draw(st.booleans())
    embedding = data.draw(st.sampled_from([None, cells[-1][1]]))
    options = {
        **({"embedding_size": embedding, "tied_weights": data.draw(st.booleans())} if embedding else {}),
        **({"final_norm": norm} if (norm := data.draw(st.sampled_from([None, "rms", "layer"]))) else {}),
        **({"initial_state": "learned"} if data.draw(st.booleans()) else {}),
    }
    seed = data.draw(st.integers(0, 1000))
    model, _ = build(tables, seed, **options)
    require_equal(model, tmp_path_factory.mktemp("onnx"), seed)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_layers_of_onnx_are_used_where_they_compute_the_same(cell: str, tmp_path: Path) -> None:
    model, _ = build([{"use": cell, "hidden_size": 4, "repeat": 2}])
    require_equal(model, tmp_path)
    operators = [node.op_type for node in onnx.load(tmp_path / "sequence.onnx").graph.node]
    assert operators.count(cell.upper()) == 2
    assert "Scan" not in operators


def test_the_scan_of_a_matrix_state_has_its_rule_only() -> None:
    model, _ = build([{"use": "gated-deltanet", "hidden_size": 4, "heads": 2}], embedding_size=4)
    graph = onnx.load_from_string(model_graph(exported_from(model), "time", "batch")).graph
    (scan,) = (node for node in graph.node if node.op_type == "Scan")
    operators = {node.op_type for attribute in scan.attribute for node in attribute.g.node}
    assert operators.isdisjoint({"Sigmoid", "Softplus", "Split", "Sqrt"})  # what the parts and the readout need
    assert operators & {"Einsum", "MatMul"}


def test_a_layer_of_onnx_is_used_inside_of_a_block_and_beside_other_cells(tmp_path: Path) -> None:
    block = {"use": "block", "cell": {"use": "lstm", "hidden_size": 4}, "convolution": 2}
    model, _ = build([block, {"use": "mgu", "hidden_size": 4}], embedding_size=4)
    require_equal(model, tmp_path)
    operators = [node.op_type for node in onnx.load(tmp_path / "sequence.onnx").graph.node]
    assert (operators.count("LSTM"), operators.count("Scan")) == (1, 1)
    assert str(ROOT).encode() not in (tmp_path / "sequence.onnx").read_bytes()


class Doubled(RNN):
    equations: ClassVar = "rnn-tanh"

    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        return 2 * super().project(inputs)


def test_a_cell_that_reads_its_input_otherwise_is_computed(tmp_path: Path) -> None:
    model, _ = build([{"use": "rnn", "hidden_size": 4}])
    model.cells[0].__class__ = Doubled
    require_equal(model, tmp_path)


def test_the_program_of_the_folder_generates_what_the_run_generates(tmp_path: Path) -> None:
    run = sf.Run.open(ROOT / "tests/training/runs/version-3")
    check = sf.export_format(run, tmp_path / "out", "onnx")
    assert check.fault is None
    program = (tmp_path / "out/generate.py").read_text("utf-8")
    assert program.count("/ 0.8)") == 1
    (tmp_path / "out/generate.py").write_text(program.replace("/ 0.8)", "/ 1e-3)"), "utf-8")
    command = [sys.executable, tmp_path / "out/generate.py", "the "]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (expected,) = run.sample(
        "the ", length=500, samplers=[sf.use("temperature", temperature=1e-3)], precision="float32"
    )
    assert written == expected + "\n"
    unknown = subprocess.run([*command[:2], "the é"], capture_output=True, text=True, check=False)
    assert unknown.returncode == 1
    assert unknown.stderr == "the model does not have these symbols of the prompt: 'é'\n"
    empty = subprocess.run([*command[:2], ""], capture_output=True, text=True, check=False)
    assert (empty.returncode, empty.stderr) == (1, "the prompt is empty\n")


def test_smaller_weights_cost_little_and_the_loss_is_stated(tmp_path: Path) -> None:
    check = sf.export_format("linux-small", tmp_path / "int8", "onnx-int8")
    exported, own = map(float, re.findall(r"\d\.\d{4}", check.line()))
    assert 0 < abs(exported - own) < 0.1
    weights = sum(parameter.numel() for parameter in sf.Run.open("linux-small").model().parameters())
    for name in ("step.onnx", "sequence.onnx"):
        assert (tmp_path / "int8" / name).stat().st_size < 0.35 * 4 * weights  # bytes of a weight in float32


@pytest.mark.parametrize("library", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_library_is_named_with_what_installs_it(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(PluginError, match=r"pip install 'seqforge-onnx\[onnxruntime\]'"):
        sf.export_format(sf.Run.open(ROOT / "tests/training/runs/version-3"), tmp_path / "out", "onnx")
    assert list(tmp_path.iterdir()) == []
