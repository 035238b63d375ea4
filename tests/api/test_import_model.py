"""An imported model computes what the original computes, and a file that is none is explained."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import tomli_w
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from typer.testing import CliRunner

import seqforge as sf
from seqforge.cli.app import build_app
from seqforge.errors import ExperimentError, RunError, SeqforgeError
from seqforge.runs.history import read_state

SYMBOLS = "dab\ncé"


class Original(nn.Module):
    """A language model as PyTorch's examples write it."""

    def __init__(self, kind: str, symbols: int, size: int | None, hidden: int, layers: int, bias: bool = True) -> None:
        super().__init__()
        self.encoder = nn.Embedding(symbols, size) if size else None
        self.rnn = getattr(nn, kind)(size or symbols, hidden, layers, bias=bias)
        self.decoder = nn.Linear(hidden, symbols)

    def forward(self, symbols: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(symbols, self.decoder.out_features).float()
        return self.decoder(self.rnn(self.encoder(symbols) if self.encoder else one_hot)[0])


def describe(folder: Path, tensors: Mapping[str, Tensor], **keys: Any) -> Path:
    safetensors.torch.save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "lm.safetensors"
    )
    table = {"weights": "lm.safetensors", "characters": SYMBOLS, **keys}
    (folder / "lm.toml").write_text(tomli_w.dumps({key: value for key, value in table.items() if value is not None}))
    return folder / "lm.toml"


def require_equal(run: sf.Run, original: Callable[[Tensor], Tensor], symbols: str) -> None:
    text = symbols * 3
    tokens = torch.from_numpy(run.vocabulary().encode(text).astype("int64"))
    model = run.model(device="cpu")
    places = [symbols.index(character) for character in text]
    order = [symbols.index(character) for character in sorted(symbols)]
    with torch.no_grad():
        found, _ = model(tokens[:, None], model.initial_states(1))
        expected = original(torch.tensor(places)[:, None])[..., order]
    torch.testing.assert_close(found, expected)


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(["LSTM", "GRU", "RNN"]),
    size=st.sampled_from([None, 3, 5]),
    hidden=st.integers(1, 9),
    layers=st.integers(1, 3),
    bias=st.booleans(),
)
def test_a_model_of_pytorch_computes_the_same(
    tmp_path_factory: pytest.TempPathFactory, kind: str, size: int | None, hidden: int, layers: int, bias: bool
) -> None:
    folder = tmp_path_factory.mktemp("lm")
    original = Original(kind, len(SYMBOLS), size, hidden, layers, bias)
    run = sf.import_model(describe(folder, original.state_dict()), folder / "out")
    require_equal(run, original, SYMBOLS)


def test_an_imported_model_is_sampled_exported_and_trained_further(tmp_path: Path) -> None:
    original = Original("LSTM", 256, 8, 6, 1)
    run = sf.import_model(describe(tmp_path, original.state_dict(), characters=None), tmp_path / "out")
    assert len(run.sample(length=5)[0]) > 0
    assert read_state(run.path) == ("finished", "imported")
    assert sf.export(run, tmp_path / "exported").sample(length=5)
    tables = {
        "corpus": {"use": "inline", "text": "some text to train on, " * 9},
        "vocabulary": {"use": "bytes"},
        "model": run.experiment.table["model"],
        "training": {"steps": 1, "batch_size": 2, "sequence_length": 8},
    }
    sf.train(sf.Experiment.from_dict(tables), tmp_path / "runs", initial=run, progress=False)


def test_the_weights_may_be_a_link(tmp_path: Path) -> None:
    original = Original("RNN", len(SYMBOLS), 4, 5, 1)
    description, weights = describe(tmp_path, original.state_dict()), tmp_path / "lm.safetensors"
    weights.symlink_to(weights.rename(tmp_path / "blob"))
    require_equal(sf.import_model(description, tmp_path / "out"), original, SYMBOLS)


def test_relu_is_named_by_the_description(tmp_path: Path) -> None:
    original = Original("RNN", len(SYMBOLS), 4, 5, 1)
    original.rnn = nn.RNN(4, 5, nonlinearity="relu")
    require_equal(
        sf.import_model(describe(tmp_path, original.state_dict(), nonlinearity="relu"), tmp_path / "out"),
        original,
        SYMBOLS,
    )


