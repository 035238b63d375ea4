"""The sampling loop, which draws a symbol, reads that symbol, draws the next one, and so on; and samples as text."""

import codecs
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqforge.distribution.world import ALONE, World
from seqforge.errors import DataError, describe_type
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.generation.drawing import StepByStep, check_minimum, find_kernel, require_all_drawn, uniforms_of
from seqforge.generation.redrawing import NO_SYMBOL, redraw
from seqforge.kinds import (
    CodedVocabulary,
    GenerationKernel,
    RedrawingSampler,
    Sampler,
    SamplingContext,
    UnknownSymbolError,
    Vocabulary,
)
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import map_states


class BeginsWith(Sampler):
    """A sampler that allows only symbols whose text has a given beginning, in UTF-8, at the first draw."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning

    def start(self, context: SamplingContext) -> Any:
        """Return which symbols the first draw forbids."""
        return ~torch.tensor(symbols_with(context.vocabulary, self._beginning))

    def transform(
        self, logits: Float[Tensor, "batch symbols"], memory: Bool[Tensor, " symbols"] | None
    ) -> Float[Tensor, "batch symbols"]:
        """Forbid symbols at the first draw, and none afterwards."""
        return logits if memory is None else logits.masked_fill(memory, -torch.inf)

    def advance(self, memory: Any, tokens: Int[Tensor, " batch"], logits: Float[Tensor, "batch symbols"]) -> None:
        """Return that every symbol is allowed."""


def split_prompt(
    vocabulary: Vocabulary, samplers: Sequence[Sampler], tokens: Int[Tensor, " length"]
) -> tuple[Int[Tensor, " shorter"], bytes]:
    """Return the symbols of a prompt that the model reads, and what the text of the first drawn symbol begins with.

    With the symbols "un" and "until", the prompt "un" would be encoded as a symbol that the training text has only
    before other letters, so that the model never writes "until". The last symbol of a prompt is therefore drawn again,
    among the symbols that begin with it, if it is the beginning of a longer one. This is known as token healing.

    The beginning is empty, unless the last symbol is the beginning of a longer one. It is empty as well if a sampler
    redraws, which cannot be combined with a sampler that has a memory.
    """
    # The symbols of a coded vocabulary have one code each, so that none begins with another one.
    redraws = any(isinstance(sampler, RedrawingSampler) for sampler in samplers)
    if len(tokens) > 1 and not redraws and not isinstance(vocabulary, CodedVocabulary):
        last = vocabulary.decode([int(tokens[-1])])
        if last and sum(symbols_with(vocabulary, last)) > 1:
            return tokens[:-1], last
    return tokens, b""


def symbols_with(vocabulary: Vocabulary, beginning: bytes) -> list[bool]:
    """Return for each symbol whether its text has a given beginning."""
    return [vocabulary.decode_tokens([token]).startswith(beginning) for token in range(vocabulary.size)]


_KERNEL_STEPS = 256
"""Steps per call of a generation kernel: few enough to display and to interrupt the text without a noticeable delay."""


def generate(
    model: SequenceModel,
    vocabulary: Vocabulary,
    samplers: Sequence[Sampler],
    prompt: Int[Tensor, " length"],
    *,
    count: int,
    length: int,
    seed: int,
    own: range | None = None,
    beginning: bytes = b"",
) -> Iterator[Int[Tensor, "steps batch"]]:
    """Draw samples in one batch.

    Symbols are drawn by inverse transform sampling, with uniform random numbers that depend on `seed` and `count` only.
    Equal logits therefore give equal text on every device and backend. The model is left in evaluation mode.

    Args:
        model: Language model on any device.
        vocabulary: Vocabulary of the model.
        samplers: Chain of samplers; each transforms the logits that the previous one returned.
        prompt: Token ids that every sample starts with; at least one.
        count: Number of samples.
        length: Number of symbols to draw for each sample.
        seed: Seed of the draws.
        own: Indices of the samples to draw, if other processes draw the others; by default all.
        beginning: What the text of the first drawn symbol must begin with.

    Yields:
        The drawn symbols on the CPU: one step at a time, or many if a backend has a generation kernel, or if a sampler
        redraws. `NO_SYMBOL` follows the end of a sample that a redrawing sampler ends early.

    Raises:
        DataError: If the length is below 1, the seed is negative, or the samplers cannot be combined.
        RunError: If the logits of the model are not finite.
        PluginError: If a sampler returns something other than logits, or than a review.
    """
    check_minimum("length", length, 1)
    device = next(model.parameters()).device
    uniforms = uniforms_of(seed, count, own)
    count = count if own is None else len(own)
    model.eval()
    with torch.inference_mode():
        # The prompt is read once for all samples, except its last symbol.
        states = model.initial_states(1)
        if len(prompt) > 1:
            _, states = model(prompt[:-1].to(device).unsqueeze(1), states)
    if any(isinstance(sampler, RedrawingSampler) for sampler in samplers):
        context = SamplingContext(prompt, 1, length, vocabulary)
        yield from redraw(model, samplers, context, states, uniforms, count)
        return
    context = SamplingContext(prompt, count, length, vocabulary)
    states = map_states(lambda part: part.expand(count, *part.shape[1:]).contiguous(), states)
    chain = [BeginsWith(beginning), *samplers] if beginning else samplers
    kernel = find_kernel(model, samplers)
    draw_symbols: GenerationKernel | StepByStep
    if beginning or kernel is None:
        draw_symbols = StepByStep(model, chain, [sampler.start(context) for sampler in chain])
    else:
        draw_symbols = kernel
    last = prompt[-1:].expand(count)
    while length:
        numbers = uniforms(min(length, _KERNEL_STEPS if draw_symbols is kernel else 1))
        length -= len(numbers)
        with torch.inference_mode():
            drawn, states = draw_symbols(last, states, numbers)
        # The symbols before an error are not lost.
        if len(drawn):
            yield drawn
        require_all_drawn(drawn, numbers)
        last = drawn[-1]
        draw_symbols = kernel or draw_symbols  # After the first symbol, nothing depends on the beginning.


def stream_text(
    model: SequenceModel,
    vocabulary: Vocabulary,
    samplers: Sequence[Sampler],
    prompt: str | None,
    *,
    length: int,
    seed: int,
) -> Iterator[str]:
    """Yield the text of one sample while it is drawn, without its prompt. A prompt of None is a line break.

    Yields:
        Pieces of text. A character that consists of several tokens is never split.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    tokens, beginning = split_prompt(vocabulary, samplers, encode_prompt(vocabulary, prompt))
    known = len(beginning)
    for drawn in generate(model, vocabulary, samplers, tokens, count=1, length=length, seed=seed, beginning=beginning):
        piece = decoder.decode(_decode(vocabulary, drawn[:, 0])[known:])
        known = 0
        if piece:
            yield piece
    if rest := decoder.decode(b"", final=True):
        yield rest


