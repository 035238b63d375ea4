"""Predictions for labelled examples: the confusion matrix, the worst examples, and where the decoder looks."""

import math
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.dataset import LabelledDataset
from seqforge.data.padded_batches import evaluation_examples
from seqforge.errors import SeqforgeError
from seqforge.evaluation.examples import decode_targets, score_each_example
from seqforge.events import WorkProgressed
from seqforge.generation.predictions import RawPrediction, predict_examples
from seqforge.kinds import Classes, ExampleSpec, Loss, Text
from seqforge.kinds.example_values import decode_target, to_text
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.loaded_run import LoadedRun
from seqforge.tasks.labelled_examples import decoding_options

MOST_STEPS = 60_000
"""Maximum number of steps of the examples that are predicted."""

WORST, ATTENDED = 12, 6
"""Number of examples with the highest loss, and of examples with an alignment."""

LONGEST_TEXT, MOST_NUMBERS, MOST_CLASSES = 600, 4096, 64
"""Limits of what the page shows of an input, in characters and in numbers, and of a confusion matrix, in classes."""


def collect_examples(run: LoadedRun) -> dict[str, Any] | None:
    """Return the predictions for held-out examples of a labelled run.

    Returns:
        The number of examples, `confusion` (names and counts by target and prediction, or None), the `worst` examples
        with input, prediction, target and loss, and `alignments`. None if the corpus is not available.
    """
    try:
        dataset, model = run.labelled_dataset, run.model
    except SeqforgeError as error:
        run.notes.append(f"The examples are not available, so the report shows less: {error.message}.")
        return None
    split = "validation" if len(dataset.splits["validation"]) else "training"
    return _Predictions(run, dataset, model).collect(dataset.splits[split], split)


