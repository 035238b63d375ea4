"""The conformance suite of exporters, for subclasses in the tests of a plugin."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from unittest import SkipTest

import torch

from seqforge.api import texts
from seqforge.errors import PluginError
from seqforge.evaluation.exported import check_exported, trained_model
from seqforge.experiment.experiment import Experiment
from seqforge.kinds import Exporter, Vocabulary
from seqforge.model import SequenceModel, build_model
from seqforge.registry import PluginState, Registry
from seqforge.testing.conformance import Factory, Suite, fail

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks


class ExporterSuite(Suite, kind="exporter"):
    """Tests that every exporter must pass. List yours in a subclass whose name begins with `Test`.

    ```python
    class TestPrograms(ExporterSuite):
        exporters: ClassVar = {"plain": Programs}
    ```

    If the library or the program of the format is not installed, that is, if an exporter raises a `PluginError` because
    of an `ImportError`, the tests are skipped.

    Attributes:
        exporters: Functions that return an exporter, by name.
    """

    exporters: ClassVar[Mapping[str, Factory[Exporter]]]

    def test_the_program_computes_what_the_model_computes(self, make: Factory[Exporter]) -> None:
        """A sample has the same likelihood, and the most probable text is the same, with every part of a model."""
        for model in (_model({"cells": [{"use": "lstm", "hidden_size": 8}]}), _large_model()):
            with _exported(make, model) as folder:
                exporter = make()
                fault = check_exported(model, _bytes(), exporter, folder).fault()
                if exporter.exact and fault is not None:
                    fail(make, fault)

    def test_the_model_stays_as_it_is(self, make: Factory[Exporter]) -> None:
        """`write` changes neither the parameters of the model nor how it computes."""
        model = _large_model()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with _exported(make, model):
            for name, tensor in model.state_dict().items():
                if not torch.equal(tensor, before[name]):
                    fail(make, f"`write` changes the parameter `{name}`")
            if model.training:
                fail(make, "`write` puts the model into the mode of training")

    def test_the_files_depend_on_the_model_only(self, make: Factory[Exporter]) -> None:
        """The same model gives the same files, which contain no path of this machine."""
        contents: list[dict[Path, bytes]] = []
        for _ in range(2):
            with _exported(make, _large_model()) as folder:
                files = {path for path in folder.rglob("*") if path.is_file()}
                contents.append({path.relative_to(folder): path.read_bytes() for path in files})
                for name, content in contents[-1].items():
                    if str(folder).encode() in content or str(Path(__file__).parent).encode() in content:
                        fail(make, f"the file {name} contains a path of this machine")
        differing = [name for name, content in contents[0].items() if contents[1].get(name) != content]
        if differing or not contents[0]:
            problem = f"the file {differing[0]} differs when the same model is exported again" if differing else ""
            fail(make, problem or "`write` writes no file")


@contextmanager
def _exported(make: Factory[Exporter], model: SequenceModel) -> Generator[Path]:
    """Export a model to a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            make().write(trained_model("small", model, _bytes()), Path(folder))
            yield Path(folder)
        except PluginError as error:
            if isinstance(error.__cause__, ImportError):
                raise SkipTest(error.message) from error
            raise


def _large_model() -> SequenceModel:
    """Return a model with two layers, dropout, learned initial states, a norm, and tied weights."""
    cells = [{"use": "gru", "hidden_size": 8}, {"use": "lstm", "hidden_size": 6}]
    parts = {"embedding_size": 6, "tied_weights": True, "final_norm": "rms", "dropout": 0.5, "initial_state": "learned"}
    return _model({"cells": cells, **parts})


def _model(table: Mapping[str, object]) -> SequenceModel:
    """Return a model in which no part could be left out unnoticed, and which is not chaotic."""
    registry = Registry.installed()
    if not any(plugin.name == "essentials" and plugin.state is PluginState.OK for plugin in registry.plugins):
        raise SkipTest("a model needs the cells and the vocabulary of the plugin essentials")
    experiment = Experiment(
        corpus=texts(["text"]),
        data={"reset_state": "document"},
        model=table,
        training={"precision": "float32"},
        registry=registry,
    )
    model = build_model(experiment, _bytes().size).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def _bytes() -> Vocabulary:
    registry = Registry.installed()
    return registry.load(registry.find("vocabulary", "essentials/bytes"))()