def sample_texts(
    model: SequenceModel,
    vocabulary: Vocabulary,
    samplers: Sequence[Sampler],
    prompt: str | None,
    *,
    count: int,
    length: int,
    seed: int,
    report: Report = no_report,
    world: World = ALONE,
) -> list[str]:
    """Draw samples in one batch, and return each with its prompt.

    A prompt of None is a line break, which is not a part of the returned text. The samples are divided over the
    processes of `world`, all of which return the same texts. The errors are those of `encode_prompt` and `generate`.
    """
    check_minimum("count", count, 1)
    own = world.share(count)

    def draw_own() -> list[str]:
        chunks: list[Tensor] = []
        steps = 0
        tokens, beginning = split_prompt(vocabulary, samplers, encode_prompt(vocabulary, prompt))
        for chunk in generate(
            model,
            vocabulary,
            samplers,
            tokens,
            count=count,
            length=length,
            seed=seed,
            own=own,
            beginning=beginning,
        ):
            chunks.append(chunk)
            steps += len(chunk)
            report(WorkProgressed("sampling", steps / length))
        rows = torch.cat(chunks).unbind(1)
        texts = [_decode(vocabulary, row)[len(beginning) :].decode("utf-8", "replace") for row in rows]
        return [(prompt or "") + text for text in texts]

    return [text for texts in world.collect(draw_own if own else list) for text in texts]


def _decode(vocabulary: Vocabulary, drawn: Int[Tensor, " steps"]) -> bytes:
    """Return the text of drawn symbols. A sample may end before its last step."""
    return vocabulary.decode(cast("list[int]", drawn[drawn != NO_SYMBOL].tolist()))


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
    """Return the tokens of a text, which errors call by a name.

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
        shown = min(vocabulary.size, 128)
        symbols = "".join(vocabulary.decode([token]).decode("utf-8", "replace") for token in range(shown))
        more = f" and {vocabulary.size - shown} more" if vocabulary.size > shown else ""
        raise DataError(
            f"the {name}'s symbol {error.symbol!r} at position {error.position} is not in the model's vocabulary",
            hint=f"The vocabulary contains {symbols!r}{more}.",
        ) from error
    except DataError as error:
        raise DataError(f"the {name}: {error.message}", hint=error.hint) from error