class _Predictions:
    """The predictions of a model for examples of a dataset."""

    def __init__(self, run: LoadedRun, dataset: LabelledDataset, model: SequenceModel) -> None:
        self._run = run
        self._dataset = dataset
        self._spec: ExampleSpec = dataset.file.spec
        self._model = model
        self._device = next(model.parameters()).device
        self._end = self._spec.output_size(dataset.vocabulary.size)
        self._loss: Loss = run.experiment.loss.build().to(self._device)
        self._decoding = decoding_options(run.experiment)

    @torch.inference_mode()
    def collect(self, examples: NDArray[np.int64], split: str) -> dict[str, Any]:
        """Predict examples of a split, and return what `collect_examples` describes."""
        training, model = self._run.experiment.training, self._model
        end = self._end if model.decoder is not None else None
        predictions: dict[int, RawPrediction] = {}
        limits = training.batch_size, training.batch_tokens, end, MOST_STEPS
        for indices, loaded in evaluation_examples(self._dataset.file, examples, *limits):
            batch = loaded.to(self._device)
            encoded = model.encode(batch.inputs, batch.lengths)
            found = predict_examples(model, self._spec, encoded, self._decoding)
            predictions |= dict(zip(indices.tolist(), found, strict=True))
            self._run.report(WorkProgressed("predicting examples", min(1.0, len(predictions) / len(examples))))
        predicted = sorted(predictions)
        totals, sizes = score_each_example(model, self._dataset, np.array(predicted), self._loss, self._run.report)
        losses = dict(zip(predicted, (totals / sizes).tolist(), strict=True))
        order = sorted(predicted, key=lambda index: losses[index], reverse=True)
        return {
            "split": split,
            "count": len(predictions),
            "confusion": self._confusion(predictions),
            "worst": [self._describe(index, predictions[index], losses[index]) for index in order[:WORST]],
            "alignments": self._alignments(predicted[:: -(-len(predictions) // ATTENDED)], predictions),
        }

    def _confusion(self, predictions: dict[int, RawPrediction]) -> dict[str, Any] | None:
        """Return the confusion matrix, or None unless the targets are a few classes.

        Of several right targets, the one nearest to the prediction counts.
        """
        target = self._spec.target
        if not isinstance(target, Classes) or self._spec.output_mode == "sequence" or len(target.names) > MOST_CLASSES:
            return None
        counts = np.zeros((len(target.names), len(target.names)), dtype=np.int64)
        for index, prediction in predictions.items():
            predicted = prediction.values
            targets = [np.atleast_1d(cast("NDArray[Any]", one)) for one in decode_targets(self._dataset, index)]
            nearest = max(targets, key=lambda one: int((one == predicted).sum()))
            np.add.at(counts, (nearest.astype(np.int64), predicted.astype(np.int64)), 1)
        return {"names": list(target.names), "counts": counts.tolist()}

    def _describe(self, index: int, prediction: RawPrediction, loss: float) -> dict[str, Any]:
        spec, vocabulary = self._spec, self._dataset.vocabulary
        targets = [to_text(spec, target) for target in decode_targets(self._dataset, index)]
        predicted = to_text(spec, decode_target(spec, vocabulary, prediction.values))
        return {
            "name": self._dataset.file.names[index],
            **self._input(index),
            "predicted": predicted[:LONGEST_TEXT],
            "right": predicted in targets,
            "target": " or ".join(targets)[:LONGEST_TEXT],
            "loss": round(loss, 4) if math.isfinite(loss) else None,  # that of a plugin may be infinite
            "confidence": None if prediction.confidence is None else round(prediction.confidence, 4),
        }

    def _input(self, index: int) -> dict[str, Any]:
        """Return the input as `text`, or as a `picture` with its number of columns and levels from 0 to 255."""
        values = self._dataset.file.inputs.read([index])[0]
        if isinstance(self._spec.input, Text):
            text = self._dataset.vocabulary.decode(values.tolist()).decode("utf-8", "replace")
            return {"text": text[:LONGEST_TEXT]}
        flat = values.astype(np.float64).ravel()[:MOST_NUMBERS]
        width = values.shape[1]
        if len(values) == 1 and (side := round(width**0.5)) ** 2 == width:
            width = side  # A vector may be a square image.
        low, high = float(flat.min()), float(flat.max())
        levels = (255 * (flat - low) / (high - low if high > low else 1.0)).round().astype(int)
        return {"picture": {"columns": width, "levels": levels.tolist()}}

    def _alignments(self, examples: list[int], predictions: dict[int, RawPrediction]) -> list[dict[str, Any]]:
        """Return the weights with which the predictions for some examples of text read the input."""
        decoder = self._model.decoder
        if decoder is None or decoder.attention is None or not isinstance(self._spec.input, Text):
            return []
        matrices: list[dict[str, Any]] = []
        kept: list[Tensor] = []
        for index in examples:
            tokens = self._dataset.file.inputs.read([index])[0].astype(np.int64)
            inputs = torch.as_tensor(tokens, device=self._device).unsqueeze(1)
            encoded = self._model.encode(inputs, torch.tensor([len(tokens)], device=self._device))
            predicted = predictions[index].values.astype(np.int64)
            symbols = torch.as_tensor(np.append(self._end, predicted), device=self._device).unsqueeze(1)
            handle = decoder.attention.register_forward_hook(lambda _, __, output: kept.append(output[1]))
            try:
                self._model.decode(symbols, self._model.decoder_context(encoded))
            finally:
                handle.remove()
            decode = self._dataset.vocabulary.decode
            matrices.append(
                {
                    "name": self._dataset.file.names[index],
                    "source": [decode([token]).decode("utf-8", "backslashreplace") for token in tokens.tolist()],
                    "output": [self._output_symbol(symbol) for symbol in [*predicted.tolist(), self._end]],
                    "weights": [
                        [round(value, 3) for value in row] for row in cast("list[list[float]]", kept.pop()[0].tolist())
                    ],
                }
            )
        return matrices

    def _output_symbol(self, symbol: int) -> str:
        if symbol == self._end:
            return "end"
        if isinstance(self._spec.target, Classes):
            return self._spec.target.names[symbol]
        return self._dataset.vocabulary.decode([symbol]).decode("utf-8", "replace")
