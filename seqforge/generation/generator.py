"""The sampling loop, which draws a symbol, reads that symbol, draws the next one, and so on."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from seqforge.generation.beginning import BeginsWith
from seqforge.generation.drawing import StepByStep, check_minimum, find_kernel, require_all_drawn, uniforms_of
from seqforge.generation.redrawing import redraw
from seqforge.kinds import RedrawingSampler, Sampler, SamplingContext, Vocabulary
from seqforge.model import SequenceModel, map_states

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
    step_by_step = StepByStep(model, chain, [sampler.start(context) for sampler in chain])
    draw_symbols = step_by_step if beginning else kernel or step_by_step
    last = prompt[-1:].expand(count)
    while length:
        numbers = uniforms(min(length, 1 if draw_symbols is step_by_step else _KERNEL_STEPS))
        length -= len(numbers)
        with torch.inference_mode():
            drawn, states = draw_symbols(last, states, numbers)
        # The symbols before an error are not lost.
        if len(drawn):
            yield drawn
        require_all_drawn(drawn, numbers)
        last = drawn[-1]
        draw_symbols = kernel or step_by_step
