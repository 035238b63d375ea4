"""The sampling loop: read the prompt, then draw, read what was drawn, and draw again."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.errors import DataError, PluginError, RunError
from seqforge.generation.validate_automaton import first_automaton, next_automaton
from seqforge.interfaces import (
    ConstraintAutomaton,
    GenerationKernel,
    Sampler,
    SamplingContext,
    UnknownSymbolError,
    Vocabulary,
    map_state,
)
from seqforge.model import SequenceModel, States

_STRETCH = 256
"""Symbols that are drawn between two looks at them: few enough to be shown, or stopped, at once."""


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
) -> Iterator[Int[Tensor, "steps batch"]]:
    """Draw samples side by side.

    Each symbol is the one at which the distribution function passes a uniform number. Those come from the seed alone,
    so that a seed gives the same text on any device and by any cell, as far as the logits are the same. The model is
    left in evaluation mode.

    Args:
        model: On any device.
        vocabulary: The model's.
        samplers: The chain; each transforms what the one before gave.
        prompt: Token ids that every sample starts with, at least one.
        count: Samples, drawn as one batch.
        length: Symbols to draw for each.
        seed: Decides the draws.

    Yields:
        The symbols drawn, on the CPU: some steps at a time, where the model can generate at a stretch, else one.

    Raises:
        RunError: Where the model's logits are not finite.
        PluginError: Where a sampler forbids every symbol, or gives a wrong guide.
    """
    device = next(model.parameters()).device
    uniforms = uniforms_of(seed, count)
    model.eval()
    with torch.inference_mode():
        # The prompt is read once, whatever the count.
        outputs, states = model(prompt.to(device).unsqueeze(1), model.initial_states(1))
        logits = outputs[-1].expand(count, -1)
        states = tuple(map_state(lambda part: part.expand(count, *part.shape[1:]).contiguous(), s) for s in states)
    context = SamplingContext(prompt, count, length, vocabulary)
    memories = [sampler.start(context) for sampler in samplers]
    with torch.inference_mode():
        tokens = draw(logits.float().cpu(), samplers, memories, uniforms(1)[0])
        memories = [sampler.advance(memory, tokens) for sampler, memory in zip(samplers, memories, strict=True)]
        automaton = first_automaton(samplers[0], memories[0], *logits.shape) if samplers else None
        kernel = _generation_kernel(model, states, samplers[1:] if automaton else samplers)
    yield tokens.unsqueeze(0)
    if kernel is None:
        yield from _draw_step_by_step(model, samplers, memories, states, tokens, uniforms, length - 1)
    else:
        yield from _draw_with_kernel(kernel, samplers, memories, automaton, tokens, uniforms, length - 1)


def _generation_kernel(model: SequenceModel, states: States, samplers: Sequence[Sampler]) -> GenerationKernel | None:
    rules = [rule for rule in (sampler.logit_rule() for sampler in samplers) if rule is not None]
    has_rules = len(rules) == len(samplers)
    if model.precision == "int8":
        kernel = model.generation_kernel(states, rules, int8=True) if has_rules else None
        if kernel is not None:
            return kernel
        warnings.warn(
            "int8 needs kernels for these cells and this processor (see `seqforge doctor`), samplers that kernels can "
            "follow, and finite weights; the precision is as with `auto`",
            stacklevel=3,
        )
    return model.generation_kernel(states, rules) if has_rules else None


def _draw_with_kernel(
    kernel: GenerationKernel,
    samplers: Sequence[Sampler],
    memories: Sequence[Any],
    automaton: ConstraintAutomaton | None,
    tokens: Int[Tensor, " batch"],
    uniforms: Callable[[int], Tensor],
    left: int,
) -> Iterator[Int[Tensor, "steps batch"]]:
    memory = memories[0] if automaton else None
    while left:
        numbers = uniforms(min(left, _STRETCH))
        left -= len(numbers)
        while len(numbers):
            with torch.inference_mode():
                drawn = kernel(tokens, numbers, automaton)
            if len(drawn):
                yield drawn
                tokens, numbers = drawn[-1], numbers[len(drawn) :]
            if automaton and automaton.states.min().item() < 0:
                with torch.inference_mode():
                    memory = samplers[0].memory_after_stop(memory, automaton, tokens)
                    automaton = next_automaton(samplers[0], memory, automaton)
            elif len(numbers):
                raise _not_finite()


def _draw_step_by_step(
    model: SequenceModel,
    samplers: Sequence[Sampler],
    memories: list[Any],
    states: States,
    tokens: Int[Tensor, " batch"],
    uniforms: Callable[[int], Tensor],
    left: int,
) -> Iterator[Int[Tensor, "steps batch"]]:
    device = next(model.parameters()).device
    with torch.inference_mode():
        step = model.stepper(len(tokens))
    for _ in range(left):
        with torch.inference_mode():
            logits, states = step(tokens.to(device), states)
            tokens = draw(logits.float().cpu(), samplers, memories, uniforms(1)[0])
            memories = [sampler.advance(memory, tokens) for sampler, memory in zip(samplers, memories, strict=True)]
        yield tokens.unsqueeze(0)


def uniforms_of(seed: int, count: int) -> Callable[[int], Float[Tensor, "steps batch"]]:
    """Give the numbers of the next steps, the same however many are asked for at a time.

    Args:
        seed: Decides them.
        count: Samples.
    """
    generator = np.random.default_rng(seed)
    return lambda steps: torch.from_numpy(generator.random((steps, count), dtype=np.float32))


def draw(
    logits: Float[Tensor, "batch symbols"],
    samplers: Sequence[Sampler],
    memories: Sequence[object],
    uniforms: Float[Tensor, " batch"],
) -> Int[Tensor, " batch"]:
    """Draw a symbol for each row.

    Args:
        logits: From the model.
        samplers: The chain.
        memories: Of each sampler.
        uniforms: Where each row's distribution function is passed.

    Raises:
        RunError: Where a logit is not finite.
        PluginError: Where a sampler forbids every symbol.
    """
    check_finite(logits)
    transformed = logits
    for sampler, memory in zip(samplers, memories, strict=True):
        transformed = sampler.transform(transformed, memory)
    if transformed.shape != logits.shape:
        chain = ", ".join(type(sampler).__name__ for sampler in samplers)
        raise PluginError(
            f"the samplers {chain} make {list(transformed.shape)} of logits {list(logits.shape)}",
            hint="This is for the author of one of them to mend.",
        )
    most = transformed.amax(-1, keepdim=True)
    if not _all_finite(most):
        raise _no_symbol(logits, samplers, memories)
    summed = (transformed - most).exp().cumsum(-1)
    reached = (uniforms.unsqueeze(1) * summed[:, -1:]).contiguous()
    # Rounding may bring a number up to the total itself: the last symbol that is not forbidden takes it.
    last = summed.argmax(-1)
    return torch.minimum(torch.searchsorted(summed, reached, right=True).squeeze(1), last)


def _all_finite(numbers: Tensor) -> bool:
    # On numbers, not on tensors: they are few, and this is done at every step.
    return all(map(math.isfinite, cast("list[float]", numbers.flatten().tolist())))


def _no_symbol(logits: Tensor, samplers: Sequence[Sampler], memories: Sequence[object]) -> PluginError:
    """Find the sampler that left a sample nothing."""
    for sampler, memory in zip(samplers, memories, strict=True):
        logits = sampler.transform(logits, memory)
        if not _all_finite(logits.amax(-1)):
            return PluginError(
                f"the sampler {type(sampler).__name__} leaves no symbol to draw",
                hint="Take it out of the chain; this is for its author to mend.",
            )
    return PluginError("the samplers leave no symbol to draw, but not each time that they are asked")


def check_finite(logits: Float[Tensor, "batch symbols"]) -> None:
    """Refuse what a model that is beyond use writes.

    Args:
        logits: From the model.

    Raises:
        RunError: Where a logit is not finite.
    """
    # Half the time of `isfinite().all()`. What is not a number comes through, and compares as false.
    if not (-math.inf < logits.amin().item() and logits.amax().item() < math.inf):
        raise _not_finite()


def _not_finite() -> RunError:
    return RunError("the model's logits are not finite", hint="Sample an earlier checkpoint: --checkpoint STEP.")


def _known_symbols(vocabulary: Vocabulary) -> str:
    shown = min(vocabulary.size, 128)
    symbols = "".join(vocabulary.decode([token]).decode("utf-8", "replace") for token in range(shown))
    return f"It knows: {symbols!r}" + (f" and {vocabulary.size - shown} more." if vocabulary.size > shown else ".")
