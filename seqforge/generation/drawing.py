"""Draws of symbols: the uniform random numbers, the draw of one symbol, and of many by a kernel or step by step."""

import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.errors import DataError, NonFiniteError, PluginError
from seqforge.faults import wrong_result
from seqforge.kinds import GenerationKernel, RuleSampler, Sampler, State
from seqforge.kinds.sampler import drawing_fault, transform_logits
from seqforge.model.sequence_model import SequenceModel


def check_minimum(name: str, number: int, minimum: int) -> None:
    """Check a number that the user chooses.

    Raises:
        DataError: If it is no whole number, or below the minimum.
    """
    if not isinstance(number, Integral):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DataError(f"{name} is {number!r}", hint=f"It must be a whole number of at least {minimum}.")
    if number < minimum:
        raise DataError(f"{name} is {number}", hint=f"It must be at least {minimum}.")


def find_kernel(model: SequenceModel, samplers: Sequence[Sampler]) -> GenerationKernel | None:
    """Return a generation kernel for a model and a chain of samplers, or None if symbols must be drawn step by step."""
    rules = [sampler.logit_rule() for sampler in samplers if isinstance(sampler, RuleSampler)]
    others = [type(sampler).__name__ for sampler in samplers if not isinstance(sampler, RuleSampler)]
    if model.precision == "int8":
        if not others and (kernel := model.generation_kernel(rules, int8=True)) is not None:
            return kernel
        needs = "kernels for these cells and this processor (see `seqforge doctor`), and finite weights"
        if others:
            needs = f"samplers that kernels support, unlike {' and '.join(others)}"
        warnings.warn(f"int8 needs {needs}. This run uses the precision `auto` instead.", stacklevel=3)
    return None if others else model.generation_kernel(rules)


class StepByStep:
    """A substitute for a generation kernel: it draws one symbol per step of the model, with samplers of any kind."""

    def __init__(self, model: SequenceModel, samplers: Sequence[Sampler], memories: Sequence[Any]) -> None:
        self._samplers = samplers
        self._memories: list[Any] = [*memories]
        self._device = next(model.parameters()).device
        with torch.inference_mode():
            self._step = model.stepper()

    def __call__(
        self, last: Int[Tensor, " batch"], states: Sequence[State], uniforms: Float[Tensor, "steps batch"]
    ) -> tuple[Int[Tensor, "steps batch"], Sequence[State]]:
        """Draw symbols; see `GenerationKernel.__call__`."""
        drawn: list[Tensor] = []
        for numbers in uniforms:
            logits, states = self._step(last.to(self._device), tuple(states))
            logits = logits.float().cpu()
            last = draw(logits, self._samplers, self._memories, numbers)
            pairs = zip(self._samplers, self._memories, strict=True)
            self._memories = [sampler.advance(memory, last, logits) for sampler, memory in pairs]
            drawn.append(last)
        return torch.stack(drawn), states


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

    The samplers are a chain, each with its memory, and the uniform random numbers are in [0, 1).

    Raises:
        NonFiniteError: If a logit is not finite.
        PluginError: If a sampler forbids every symbol, or returns something other than finite logits.
    """
    check_finite(logits)
    transformed = logits
    for sampler, memory in zip(samplers, memories, strict=True):
        transformed = transform_logits(sampler, transformed, memory)
    highest = transformed.amax(-1, keepdim=True)
    # This runs on every step. For so few numbers, Python is faster than tensor operations.
    if not all(map(math.isfinite, cast("list[float]", highest.flatten().tolist()))):
        raise _not_drawable(logits, samplers, memories)
    cumulative = (transformed - highest).exp().cumsum(-1)
    thresholds = (uniforms.unsqueeze(1) * cumulative[:, -1:]).contiguous()
    # Rounding can make a threshold equal to the total. It then selects the last symbol that is not forbidden.
    last = cumulative.argmax(-1)
    return torch.minimum(torch.searchsorted(cumulative, thresholds, right=True).squeeze(1), last)


def _not_drawable(logits: Tensor, samplers: Sequence[Sampler], memories: Sequence[object]) -> PluginError:
    """Return an error that names the sampler from whose logits nothing can be drawn."""
    for sampler, memory in zip(samplers, memories, strict=True):
        logits = transform_logits(sampler, logits, memory)
        if fault := drawing_fault(logits):
            return wrong_result(sampler.transform, fault)
    return PluginError("the samplers forbid every symbol, but not when they are called again with the same logits")


def check_finite(logits: Float[Tensor, "batch symbols"]) -> None:
    """Raise a `NonFiniteError` if a logit is not finite."""
    # Twice as fast as `isfinite().all()`. If a logit is NaN, the extremes are NaN and the comparisons are false.
    if not (-math.inf < logits.amin().item() and logits.amax().item() < math.inf):
        raise _not_finite()


def require_all_drawn(drawn: Int[Tensor, "drawn batch"], uniforms: Float[Tensor, "steps batch"]) -> None:
    """Raise a `NonFiniteError` if a generation kernel stopped before a step whose logits are not finite."""
    if len(drawn) < len(uniforms):
        raise _not_finite()


def _not_finite() -> NonFiniteError:
    hint = "Sample an earlier checkpoint: --checkpoint STEP, or checkpoint=STEP in Python."
    return NonFiniteError("the model's logits are not finite in a sample", hint=hint)
