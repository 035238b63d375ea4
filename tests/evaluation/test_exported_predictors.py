"""The comparison of an exported predictor with that of its run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from made_experiments import CASES
from numpy.typing import NDArray
from seqforge_onnx.exporter import Onnx

from seqforge.data.padded_batches import PaddedBatch
from seqforge.evaluation.exported import check_predictor, trained_predictor
from seqforge.kinds import ExportedPredictor, TrainedPredictor
from seqforge.model.build import build_model


class Shifted(ExportedPredictor):
    """The predictor of the run, whose logits are turned around in the rows of empty or of all examples."""

    program = "a program"

    def __init__(self, model: TrainedPredictor, rows: str) -> None:
        self._model, self._rows = model, rows

    def run(self, part: Literal["encoder", "decoder"], tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the tensors of a part."""
        given = {name: torch.from_numpy(array) for name, array in tensors.items()}
        if part == "encoder":
            self._turned = given["lengths"] == 0 if self._rows == "empty" else given["lengths"] >= 0
            found = self._model.encoder(given["inputs"], given["lengths"])
        else:
            assert self._model.decoder is not None
            found = self._model.decoder(given.pop("symbols"), given)
            found["logits"][self._turned] *= -1
        return {name: tensor.numpy() for name, tensor in found.items()}


@pytest.mark.parametrize(("rows", "is_wrong"), [("empty", False), ("all", True)])
def test_predictions_for_rows_without_an_example_are_not_compared(
    labelled_experiment: Any, rows: str, is_wrong: bool
) -> None:
    experiment = labelled_experiment(**CASES["many-to-many"])
    vocabulary = experiment.vocabulary.build()
    vocabulary.learn([b"abc"])
    spec = experiment.corpus.component.example_spec(experiment.corpus.options)
    model = trained_predictor("small", build_model(experiment, vocabulary.size, spec).eval(), vocabulary, spec)
    batch = PaddedBatch(torch.zeros(3, 4, dtype=torch.int64), torch.tensor([3, 0, 2, 0]), torch.zeros(4).long())

    class Program(Onnx):
        def open_predictor(self, folder: Path) -> Shifted:
            return Shifted(model, rows)

    check = check_predictor(model, [batch], Program(), Path(), 3)
    assert (check.fault is not None) == is_wrong, check.fault
