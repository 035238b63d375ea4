"""The format `transformers`: a folder that `AutoModelForCausalLM` and `AutoTokenizer` of the library load."""

import json
import runpy
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqforge.errors import import_library
from seqforge.kinds import ExportedModel, Exporter, TrainedModel
from seqforge_transformers.step_source import write_step
from seqforge_transformers.tokenizer import EXTRA, write_tokenizer

MODEL, WEIGHTS, CONFIGURATION, CARD = "modeling_seqforge.py", "model.safetensors", "config.json", "README.md"
"""Files of an exported folder, besides those of the tokenizer."""


class Transformers(Exporter):
    """A folder for the library transformers: the model in plain torch, weights in float32, a tokenizer and a card.

    It has every cell, and the vocabularies of characters, bytes, byte pairs, unigrams and words.
    """

    def write(self, model: TrainedModel, folder: Path) -> None:
        """Write the files.

        Raises:
            PluginError: If the library is not installed, or cannot divide texts as the vocabulary does.
        """
        import_library("transformers", EXTRA)
        write_tokenizer(model.vocabulary, folder)
        statements, tensors = write_step(model)
        states = [(layer, *item) for layer, state in enumerate(model.initial_states) for item in enumerate(state)]
        initial = {f"initial_{layer}_{number}": tensor for layer, number, tensor in states}
        tensors = {name: tensor.detach().contiguous().clone() for name, tensor in {**tensors, **initial}.items()}
        (folder / WEIGHTS).write_bytes(safetensors.torch.save(tensors, {"format": "pt"}))
        values = {
            "name": model.name,
            "attributes": "\n        ".join(_declare(name, tensor) for name, tensor in tensors.items()),
            "states": ", ".join(model.state_tensors),
            "step": "\n".join(statements).replace("\n", "\n        "),
            "results": ", ".join(f"next_{name}" for name in model.state_tensors),
            "initial": ", ".join(f"self.{name}" for name in initial),
            "facts": "\n".join(f"| {label} | {value} |" for label, value in model.facts.items()),
        }
        for name in (MODEL, CARD):  # As text, since the package does not import the model.
            template = Template(files("seqforge_transformers").joinpath(f"{name}.txt").read_text("utf-8"))
            (folder / name).write_text(template.substitute(values), "utf-8")
        classes = {"AutoConfig": "SeqforgeConfig", "AutoModelForCausalLM": "SeqforgeForCausalLM"}
        configuration = {
            "model_type": "seqforge",
            "architectures": [classes["AutoModelForCausalLM"]],
            "auto_map": {name: f"{MODEL.removesuffix('.py')}.{each}" for name, each in classes.items()},
            "dtype": "float32",
            "vocab_size": len(model.symbols),
            "seqforge": {**model.tables, "state": model.vocabulary.state()},
        }
        (folder / CONFIGURATION).write_text(json.dumps(configuration, indent=1, ensure_ascii=False), "utf-8")

    def open(self, folder: Path) -> "TransformersModel":
        """Return the model as transformers loads it."""
        return TransformersModel(folder)


def _declare(name: str, tensor: Tensor) -> str:
    """Return the statement that makes a tensor of an exported folder a part of the model."""
    empty = f"torch.empty({[*tensor.shape]}{'' if tensor.is_floating_point() else f', dtype={tensor.dtype}'})"
    is_weight = tensor.is_floating_point() and not name.startswith("initial_")
    return f"self.{name} = nn.Parameter({empty})" if is_weight else f'self.register_buffer("{name}", {empty})'


class TransformersModel(ExportedModel):
    """The model of a folder as transformers loads it: by its class, so that the library keeps no copy of the source."""

    def __init__(self, folder: Path) -> None:
        library = import_library("transformers", EXTRA)
        self.program = f"transformers {library.__version__}"
        library.utils.logging.disable_progress_bar()
        self._model = runpy.run_path(str(folder / MODEL))["SeqforgeForCausalLM"].from_pretrained(folder)
        self._cache: Any = None

    def read(self, symbols: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Return the logits after each symbol, by a call that continues from the cache of the last one."""
        with torch.inference_mode():
            result = self._model(torch.from_numpy(symbols)[None], cache=self._cache)
        self._cache = result.cache
        return result.logits[0].numpy()
