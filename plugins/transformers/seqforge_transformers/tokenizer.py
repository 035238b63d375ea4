"""The files of a tokenizer for `AutoTokenizer`, which divides texts as a vocabulary does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqforge.errors import PluginError, import_library
from seqforge.kinds import Vocabulary

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
