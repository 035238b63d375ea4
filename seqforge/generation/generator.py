"""The sampling loop: read the prompt, then draw, read what was drawn, and draw again."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.errors import DataError, PluginError, RunError
from seqforge.interfaces import Sampler, SamplingContext, UnknownSymbolError, Vocabulary, map_state
from seqforge.model import SequenceModel


def encode_prompt(vocabulary: Vocabulary, prompt: str | None) -> Int[Tensor, " length"]:
    """Turn a prompt into tokens.

    Args:
        vocabulary: The model's.
        prompt: The text; None for a line's start, or the first symbol of a vocabulary that has no line break.

    Raises:
        DataError: Where the prompt is empty, or holds a symbol that the vocabulary does not.
    """
    if prompt is None:
        try:
            return torch.as_tensor(vocabulary.encode(b"\n").astype("int64"))
        except UnknownSymbolError:
            return torch.zeros(1, dtype=torch.int64)
    if not prompt:
        raise DataError("the prompt is empty", hint="Give at least one symbol, or leave the prompt out.")
    try:
        return torch.as_tensor(vocabulary.encode(prompt.encode("utf-8", "surrogateescape")).astype("int64"))
    except UnknownSymbolError as error:
        raise DataError(
            f"the prompt's symbol {error.symbol!r} at position {error.position} is not in the model's vocabulary",
            hint=_known_symbols(vocabulary),
        ) from error


def generate(
    model: SequenceModel,
    vocabulary: Vocabulary,
    samplers: Sequence[Sampler],
    prompt: Int[Tensor, " length"],
    *,
    count: int,
    length: int,
    seed: int,
) -> Iterator[Int[Tensor, " batch"]]:
    """Draw samples side by side, one symbol of each at a time.

    Draws are made on the CPU, so that a seed gives the same text whatever device the model is on, as far as its
    logits are the same. The model is left in evaluation mode.

    Args:
        model: On any device.
        vocabulary: The model's.
        samplers: The chain; each transforms what the one before gave.
        prompt: Token ids that every sample starts with, at least one.
        count: Samples, drawn as one batch.
        length: Symbols to draw for each.
        seed: Decides the draws.

    Yields:
        The symbols drawn, `[count]` at a time, on the CPU.

    Raises:
        RunError: Where the model's logits are not finite.
        PluginError: Where a sampler forbids every symbol.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    context = SamplingContext(prompt, count, length, vocabulary)
    memories = [sampler.start(context) for sampler in samplers]
    model.eval()
    with torch.inference_mode():
        # The prompt is read once, whatever the count.
        outputs, states = model(prompt.to(device).unsqueeze(1), model.initial_states(1))
        logits = outputs[-1].expand(count, -1)
        states = tuple(map_state(lambda part: part.expand(count, *part.shape[1:]).contiguous(), s) for s in states)
        step = model.stepper(count)
    for drawn in range(length):
        with torch.inference_mode():
            tokens = _draw(logits.float().cpu(), samplers, memories, generator)
            memories = [sampler.advance(memory, tokens) for sampler, memory in zip(samplers, memories, strict=True)]
        yield tokens
        if drawn + 1 < length:
            with torch.inference_mode():
                logits, states = step(tokens.to(device), states)


def _draw(
    logits: Float[Tensor, "batch symbols"],
    samplers: Sequence[Sampler],
    memories: Sequence[object],
    generator: torch.Generator,
) -> Int[Tensor, " batch"]:
    if not torch.isfinite(logits).all():
        raise RunError("the model's logits are not finite", hint="Sample an earlier checkpoint: --checkpoint STEP.")
    for sampler, memory in zip(samplers, memories, strict=True):
        logits = sampler.transform(logits, memory)
        if logits.isnan().any() or not (logits.amax(-1).isfinite()).all():
            raise PluginError(
                f"the sampler {type(sampler).__name__} leaves no symbol to draw",
                hint="Take it out of the chain; this is for its author to mend.",
            )
    return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)


def _known_symbols(vocabulary: Vocabulary) -> str:
    shown = min(vocabulary.size, 128)
    symbols = "".join(vocabulary.decode([token]).decode("utf-8", "replace") for token in range(shown))
    return f"It knows: {symbols!r}" + (f" and {vocabulary.size - shown} more." if vocabulary.size > shown else ".")
