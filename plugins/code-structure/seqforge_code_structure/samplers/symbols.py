"""The symbols of a vocabulary as characters."""

from seqforge.errors import ExperimentError
from seqforge.interfaces import Vocabulary
from seqforge_code_structure.samplers.grammar import FRAGMENT


def characters_of(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Tell what each token of a vocabulary writes.

    Args:
        vocabulary: One whose symbols are single characters, or bytes.

    Raises:
        ExperimentError: Where a symbol is more than a character.
    """
    return tuple(_character(vocabulary, token) for token in range(vocabulary.size))


def _character(vocabulary: Vocabulary, token: int) -> str:
    content = vocabulary.decode([token])
    if len(content) == 1 and not content.isascii():
        return FRAGMENT
    if not content:
        raise ExperimentError(
            "the sampler code-structure/balanced is for models of running text, and this one writes an end of its own",
            hint="Take the sampler out of the chain.",
        )
    text = content.decode("utf-8", "replace")
    if len(text) != 1:
        raise ExperimentError(
            f"the sampler code-structure/balanced needs symbols of one character, and symbol {token} is {text!r}",
            hint="Use a vocabulary of bytes or of characters, or take the sampler out of the chain.",
        )
    return text
