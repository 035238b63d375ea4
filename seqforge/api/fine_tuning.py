"""Fine-tuning: initial weights from another run, with the vocabulary mapped symbol by symbol."""

import torch
from torch import Tensor

from seqforge.errors import RunError
from seqforge.kinds import Vocabulary
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.loaded_run import LoadedRun
from seqforge.tasks.task import TrainingTask


def load_initial_weights(model: SequenceModel, task: TrainingTask, initial: LoadedRun) -> str:
    """Replace the weights of a new model with those of a trained model.

    Weights of symbols that are in both vocabularies are copied. Those of a new symbol are the mean over the trained
    symbols plus their initial values (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models").
    Without the mean, the logit of a new symbol would be near 0. Those of trained symbols are usually far below 0, so
    the new symbols would have most of the probability.

    Returns:
        A line with the checkpoint and the numbers of symbols that were kept, are new, and were dropped.

    Raises:
        RunError: If the cells or the sizes of the two models differ.
    """
    experiment, source = task.experiment, Checkpoints(initial.directory.checkpoints).find(initial.checkpoint)

    def mismatch(reason: str) -> RunError:
        return RunError(
            f"{source}: the weights do not fit the experiment: {reason}",
            hint=f"Fine-tuning needs the cells and sizes of [model] in {initial.directory.experiment}.",
        )

    trained = initial.model.state_dict()
    new = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    for name in sorted(trained.keys() ^ new.keys()):
        owner = source if name in trained else "the experiment"
        raise mismatch(f"only {owner} has a weight {name}")
    old_symbols, new_symbols = _symbols(initial.vocabulary), _symbols(task.vocabulary)
    places = {symbol: index for index, symbol in enumerate(old_symbols)}
    kept = [(places[symbol], index) for index, symbol in enumerate(new_symbols) if symbol in places]
    same = old_symbols == new_symbols
    grown = {} if same else build_model(experiment, len(new_symbols) + 1, experiment.example_spec).state_dict()
    for name, target in new.items():
        # The dimension of the symbols is the one that grows by one if the vocabulary has one more symbol.
        sizes = target.shape if same else grown[name].shape
        dimensions = [axis for axis, size in enumerate(sizes) if size != target.shape[axis]]
        if any(sizes[axis] - target.shape[axis] != 1 for axis in dimensions) or len(dimensions) > 1:
            raise mismatch(f"the vocabularies differ, and no dimension of {name} counts symbols")
        expected = list(target.shape)
        for axis in dimensions:
            expected[axis] += len(old_symbols) - len(new_symbols)
        if list(trained[name].shape) != expected:
            shape = list(trained[name].shape)
            raise mismatch(f"{name} has the shape {shape}, and the experiment needs {expected}")
        new[name] = _map_symbols(trained[name], target, dimensions, kept, (len(old_symbols), len(new_symbols)))
    model.load_state_dict(new)
    model.constrain_parameters()  # The options of its cells may set other bounds than those of the trained model.
    added, dropped = len(new_symbols) - len(kept), len(old_symbols) - len(kept)
    return f"{source}: {len(kept)} symbols kept, {added} new, {dropped} dropped"


def _symbols(vocabulary: Vocabulary) -> list[bytes]:
    return [vocabulary.decode([token]) for token in range(vocabulary.size)]


def _map_symbols(
    trained: Tensor, new: Tensor, dimensions: list[int], kept: list[tuple[int, int]], sizes: tuple[int, int]
) -> Tensor:
    """Copy a weight, symbol by symbol along the dimension of the symbols, with the mean for new ones."""
    if not dimensions:
        return trained
    (axis,) = dimensions
    mean = trained.narrow(axis, 0, sizes[0]).mean(axis, keepdim=True)
    # The entries after those of the symbols do not depend on the vocabulary: the end symbol, and encoder features.
    others = [(sizes[0] + index, sizes[1] + index) for index in range(new.shape[axis] - sizes[1])]
    pairs = torch.tensor(kept + others, dtype=torch.long).reshape(-1, 2)
    return (new + mean).index_copy(axis, pairs[:, 1], trained.index_select(axis, pairs[:, 0]))
