"""The tokens of a prompt or of another text of a user, who may have written a symbol that the vocabulary lacks."""

import torch
from jaxtyping import Int
from torch import Tensor

from seqforge.errors import DataError, describe_type
from seqforge.kinds import UnknownSymbolError, Vocabulary


def encode_prompt(vocabulary: Vocabulary, prompt: str | None) -> Int[Tensor, " length"]:
    """Return the tokens of a prompt.

    If the prompt is None, return a line break, or the first symbol of a vocabulary without a line break.

    Raises:
        DataError: If the prompt is not text, is empty, is not valid Unicode, or contains a symbol that is not in the
            vocabulary.
    """
    if prompt == "":
        raise DataError("the prompt is empty", hint="Pass at least one symbol, or omit the prompt.")
    if prompt is not None:
        return encode_text(vocabulary, prompt, "prompt")
    try:
        return torch.as_tensor(vocabulary.encode(b"\n").astype("int64"))
    except UnknownSymbolError:
        return torch.zeros(1, dtype=torch.int64)


def encode_text(vocabulary: Vocabulary, text: str, name: str = "text") -> Int[Tensor, " length"]:
    """Return the tokens of a text.

    Args:
        vocabulary: Vocabulary of the model.
        text: The text.
        name: Name of the text in errors.

    Raises:
        DataError: If the text is no str, is empty, is not valid Unicode, or contains a symbol that is not in the
            vocabulary.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DataError(f"the {name} is {describe_type(text)}, not text", hint="Pass a str.")
    if not text:
        raise DataError(f"the {name} is empty", hint="Pass at least one symbol.")
    try:
        # Bytes of a command line that are not UTF-8 are surrogates in Python.
        return torch.as_tensor(vocabulary.encode(text.encode("utf-8", "surrogateescape")).astype("int64"))
    except UnicodeEncodeError as error:
        symbol = text[error.start]
        raise DataError(f"the {name}'s symbol {symbol!r} at position {error.start} is not a character") from error
    except UnknownSymbolError as error:
        raise DataError(
            f"the {name}'s symbol {error.symbol!r} at position {error.position} is not in the model's vocabulary",
            hint=_known_symbols(vocabulary),
        ) from error
    except DataError as error:
        raise DataError(f"the {name}: {error.message}", hint=error.hint) from error


def _known_symbols(vocabulary: Vocabulary) -> str:
    shown = min(vocabulary.size, 128)
    symbols = "".join(vocabulary.decode([token]).decode("utf-8", "replace") for token in range(shown))
    more = f" and {vocabulary.size - shown} more" if vocabulary.size > shown else ""
    return f"The vocabulary contains {symbols!r}{more}."
