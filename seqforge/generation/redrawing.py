"""Samples in which a sampler lets symbols be drawn again: the engine goes back to an earlier state of the model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqforge.generation.drawing import StepByStep, find_kernel, require_all_drawn
from seqforge.kinds import RedrawingSampler, Sampler, SamplingContext, State
from seqforge.kinds.sampler import finish_symbols, review_symbols
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import map_states

NO_SYMBOL = -1
"""Fills a sample that ended before others of its batch."""

STEPS = 16
"""Symbols that are drawn between two reviews. The engine can go back to the beginning of such a piece only."""

PATIENCE = 4
"""Failures after which the engine goes back by one more piece. Each piece that is kept cancels one failure."""

MOST_DRAWS = 8
"""Draws for each symbol of the length of a sample, after which the sample ends early."""


@dataclass(slots=True)
class _Sample:
    """A sample that is being drawn.

    Attributes:
        last: Last settled symbol, or last one of the prompt.
        memory: Memory of the redrawing sampler after the settled symbols.
        states: States at the start of each piece, by the number of `tokens` before it. The last of these tokens is not
            read yet.
        settled: Symbols that never change again.
        tokens: Symbols drawn after them.
        draws: Number of all draws.
        failures: Number of failures that no kept piece has cancelled, since the sample last went back all the way.
        ended: Whether the sample is complete.
    """

    last: int
    memory: Any
    states: dict[int, States]
    settled: list[int] = field(default_factory=list[int])
    tokens: list[int] = field(default_factory=list[int])
    draws: int = 0
    failures: int = 0
    ended: bool = False


def redraw(
    model: SequenceModel,
    samplers: Sequence[Sampler],
    context: SamplingContext,
    states: States,
    uniforms: Callable[[int], Float[Tensor, "steps batch"]],
    count: int,
) -> Iterator[Int[Tensor, "steps batch"]]:
    """Draw samples with a chain that has a redrawing sampler.

    After each piece of `STEPS` symbols, the sampler reviews every sample. If it does not keep all symbols, the sample
    goes back to the last beginning of a piece up to which they are kept, and further after several failures. To go
    back to the beginning of the sample would be rejection sampling, which has the distribution of the model under the
    condition that everything is kept. But it prefers text that cannot be wrong, such as comments, and takes long.

    The model may be on any device. The context has a batch size of 1, and so have the states, those before the last
    symbol of the prompt. `uniforms` draws the random numbers of all samples.

    Yields:
        Settled symbols; `NO_SYMBOL` follows the end of a sample that is shorter than others.

    Raises:
        RunError: If the logits are not finite.
        PluginError: If the sampler returns an invalid review.
    """
    # The check of the experiment ensures that there is one, and that the others have no memory.
    redrawing = next(sampler for sampler in samplers if isinstance(sampler, RedrawingSampler))
    drawing = [sampler for sampler in samplers if sampler is not redrawing]
    draw = find_kernel(model, drawing) or StepByStep(model, drawing, [None] * len(drawing))
    start = redrawing.start(context)
    samples = [_Sample(int(context.prompt[-1]), start, {0: states}) for _ in range(count)]
    yielded = 0
    while drawn := [(index, sample) for index, sample in enumerate(samples) if not sample.ended]:
        # Each sample has its own random numbers, whatever happens to the others.
        numbers = uniforms(STEPS)[:, [index for index, _ in drawn]]
        last = torch.tensor([sample.tokens[-1] if sample.tokens else sample.last for _, sample in drawn])
        with torch.inference_mode():
            before = _join([sample.states[len(sample.tokens)] for _, sample in drawn])
            tokens, after = draw(last, before, numbers)
        require_all_drawn(tokens, numbers)
        rows = cast("list[list[int]]", tokens.t().tolist())
        for row, ((_, sample), piece) in enumerate(zip(drawn, rows, strict=True)):
            sample.tokens += piece
            sample.states[len(sample.tokens)] = _take(after, row)
            _continue(sample, redrawing, context.length)
        growing = [len(sample.settled) for sample in samples if not sample.ended]
        ready = min(growing) if growing else max(len(sample.settled) for sample in samples)
        if ready > yielded or not growing:
            parts = [torch.tensor(sample.settled[yielded:ready], dtype=torch.int64) for sample in samples]
            yield pad_sequence(parts, padding_value=NO_SYMBOL)
            yielded = ready


def _continue(sample: _Sample, redrawing: RedrawingSampler, length: int) -> None:
    """Review a sample after a piece was drawn, and go back, settle symbols, or end the sample."""
    room = length - len(sample.settled)
    new = STEPS - max(0, len(sample.tokens) - room)  # Earlier reviews have judged the others.
    tokens = sample.tokens = sample.tokens[:room]
    sample.draws += STEPS
    kept, settled = review_symbols(redrawing, sample.memory, tokens, new)
    if kept < len(tokens):
        kept = _go_back(sample, kept)
    else:
        sample.failures = max(0, sample.failures - 1)
    if kept == room or sample.draws >= MOST_DRAWS * length:
        sample.settled += finish_symbols(redrawing, sample.memory, tokens[:kept], room)
        sample.ended = True
        return
    # Only the beginning of a piece can be settled.
    if settled := settled and max(start for start in sample.states if start <= min(settled, kept)):
        sample.memory = redrawing.settle(sample.memory, tokens[:settled])
        sample.settled += tokens[:settled]
        sample.tokens, sample.last = sample.tokens[settled:], tokens[settled - 1]
        sample.states = {start - settled: states for start, states in sample.states.items() if start >= settled}


def _go_back(sample: _Sample, kept: int) -> int:
    """Go back at least to a number of symbols, and return the number of symbols that are left."""
    starts = sorted(start for start in sample.states if start <= kept)
    starts = starts[: max(1, len(starts) - sample.failures // PATIENCE)]
    sample.failures = sample.failures + 1 if len(starts) > 1 else 0
    sample.tokens = sample.tokens[: starts[-1]]
    sample.states = {start: sample.states[start] for start in starts}
    return starts[-1]


def _join(states: Sequence[States]) -> States:
    """Return the states of one batch from those of its rows."""
    layers = zip(*states, strict=True)
    return tuple(type(layer[0])(*map(torch.cat, zip(*layer, strict=True))) for layer in layers)


def _take(states: Sequence[State], row: int) -> States:
    """Return a copy of the states of one row."""
    return map_states(lambda part: part.narrow_copy(0, row, 1), tuple(states))
