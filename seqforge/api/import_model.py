"""The import of a language model from PyTorch, Keras or an exported folder, as a model that seqforge reads."""

import io
import json
import re
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from seqforge.api.run import Run
from seqforge.data.encoding import write_vocabulary
from seqforge.errors import MAXIMUM_NAMES, RunError, import_library
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.problems import explain
from seqforge.experiment.tables import read_table
from seqforge.model.build import build_model
from seqforge.registry.problems import from_validation
from seqforge.runs.backends import record_backends
from seqforge.runs.checkpoint_files import write_weights
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import record_end
from seqforge.storage.files import read_bounded, reported_failures
from seqforge.storage.paths import as_path


class _Description(BaseModel):
    """A file that describes weights: their file, and the symbols in the order of their numbers (default: bytes)."""

    model_config = ConfigDict(extra="forbid")

    weights: str
    characters: str | None = None
    nonlinearity: Literal["tanh", "relu"] = "tanh"


def import_model(source: str | Path, folder: str | Path) -> Run:
    """Write a language model of PyTorch or Keras as a model that seqforge can sample, score and train further.

    Args:
        source: Description of the weights in TOML, as the page about trained models shows; or a folder that seqforge
            exported for the library transformers. Nothing in it is executed.
        folder: Folder that is created.

    Raises:
        ExperimentError: If the description is wrong.
        RunError: If a file cannot be read, or its tensors are not those of a language model.
        PluginError: If the library that reads the file is not installed.
    """
    path, target = as_path(source, "source"), as_path(folder, "folder")
    described = None if path.is_dir() else _read_description(path)
    file, tensors = path.parent / described.weights if described else path / "model.safetensors", dict[str, Tensor]()
    try:
        with reported_failures(f"reading {path}"):
            content = read_bounded(file, 1 << 34, follow_symlinks=True)
            tensors = _read_keras(content) if file.suffix == ".h5" else safetensors.torch.load(content)
            exported: Any = {} if described else json.loads(read_bounded(path / "config.json"))["seqforge"]
        tables, weights = _convert(tensors, described) if described else (dict[str, Any](exported), {})
        state = dict[str, Any](tables.pop("state"))
        tables |= {"corpus": {"use": "inline", "text": "Trained elsewhere."}}
        experiment = Experiment.from_dict({**tables, "training": {"precision": "float32"}}, origin=path)
        vocabulary = experiment.vocabulary.build()
        vocabulary.restore(state)
        model = build_model(experiment, vocabulary.size)
        if not described:
            for name, own in model.state_dict().items():
                place = name.replace("stack.learned", "initial").removeprefix("stack.").replace(".", "_")
                weights[name] = tensors[place].reshape(own.shape)
        model.load_state_dict(weights)
    except (LookupError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        problem = f"there is no {error}" if isinstance(error, KeyError) else str(error).partition("\n\t")[2] or error
        raise RunError(
            f"{file}: {problem}; it contains {', '.join(sorted(tensors)[:MAXIMUM_NAMES])}",
            hint="Name a description of an LSTM, GRU or RNN in one direction, or a folder of the format transformers.",
        ) from error

    def fill(directory: RunDirectory) -> None:
        directory.write_experiment(experiment)
        write_vocabulary(vocabulary, directory.path)
        record_backends(directory.path, (), "float32")
        write_weights(Checkpoints(directory.checkpoints).path(0), model)
        record_end(directory.path, 0, "imported", complete=True, seconds=0)

    return Run(RunDirectory.create(target.parent, target.name, fill), experiment)


def _read_description(path: Path) -> _Description:
    if path.suffix != ".toml":
        hint = f'Write a file such as lm.toml with the line weights = "{path.name}", and name it.'
        raise RunError(f"{path}: not a description of weights in TOML, and not a folder", hint=hint)
    table = read_table(path)
    try:
        return _Description.model_validate(table)
    except ValidationError as error:
        known = [*_Description.model_fields]
        raise explain(from_validation(error, table, "", known, "the description of weights"), path) from None


_KERAS = ("weight_ih", "weight_hh", "bias_ih")
"""The names of PyTorch for the variables of a recurrent layer of Keras."""


def _read_keras(content: bytes) -> dict[str, Tensor]:
    """Return the weights of a Keras model with the names, the shapes and the order of gates of PyTorch.

    Raises:
        ValueError: If their order is not known, or a layer computes something else than that of PyTorch.
    """
    h5py = import_library("h5py", "seqforge-core[keras]")
    rest, tensors = dict[str, Tensor](), dict[str, Tensor]()

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            rest[name] = torch.from_numpy(item[()].T)

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(collect)
    cells = sorted({name[:-1] for name in rest if "/cell/vars/" in name}, key=lambda name: (len(name), name))
    if len({re.sub(r"_\d+/", "/", cell) for cell in cells}) > 1:
        raise ValueError(f"the recurrent layers {', '.join(cells)} have no order")
    for layer, cell in enumerate(cells):
        parts = {name: rest.pop(f"{cell}{number}") for number, name in enumerate(_KERAS) if f"{cell}{number}" in rest}
        if "/gru" in cell:  # The gates of Keras are update, reset, candidate.
            parts = {name: torch.cat([part.chunk(3)[gate] for gate in (1, 0, 2)]) for name, part in parts.items()}
            if (bias := parts.get("bias_ih")) is not None:
                if bias.ndim == 1:
                    raise ValueError(f"{cell} has reset_after=False")
                parts["bias_ih"], parts["bias_hh"] = bias.unbind(1)
        tensors |= {f"recurrent.{name}_l{layer}": part for name, part in parts.items()}
    for name, tensor in rest.items():
        kind = "weight" if tensor.ndim == 2 else "bias"
        tensors[f"{name[:-1]}{kind}"] = tensor.T if "embedding" in name else tensor
    return tensors


def _convert(tensors: dict[str, Tensor], described: _Description) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return tables of an experiment, with the state of the vocabulary, and weights by the names of seqforge.

    Raises:
        ValueError: If the tensors are not those of one embedding, one recurrent module and one linear layer.
    """
    rest, weights, cells = {**tensors}, dict[str, Tensor](), list[dict[str, Any]]()
    for name, tensor in rest.items():
        if tensor.ndim != (2 if "weight" in name.rpartition(".")[2] else 1) or not tensor.numel():
            raise ValueError(f"{name} has the shape {list(tensor.shape)}")
    layers = sorted((name for name in rest if re.search(r"weight_ih_l\d+$", name)), key=lambda name: (len(name), name))
    if len(modules := {name.rpartition("weight_ih")[0] for name in layers}) != 1:
        raise ValueError(f"{len(modules)} recurrent modules")
    for name in layers:
        weight, recurrent = rest.pop(name).float(), rest.pop(name.replace("_ih_", "_hh_")).float()
        names = (name.replace("weight_ih", part) for part in ("bias_ih", "bias_hh"))
        bias, other = (rest.pop(each, torch.zeros(len(weight))).float() for each in names)
        hidden, place = recurrent.shape[1], f"stack.cells.{len(cells)}."
        cells.append({"use": {4: "lstm", 3: "gru"}.get(len(recurrent) // hidden, "rnn"), "hidden_size": hidden})
        if cells[-1]["use"] == "rnn":
            cells[-1]["nonlinearity"] = described.nonlinearity
        if cells[-1]["use"] == "gru":  # The reset gate scales this bias of the candidate.
            weights[f"{place}recurrent_bias"] = other[2 * hidden :]
            other = torch.cat([other[: 2 * hidden], torch.zeros(hidden)])
        weights |= {f"{place}input_weight": weight, f"{place}recurrent_weight": recurrent, f"{place}bias": bias + other}
    (bias,) = (name for name in rest if name.endswith("bias"))
    weights |= {"head.weight": rest.pop(bias.removesuffix("bias") + "weight"), "head.bias": rest.pop(bias)}
    model: dict[str, Any] = {"cells": cells}
    if rest:
        (vectors,) = rest.values()
        weights["input.embedding.weight"], model["embedding_size"] = vectors, vectors.shape[1]
    characters = described.characters or "".join(map(chr, range(256)))
    if not len(characters) == len({*characters}) == len(weights["head.weight"]):
        raise ValueError(f"{len({*characters})} different characters for {len(weights['head.weight'])} symbols")
    order = sorted(range(len(characters)), key=characters.__getitem__)  # that of the vocabulary `characters`
    for name in {"input.embedding.weight", "head.weight", "head.bias"} & weights.keys():
        weights[name] = weights[name][order].float()
    if not rest:
        weights["stack.cells.0.input_weight"] = weights["stack.cells.0.input_weight"][:, order]
    state = {"characters": "".join(sorted(characters))} if described.characters else {}
    return {"model": model, "vocabulary": {"use": "characters" if state else "bytes"}, "state": state}, weights
