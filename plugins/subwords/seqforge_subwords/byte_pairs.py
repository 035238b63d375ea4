"""The vocabulary `bpe`: bytes, and sequences of bytes that are frequent in a corpus."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field
from tokenizers import models, trainers

from seqforge.errors import DataError
from seqforge.kinds import ExperimentPath
from seqforge.storage.files import read_bounded
from seqforge_subwords.subwords import BYTES, Subwords, train

_LARGEST_FILE = 1 << 26
"""Size limit of a file of the library, in bytes. That of a vocabulary of 128,000 symbols has 9 million."""


class BytePairs(Subwords):
    """Byte pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909) of bytes, as in GPT-2.

    The symbols are the 256 bytes, and what the merges of two symbols yield.

    Raises:
        DataError: If the file is not one of the library `tokenizers` with byte pairs as in GPT-2.
    """

    def __init__(
        self,
        size: Annotated[
            int, Field(description="Largest number of symbols, the 256 bytes included.", ge=257, le=1 << 20)
        ] = 4096,
        file: Annotated[
            ExperimentPath | None,
            Field(
                description="File `tokenizer.json` of the library `tokenizers`, whose first merges are used instead of "
                "those that are learned. Its special tokens are not used."
            ),
        ] = None,
    ) -> None:
        self._size = size
        self.learns = file is None
        self._adopt([] if file is None else _read_merges(Path(file))[: size - len(BYTES)])

    def learn(self, contents: Iterable[bytes]) -> None:
        """Find the merges: again and again the most frequent pair of neighbours, up to the size."""
        trainer = trainers.BpeTrainer(vocab_size=self._size, initial_alphabet=list(BYTES), show_progress=False)
        self._adopt(_merges_of(json.loads(train(models.BPE(), trainer, contents))))

    def state(self) -> dict[str, Any]:
        """Return the merges in their order, one in each line."""
        return {"merges": "\n".join(map(" ".join, self._merges))}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the merges.

        Raises:
            ValueError: If the state is not that of byte pairs.
        """
        merges = state.get("merges")
        if not isinstance(merges, str) or set(state) != {"merges"}:
            raise ValueError('the state of the vocabulary `bpe` must be {"merges": "…"}')
        self._adopt([_pair(line) for line in merges.splitlines()])

    def _adopt(self, merges: Sequence[tuple[str, str]]) -> None:
        """Set the merges. Token ids are those of the bytes, and then those of the results of the merges in order."""
        ids = dict(sorted(BYTES.items(), key=lambda item: item[1]))
        for first, second in merges:
            if first not in ids or second not in ids:
                raise ValueError(f"the merge of {first!r} and {second!r} precedes one of them")
            ids.setdefault(first + second, len(ids))
        self._merges = merges
        self._use(models.BPE(vocab=ids, merges=list(merges)), ids)


def _pair(line: str) -> tuple[str, str]:
    """Return the two symbols of a line of merges.

    Raises:
        ValueError: If the line has another form.
    """
    first, second = line.split(" ")
    return first, second


def _merges_of(content: Any) -> list[tuple[str, str]]:
    """Return the merges in a file of the library, which writes each as a text or as two."""
    merges = content["model"]["merges"]
    return [_pair(merge) if isinstance(merge, str) else (str(merge[0]), str(merge[1])) for merge in merges]


def _read_merges(path: Path) -> list[tuple[str, str]]:
    """Read the merges of a file of the library.

    Raises:
        DataError: If the file has another form, or divides texts in another way.
    """
    try:
        content = json.loads(read_bounded(path, _LARGEST_FILE))
        kind, split, normalizer = content["model"]["type"], content["pre_tokenizer"], content.get("normalizer")
        merges = _merges_of(content)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint="Check the path in `file`.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is not a file of the library tokenizers with byte pairs",
            hint="Name a tokenizer.json whose model has the type BPE.",
        ) from error
    expected = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    if kind != "BPE" or normalizer is not None or not _contains(split, expected):
        raise DataError(
            f"{path} divides or changes texts in another way than GPT-2",
            hint="Leave out `file`, so that the vocabulary is learned from the corpus.",
        )
    return merges


def _contains(table: Any, expected: dict[str, Any]) -> bool:
    return isinstance(table, dict) and all(
        cast("dict[str, Any]", table).get(key, value) == value for key, value in expected.items()
    )