@pytest.mark.parametrize(
    ("keys", "change", "error", "message"),
    [
        ({"charaters": "abc"}, {}, ExperimentError, "lm.toml: charaters: .*Did you mean 'characters'"),
        ({"characters": "abc"}, {}, RunError, "3 different characters for 6 symbols"),
        ({"characters": "aaabcd"}, {}, RunError, "4 different characters for 6 symbols"),
        ({"weights": "other.safetensors"}, {}, RunError, "other.safetensors"),
        ({}, {"rnn.weight_hh_l1": None}, RunError, "there is no 'rnn.weight_hh_l1'; it contains decoder.bias, "),
        (
            {},
            {"rnn.weight_hh_l1": torch.ones(20, 4)},
            RunError,
            r"size mismatch for stack.cells.1.input_weight",
        ),
        (
            {},
            {"decoder.bias": None},
            RunError,
            "lm.safetensors: .*it contains decoder.weight, encoder.weight, rnn.bias",
        ),
        ({}, {"fc.weight": torch.ones(5, 5), "fc.bias": torch.ones(5)}, RunError, "fc.bias"),
        ({}, {"other.weight_ih_l0": torch.ones(20, 4)}, RunError, "2 recurrent modules"),
    ],
)
def test_mistakes_are_explained(
    keys: dict[str, Any], change: dict[str, Tensor | None], error: type[SeqforgeError], message: str, tmp_path: Path
) -> None:
    tensors = {**Original("LSTM", len(SYMBOLS), 4, 5, 2).state_dict(), **change}
    description = describe(tmp_path, {name: tensor for name, tensor in tensors.items() if tensor is not None}, **keys)
    with pytest.raises(error, match=message):
        sf.import_model(description, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_contains_no_weights_is_an_error(tmp_path: Path) -> None:
    describe(tmp_path, {})
    (tmp_path / "lm.safetensors").write_bytes(b"\xff" * 99)
    with pytest.raises(RunError, match=r"lm\.safetensors: "):
        sf.import_model(tmp_path / "lm.toml", tmp_path / "out")


SHAPES = st.lists(st.integers(0, 6), min_size=0, max_size=3)


@settings(deadline=None, max_examples=100)
@given(shapes=st.dictionaries(st.sampled_from([*Original("LSTM", 6, 4, 5, 2).state_dict(), "other"]), SHAPES))
def test_tensors_of_any_shapes_are_imported_or_explained(
    tmp_path_factory: pytest.TempPathFactory, shapes: dict[str, list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("lm")
    tensors = Original("LSTM", 6, 4, 5, 2).state_dict() | {name: torch.ones(shape) for name, shape in shapes.items()}
    message = "lm."
    try:
        sf.import_model(describe(folder, tensors), folder / "out").sample(length=3)
    except SeqforgeError as error:
        message = error.message
    assert "lm." in message


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "No such file or directory"),
        ({"config.json": '{"model_type": "gpt2"}'}, "there is no 'seqforge'; it contains a"),
        ({"config.json": '{"seqforge": []}'}, "there is no 'state'"),
        ({"config.json": '{"seqforge": {"state": 3}}'}, "'int' object is not iterable"),
        ({"config.json": "{"}, "Expecting property name"),
    ],
)
def test_a_folder_that_is_no_export_is_explained(files: dict[str, str], message: str, tmp_path: Path) -> None:
    if files:
        safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / "model.safetensors")
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match=message) as caught:
        sf.import_model(tmp_path, tmp_path / "out")
    assert not files or "a folder of the format transformers" in str(caught.value)


def test_the_command_imports_a_model(tmp_path: Path) -> None:
    description = describe(tmp_path, Original("GRU", len(SYMBOLS), 4, 5, 1).state_dict())
    result = CliRunner().invoke(build_app(sf.Registry.installed()), ["import", str(description), str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "To generate text: seqforge sample" in result.output
    assert sf.Run.open(tmp_path / "out").sample(length=5)
