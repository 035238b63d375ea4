"""The program in C computes what the cells compute, and generates the same most probable text."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_c_program.exporter import CProgram, CProgramInt8
from seqforge_essentials.cells.rnn import RNN
from seqforge_essentials.vocabularies import Characters

import seqforge as sf
from seqforge import Experiment, Registry
from seqforge.errors import PluginError
from seqforge.evaluation.exported import trained_model
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")

REGISTRY = Registry.installed()
RUN = Path(__file__).parents[3] / "tests/training/runs/version-3"
SYMBOLS = "abé你\n"


def export(
    folder: Path,
    cells: list[dict[str, Any]],
    seed: int = 0,
    exporter: type[CProgram] = CProgram,
    **model: Any,
) -> SequenceModel:
    tables = {
        "corpus": {"use": "inline", "text": SYMBOLS},
        "data": {"reset_state": "document"},
        "model": {"cells": cells, **model},
        "training": {"steps": 1, "precision": "float32"},
    }
    built = build_model(Experiment.from_dict(tables, folder, REGISTRY), len(SYMBOLS)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    vocabulary = Characters()
    vocabulary.learn([SYMBOLS.encode()])
    exporter().write(trained_model("small", built, vocabulary), folder)
    return built


@pytest.mark.parametrize(("exporter", "length", "tolerance"), [(CProgram, 20, 1e-4), (CProgramInt8, 4, 0.1)])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_stack_with_any_input_norm_and_initial_state_is_computed(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    exporter: type[CProgram],
    length: int,
    tolerance: float,
) -> None:
    cell = st.fixed_dictionaries(
        {"use": st.sampled_from(["lstm", "gru", "rnn"]), "hidden_size": st.sampled_from([1, 2, 9, 33])},
    )
    cells = data.draw(st.lists(cell, min_size=1, max_size=3))
    for table in cells:
        if table["use"] == "rnn":
            table["nonlinearity"] = data.draw(st.sampled_from(["tanh", "relu"]))
    embedding = data.draw(st.sampled_from([None, cells[-1]["hidden_size"]]))
    # The layer norm of two units only says which one is larger, which the rounding to 8 bits may change.
    norms = [None, "rms"] if cells[-1]["hidden_size"] == 2 else [None, "rms", "layer"]
    options = {
        **({"embedding_size": embedding, "tied_weights": data.draw(st.booleans())} if embedding else {}),
        **({"final_norm": norm} if (norm := data.draw(st.sampled_from(norms))) else {}),
        **({"initial_state": "learned"} if data.draw(st.booleans()) else {}),
    }
    folder = tmp_path_factory.mktemp("program")
    model = export(folder, cells, data.draw(st.integers(0, 1000)), exporter, **options)
    symbols = torch.tensor(data.draw(st.lists(st.integers(0, len(SYMBOLS) - 1), min_size=2, max_size=length)))
    with torch.no_grad():
        expected, _ = model(symbols[:, None], model.initial_states(1))
    program = exporter().open(folder)
    # The program keeps the state between calls.
    found = np.concatenate([program.read(symbols[:1].numpy()), program.read(symbols[1:].numpy())])
    np.testing.assert_allclose(found, expected[:, 0].numpy(), rtol=0, atol=tolerance * expected.abs().max().item())


def round_rows(numbers: torch.Tensor) -> torch.Tensor:
    """Return numbers, each as an integer from -127 to 127 times the scale of its row."""
    scales = numbers.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 127
    return (numbers / scales).round() * scales


def test_matrices_and_inputs_of_products_are_rounded_by_row(tmp_path: Path) -> None:
    model = export(tmp_path, [{"use": "lstm", "hidden_size": 33}], exporter=CProgramInt8)
    symbols = torch.arange(20) % len(SYMBOLS)
    (cell,), h, c = model.stack.layers, torch.zeros(33), torch.zeros(33)
    expected = list[torch.Tensor]()
    with torch.no_grad():
        for symbol in symbols:
            recurrent = round_rows(cell.recurrent_weight) @ round_rows(h)
            i, f, g, o = (round_rows(cell.input_weight)[:, symbol] + cell.bias + recurrent).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            expected.append(round_rows(model.head.weight) @ round_rows(h) + model.head.bias)
    found = CProgramInt8().open(tmp_path).read(symbols.numpy())
    np.testing.assert_allclose(found, torch.stack(expected).numpy(), atol=1e-4)


def run(folder: Path, *arguments: str) -> str:
    command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O3", "-march=native", "model.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    result = subprocess.run([folder / "a.out", *arguments], cwd=folder, capture_output=True, check=False)
    return (result.stdout if result.returncode == 0 else result.stderr).decode("utf-8", "replace")


def test_the_program_writes_the_most_probable_text_of_the_run(tmp_path: Path) -> None:
    opened = sf.Run.open(RUN)
    assert sf.export_format(opened, tmp_path / "out", "c").fault is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.bin", "model.c"]
    (expected,) = opened.sample("the ", length=200, samplers=["greedy"], precision="float32")
    assert run(tmp_path / "out", "the ", "200", "0") == expected + "\n"
    drawn = [run(tmp_path / "out", "the ", "200", "1", seed) for seed in ("1", "1", "2")]
    assert drawn[0] == drawn[1] != drawn[2]


def test_smaller_weights_cost_little_and_the_loss_is_stated(tmp_path: Path) -> None:
    check = sf.export_format("linux-small", tmp_path / "int8", "c-int8")
    exported, own = map(float, re.findall(r"\d\.\d{4}", check.line()))
    assert 0 < abs(exported - own) < 0.01
    sf.export_format("linux-small", tmp_path / "float32", "c")
    sizes = [(tmp_path / folder / "model.bin").stat().st_size for folder in ("int8", "float32")]
    assert sizes[0] < 0.4 * sizes[1]
    assert run(tmp_path / "int8", "the ", "20", "0").startswith("the ")


def test_mistakes_are_explained_by_the_program(tmp_path: Path) -> None:
    export(tmp_path, [{"use": "lstm", "hidden_size": 3}])
    assert run(tmp_path, "a?") == "error: the prompt contains a symbol that is not in the vocabulary of the model\n"
    assert run(tmp_path, "é你", "0") == "é你\n"
    weights = (tmp_path / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(weights[:-1])
    assert run(tmp_path, "a") == "error: model.bin ends early; copy it again\n"
    (tmp_path / "model.bin").unlink()
    assert "there is no file model.bin in the current folder" in run(tmp_path, "a")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"use": "mgu"}, "the cell MGU is no LSTM, GRU or RNN without variants"),
        ({"use": "lstm", "peepholes": True}, "the cell LSTM is no LSTM, GRU or RNN without variants"),
    ],
)
def test_another_cell_is_refused(table: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=message):
        export(tmp_path, [table])


class Doubled(RNN):
    equations: ClassVar = "rnn-tanh"

    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        return 2 * super().project(inputs)


def test_a_cell_that_reads_its_input_otherwise_is_refused(tmp_path: Path) -> None:
    built = export(tmp_path, [{"use": "rnn"}])
    built.cells[0].__class__ = Doubled
    with pytest.raises(PluginError, match="the cell Doubled is no LSTM, GRU or RNN without variants"):
        CProgram().write(trained_model("small", built, sf.Run.open(RUN).vocabulary()), tmp_path)


def test_symbols_that_begin_with_others_are_refused(tmp_path: Path) -> None:
    export(tmp_path, [{"use": "rnn"}])
    built = sf.Run.open(RUN)
    model = trained_model("small", built.model(device="cpu"), built.vocabulary())
    model.symbols = [*model.symbols[1:], model.symbols[1] + b"x"]
    with pytest.raises(PluginError, match="no symbol begins with another one"):
        CProgram().write(model, tmp_path)
