"""The format `transformers`: a folder that `AutoModelForCausalLM` and `AutoTokenizer` of the library load."""

import json
import runpy
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqforge.errors import PluginError, import_library
from seqforge.kinds import ExportedModel, Exporter, TrainedModel, Vocabulary
from seqforge_transformers.step_source import write_step

EXTRA = "seqforge-transformers[transformers]"
"""What installs the libraries."""

_SPLITS: Mapping[str, str] = {"Bytes": "", "BytePairs": "GPT-2", "Unigram": "GPT-2", "Words": "words"}
"""The vocabularies whose symbols are sequences of bytes, and how each divides a text first."""

_WORD = r" ?[\p{L}\p{N}_]+|[^\p{L}\p{N}_]"
"""The words of the vocabulary `words`, in classes of the library that are Python's up to its version of Unicode."""

_PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTED]
_CHARACTERS = {byte: chr(byte) for byte in _PRINTED} | {byte: chr(256 + index) for index, byte in enumerate(_OTHERS)}
"""The character that the library writes for each byte."""


def write_tokenizer(vocabulary: Vocabulary, folder: Path) -> None:
    """Write the tokenizer of a vocabulary.

    Raises:
        PluginError: If the library cannot divide every text as the vocabulary does.
    """
    library = import_library("tokenizers", EXTRA)
    kind, plugin = type(vocabulary).__name__, type(vocabulary).__module__.partition(".")[0]
    is_known = plugin in ("seqforge_essentials", "seqforge_subwords") and kind in {"Characters", *_SPLITS}
    if not is_known or (kind == "Words" and vocabulary.unknown is not None):
        raise PluginError(
            f"the format transformers has no tokenizer for the vocabulary {kind}",
            hint="It has one for characters, bytes, bpe, unigram, and words without `unknown`, which has two "
            "symbols for unknown words. `--format onnx` is for any vocabulary.",
        )
    tokenizer = (_characters if kind == "Characters" else _byte_level)(library, vocabulary)
    text = b"".join(vocabulary.decode([symbol]) for symbol in range(vocabulary.size)).decode("utf-8", "ignore")
    if tokenizer.encode(text).ids != vocabulary.encode(text).tolist():
        raise PluginError(f"the tokenizer of the library divides a text in another way than the vocabulary {kind}")
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), "utf-8")


def _characters(library: Any, vocabulary: Vocabulary) -> Any:
    """Return a tokenizer of characters. One that is not in the vocabulary is an error, or the unknown one."""
    ids = {character: number for number, character in enumerate(vocabulary.state()["characters"])}
    unknown = {} if vocabulary.unknown is None else {"unk_token": vocabulary.unknown}
    tokenizer = library.Tokenizer(library.models.WordLevel(ids, **unknown))
    tokenizer.pre_tokenizer = library.pre_tokenizers.Split(library.Regex("(?m:.)"), "isolated")
    tokenizer.decoder = library.decoders.Fuse()
    return tokenizer


def _byte_level(library: Any, vocabulary: Vocabulary) -> Any:
    """Return a tokenizer of sequences of bytes."""
    state, split = vocabulary.state(), _SPLITS[type(vocabulary).__name__]
    texts = ("".join(map(_CHARACTERS.__getitem__, vocabulary.decode([symbol]))) for symbol in range(vocabulary.size))
    if "symbols" in state:
        scores = (line.split(" ") for line in state["symbols"].splitlines())
        model = library.models.Unigram([(symbol, float(score)) for symbol, score in scores], None, False)
    else:
        merges = [tuple(line.split(" ")) for line in state.get("merges", "").splitlines()]
        ids = {text: number for number, text in enumerate(texts)}
        # A word is one symbol, or bytes if it is unknown.
        model = library.models.BPE(vocab=ids, merges=merges, ignore_merges=split == "words")
    tokenizer = library.Tokenizer(model)
    parts = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split == "GPT-2")
    if split == "words":
        words = library.pre_tokenizers.Split(library.Regex(_WORD), "isolated")
        parts = library.pre_tokenizers.Sequence([words, parts])
    tokenizer.pre_tokenizer, tokenizer.decoder = parts, library.decoders.ByteLevel()
    return tokenizer


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
