"""The conformance suite of exporters, for subclasses in the tests of a plugin."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast
from unittest import SkipTest

import torch
from torch import nn

from seqforge.data.padded_batches import PaddedBatch
from seqforge.errors import PluginError
from seqforge.evaluation.exported import check_exported, check_predictor, trained_model, trained_predictor
from seqforge.experiment.model import Regularization
from seqforge.kinds import Classes, ExampleSpec, Exporter, PredictorExporter, Text, TrainedPredictor
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput
from seqforge.model.sequence_model import Decoder, SequenceModel
from seqforge.model.stack import RecurrentStack
from seqforge.registry.registry import Registry
from seqforge.testing.conformance import Factory, Suite, fail, require_equal

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks


class ExporterSuite(Suite, kind="exporter"):
    """Tests that every exporter must pass, listed as those of `CellSuite`.

    If the library or the program of the format is not installed, that is, if an exporter raises a `PluginError` because
    of an `ImportError`, the tests are skipped.

    Attributes:
        exporters: Functions that return an exporter, by name.
    """

    exporters: ClassVar[Mapping[str, Factory[Exporter]]]

    def test_the_program_computes_what_the_model_computes(self, make: Factory[Exporter]) -> None:
        """A sample has the same likelihood, and the most probable text is the same, with every part of a model."""
        for model in (_small_model(), _large_model()):
            with _exported(make, model) as (exporter, folder):
                fault = check_exported(model, _essential("vocabulary", "bytes")(), exporter, folder).fault
                if exporter.exact and fault is not None:
                    fail(make, fault)
                symbols = torch.arange(64)
                with torch.inference_mode():
                    own = model(symbols[:, None], model.initial_states(1))[0][:, 0]
                other = torch.tensor(exporter.open(folder).read(symbols.numpy()), dtype=own.dtype)
                if not torch.corrcoef(torch.stack([own.flatten(), other.flatten()]))[0, 1] > 0.9:
                    fail(make, "the logits of the program have nothing in common with those of the model")

    def test_the_program_predicts_what_the_model_predicts(self, make: Factory[Exporter]) -> None:
        """A `PredictorExporter` has the same classes of texts, and the same texts for texts, of any length."""
        if not isinstance(make(), PredictorExporter):
            return
        lengths = torch.tensor([3, 1, 7, 5])
        texts = torch.randint(256, (7, 4), generator=torch.Generator().manual_seed(0))
        batch = PaddedBatch(texts, lengths, torch.zeros_like(lengths))
        for model, target in ((_classifier(), Classes(("a", "b", "c"))), (_translator(), Text())):
            spec = ExampleSpec(Text(), "sequence", target, "once" if model.decoder is None else "sequence")
            trained = trained_predictor("small", model, _essential("vocabulary", "bytes")(), spec)
            with _exported(make, trained) as (exporter, folder):
                assert isinstance(exporter, PredictorExporter)
                fault = check_predictor(trained, [batch], exporter, folder, length=5).fault
                if exporter.exact and fault is not None:
                    fail(make, fault)

    def test_an_export_depends_on_the_model_only(self, make: Factory[Exporter]) -> None:
        """The same model gives the same files, without a path of this machine, and is not changed."""
        model = _large_model()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        contents: list[dict[Path, bytes]] = []
        for _ in range(2):
            with _exported(make, model) as (_, folder):
                files = {path for path in folder.rglob("*") if path.is_file()}
                contents.append({path.relative_to(folder): path.read_bytes() for path in files})
            for name, content in contents[-1].items():
                if contents[0].get(name) != content:
                    fail(make, f"the file {name} differs when the same model is exported again")
                if str(folder).encode() in content or str(Path(__file__).parent).encode() in content:
                    fail(make, f"the file {name} contains a path of this machine")
        require_equal(make, "`write` changes the parameter `{part}`", model.state_dict(), before, tolerance=0.0)


@contextmanager
def _exported(make: Factory[Exporter], model: SequenceModel | TrainedPredictor) -> Generator[tuple[Exporter, Path]]:
    """Export a model to a temporary folder, and yield the exporter and the folder."""
    with tempfile.TemporaryDirectory() as folder:
        exporter = make()
        try:
            if isinstance(model, SequenceModel):
                exporter.write(trained_model("small", model, _essential("vocabulary", "bytes")()), Path(folder))
            else:
                cast("PredictorExporter", exporter).write_predictor(model, Path(folder))
            yield exporter, Path(folder)
        except PluginError as error:
            if isinstance(error.__cause__, ImportError):
                raise SkipTest(error.message) from error
            raise


def _essential(kind: str, name: str) -> type[Any]:
    registry = Registry.installed()
    try:
        return registry.load(registry.find(kind, f"essentials/{name}"))
    except PluginError as error:
        raise SkipTest("a model needs the cells and the vocabulary of the plugin essentials") from error


def _small_model() -> SequenceModel:
    """Return a model with one layer, which reads symbols."""
    return _drawn(SequenceModel(SymbolInput(), RecurrentStack([_essential("cell", "lstm")(256, 8)]), 256))


def _large_model() -> SequenceModel:
    """Return a model with two layers, dropout, learned initial states, a norm, and tied weights."""
    stack = RecurrentStack(
        [_essential("cell", "gru")(6, 8), _essential("cell", "lstm")(8, 6)], Regularization(dropout=0.5)
    )
    stack.learn_initial_states()
    model = SequenceModel(EmbeddingInput(256, 6), stack, 256, norm=nn.RMSNorm(6, eps=1e-5))
    model.tie_weights()
    return _drawn(model)


def _classifier() -> SequenceModel:
    """Return a model of three classes of texts, which reads in both directions."""
    forward, backward = ([_essential("cell", "gru")(256, 6)] for _ in range(2))
    return _drawn(SequenceModel(SymbolInput(), RecurrentStack(forward, backward_cells=backward), 3))


def _translator() -> SequenceModel:
    """Return a model of texts for texts, with attention. The last of its symbols ends a text."""
    attention = _essential("attention", "additive")(query_size=8, memory_size=6)
    decoder = Decoder(OneHotInput(257), RecurrentStack([_essential("cell", "lstm")(257 + 6, 8)]), 6, attention)
    stack = RecurrentStack([_essential("cell", "gru")(256, 6)])
    return _drawn(SequenceModel(SymbolInput(), stack, 257, decoder=decoder))


def _drawn(model: SequenceModel) -> SequenceModel:
    """Return a model in which no part could be left out unnoticed, and which is not chaotic."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()
