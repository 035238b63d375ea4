"""The sampling loop, which reads the prompt, draws a symbol, reads that symbol, draws the next one, and so on."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from seqforge.errors import DataError, PluginError, RunError
from seqforge.faults import wrong_result
from seqforge.kinds import (
    ConstraintAutomaton,
    GenerationKernel,
    Sampler,
    SamplingContext,
    Vocabulary,
    map_state,
)
from seqforge.kinds.sampler_contract import (
    check_places,
    drawing_fault,
    first_automaton,
    resume_automaton,
    transform_logits,
)
from seqforge.model import SequenceModel, States

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
) -> Iterator[Int[Tensor, "steps batch"]]:
    """Draw samples in one batch.

    Symbols are drawn by inverse transform sampling, with uniform random numbers that depend only on the seed. Equal
    logits therefore give equal text on every device and backend. The model is left in evaluation mode.

    Args:
        model: Language model on any device.
        vocabulary: Vocabulary of the model.
        samplers: Chain of samplers; each transforms the logits that the previous one returned.
        prompt: Token ids that every sample starts with; at least one.
        count: Number of samples.
        length: Number of symbols to draw for each sample.
        seed: Seed of the draws.
        own: Indices of the samples to draw, if other processes draw the others; by default all.

    Yields:
        The drawn symbols on the CPU: one step at a time, or many if a backend has a generation kernel.

    Raises:
        DataError: If the length is below 1, or the seed is negative.
        RunError: If the logits of the model are not finite.
        PluginError: If a sampler returns something other than logits, or its automaton is invalid.
    """
    check_minimum("length", length, 1)
    device = next(model.parameters()).device
    uniforms = uniforms_of(seed, count, own)
    count = count if own is None else len(own)
    model.eval()
    with torch.inference_mode():
        # The prompt is read once for all samples.
        outputs, states = model(prompt.to(device).unsqueeze(1), model.initial_states(1))
        logits = outputs[-1].expand(count, -1)
        states = tuple(map_state(lambda part: part.expand(count, *part.shape[1:]).contiguous(), s) for s in states)
    context = SamplingContext(prompt, count, length, vocabulary)
    memories = [sampler.start(context) for sampler in samplers]
    with torch.inference_mode():
        logits = logits.float().cpu()
        tokens = draw(logits, samplers, memories, uniforms(1)[0])
        memories = _advance(samplers, memories, tokens, logits)
        automaton = first_automaton(samplers[0], memories[0], *logits.shape) if samplers else None
        kernel = _generation_kernel(model, states, samplers[1:] if automaton else samplers)
    yield tokens.unsqueeze(0)
    if kernel is None:
        yield from _draw_step_by_step(model, samplers, memories, states, tokens, uniforms, length - 1)
    else:
        yield from _draw_with_kernel(kernel, samplers, memories, automaton, tokens, uniforms, length - 1)


def check_minimum(name: str, number: int, minimum: int) -> None:
    """Check a number that the user chooses.

    Raises:
        DataError: If it is no whole number, or below the minimum.
    """
    if not isinstance(number, Integral):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DataError(f"{name} is {number!r}", hint=f"It must be a whole number of at least {minimum}.")
    if number < minimum:
        raise DataError(f"{name} is {number}", hint=f"It must be at least {minimum}.")


def _generation_kernel(model: SequenceModel, states: States, samplers: Sequence[Sampler]) -> GenerationKernel | None:
    rules = [rule for rule in (sampler.logit_rule() for sampler in samplers) if rule is not None]
    has_rules = len(rules) == len(samplers)
    if model.precision == "int8":
        kernel = model.generation_kernel(states, rules, int8=True) if has_rules else None
        if kernel is not None:
            return kernel
        needs = "kernels for these cells and this processor (see `seqforge doctor`), and finite weights"
        if not has_rules:
            others = [type(sampler).__name__ for sampler in samplers if sampler.logit_rule() is None]
            needs = f"samplers that kernels support, which {' and '.join(others)} is not"
        warnings.warn(f"int8 needs {needs}. This run uses the precision `auto` instead.", stacklevel=3)
    return model.generation_kernel(states, rules) if has_rules else None


def _draw_with_kernel(
    kernel: GenerationKernel,
    samplers: Sequence[Sampler],
    memories: Sequence[Any],
    automaton: ConstraintAutomaton | None,
    tokens: Int[Tensor, " batch"],
    uniforms: Callable[[int], Tensor],
    remaining: int,
) -> Iterator[Int[Tensor, "steps batch"]]:
    memory, errors = memories[0] if automaton else None, list[BaseException]()

    def resume(last: Int64[np.ndarray, " batch"]) -> ConstraintAutomaton | None:
        nonlocal memory, automaton
        try:
            if automaton:
                memory, automaton = resume_automaton(samplers[0], memory, automaton, last)
        except BaseException as error:  # noqa: BLE001  # raised after the symbols before it
            errors.append(error)
            return None
        return automaton

    while remaining:
        numbers = uniforms(min(remaining, _KERNEL_STEPS))
        remaining -= numbers.shape[0]
        with torch.inference_mode():
            drawn = kernel(tokens, numbers, automaton, resume)
        # The symbols before an error are not lost.
        if drawn.shape[0]:
            yield drawn
        if errors:
            raise errors[0]
        if drawn.shape[0] < numbers.shape[0]:
            if automaton:
                check_places(samplers[0], automaton)
            raise _not_finite()
        tokens = drawn[-1]


def _draw_step_by_step(
    model: SequenceModel,
    samplers: Sequence[Sampler],
    memories: list[Any],
    states: States,
    tokens: Int[Tensor, " batch"],
    uniforms: Callable[[int], Tensor],
    remaining: int,
) -> Iterator[Int[Tensor, "steps batch"]]:
    device = next(model.parameters()).device
    with torch.inference_mode():
        step = model.stepper(len(tokens))
    for _ in range(remaining):
        with torch.inference_mode():
            logits, states = step(tokens.to(device), states)
            logits = logits.float().cpu()
            tokens = draw(logits, samplers, memories, uniforms(1)[0])
            memories = _advance(samplers, memories, tokens, logits)
        yield tokens.unsqueeze(0)


def _advance(samplers: Sequence[Sampler], memories: Sequence[Any], tokens: Tensor, logits: Tensor) -> list[Any]:
    return [sampler.advance(memory, tokens, logits) for sampler, memory in zip(samplers, memories, strict=True)]


def uniforms_of(seed: int, count: int, own: range | None = None) -> Callable[[int], Float[Tensor, "steps batch"]]:
    """Return a function that draws uniform numbers in [0, 1) for `count` samples and a given number of steps.

    With `own`, the function returns the numbers of these samples only.

    Raises:
        DataError: If the seed is negative.
    """
    check_minimum("seed", seed, 0)
    generator = np.random.default_rng(seed)
    columns = slice(None) if own is None else slice(own.start, own.stop)

    def draw_numbers(steps: int) -> Tensor:
        numbers = generator.random((steps, count), dtype=np.float32)
        return torch.from_numpy(np.ascontiguousarray(numbers[:, columns]))

    return draw_numbers


def draw(
    logits: Float[Tensor, "batch symbols"],
    samplers: Sequence[Sampler],
    memories: Sequence[object],
    uniforms: Float[Tensor, " batch"],
) -> Int[Tensor, " batch"]:
    """Draw a symbol for each row, by inverse transform sampling from the softmax of the transformed logits.

    Args:
        logits: Logits of the model.
        samplers: Chain of samplers.
        memories: Memory of each sampler.
        uniforms: Uniform random numbers in [0, 1).

    Raises:
        RunError: If a logit is not finite.
        PluginError: If a sampler forbids every symbol, or returns something other than finite logits.
    """
    check_finite(logits)
    transformed = logits
    for sampler, memory in zip(samplers, memories, strict=True):
        transformed = transform_logits(sampler, transformed, memory)
    highest = transformed.amax(-1, keepdim=True)
    if not _all_finite(highest):
        raise _not_drawable(logits, samplers, memories)
    cumulative = (transformed - highest).exp().cumsum(-1)
    thresholds = (uniforms.unsqueeze(1) * cumulative[:, -1:]).contiguous()
    # Rounding can make a threshold equal to the total. It then selects the last symbol that is not forbidden.
    last = cumulative.argmax(-1)
    return torch.minimum(torch.searchsorted(cumulative, thresholds, right=True).squeeze(1), last)


def _all_finite(numbers: Tensor) -> bool:
    # This runs on every step. For so few numbers, Python is faster than tensor operations.
    return all(map(math.isfinite, cast("list[float]", numbers.flatten().tolist())))


def _not_drawable(logits: Tensor, samplers: Sequence[Sampler], memories: Sequence[object]) -> PluginError:
    """Return an error that names the sampler from whose logits nothing can be drawn."""
    for sampler, memory in zip(samplers, memories, strict=True):
        logits = transform_logits(sampler, logits, memory)
        if fault := drawing_fault(logits):
            return wrong_result(sampler.transform, fault)
    return PluginError("the samplers forbid every symbol, but not when they are called again with the same logits")


def check_finite(logits: Float[Tensor, "batch symbols"]) -> None:
    """Raise a RunError if a logit is not finite."""
    # Twice as fast as `isfinite().all()`. If a logit is NaN, the extremes are NaN and the comparisons are false.
    if not (-math.inf < logits.amin().item() and logits.amax().item() < math.inf):
        raise _not_finite()


def _not_finite() -> RunError:
    hint, python_hint = (
        f"Sample an earlier checkpoint: {option}." for option in ("--checkpoint STEP", "checkpoint=STEP")
    )
    return RunError("the model's logits are not finite", hint=hint, python_hint=python_hint)
