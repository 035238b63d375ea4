"""Samplers that are wrong."""

import torch

from seeded_bugs.bug import bug
from seqforge.kinds import RedrawingSampler, Review, Sampler
from seqforge.testing.sampler_suite import SamplerSuite


class Sharper(Sampler):
    """A correct sampler without memory."""

    def transform(self, logits, memory):
        return logits * 2


class NoRepetition(Sampler):
    """A correct sampler that forbids the symbol that was drawn last."""

    def start(self, context):
        return torch.full((context.batch_size,), -1)

    def transform(self, logits, memory):
        symbols = torch.arange(logits.shape[1])
        return logits.masked_fill(symbols == memory.unsqueeze(1), -torch.inf)

    def advance(self, memory, tokens, logits):
        return tokens


@bug(SamplerSuite, "test_logits_stay_logits", "transform forbids every symbol")
class ForbidsEverything(Sharper):
    """A row may lose all its symbols."""

    def transform(self, logits, memory):
        return logits.masked_fill(logits < 8, -torch.inf)


@bug(SamplerSuite, "test_logits_stay_logits", "transform returned a logit that is NaN or infinity")
class DividesByZero(Sharper):
    """Logits are divided by their sum, which is minus infinity if a symbol is forbidden."""

    def transform(self, logits, memory):
        return logits / logits.sum(-1, keepdim=True)


@bug(
    SamplerSuite,
    "test_forbidden_symbols_stay_forbidden",
    "a symbol that an earlier sampler of the chain forbids is allowed again",
)
class AllowsAgain(Sharper):
    """Forbidden symbols become unlikely instead."""

    def transform(self, logits, memory):
        return logits.clamp(min=-5)


@bug(SamplerSuite, "test_logits_stay_logits", "`transform` modifies the given logits")
class ModifiesItsInput(Sharper):
    """The given logits are modified in place."""

    def transform(self, logits, memory):
        return logits.mul_(2)


@bug(SamplerSuite, "test_rows_do_not_affect_each_other", "sample 0 depends on the other samples")
class ThresholdOfTheBatch(Sharper):
    """The threshold is that of the whole batch."""

    def transform(self, logits, memory):
        return logits.masked_fill(logits < logits.max() - 8, -torch.inf)


@bug(SamplerSuite, "test_the_same_draws_have_the_same_logits", "two generations at the same time affect each other")
class MemoryInAnAttribute(NoRepetition):
    """The memory is an attribute."""

    def start(self, context):
        self.last = super().start(context)

    def transform(self, logits, memory):
        return super().transform(logits, self.last)

    def advance(self, memory, tokens, logits):
        self.last = tokens


@bug(
    SamplerSuite,
    "test_the_same_draws_have_the_same_logits",
    "the logits depend on earlier samples or on random numbers",
)
class RandomThreshold(Sharper):
    """The temperature is random."""

    def transform(self, logits, memory):
        return logits * (1 + torch.rand(()))


class Lines(RedrawingSampler):
    """A correct redrawing sampler: a sample ends with its last line."""

    def start(self, context):
        return context.vocabulary

    def settle(self, memory, tokens):
        return memory

    def review(self, memory, tokens, new):
        return Review(len(tokens), 0)

    def finish(self, memory, tokens):
        text = memory.decode(tokens)
        return memory.encode(text[: text.rfind(b"\n") + 1]).tolist()


@bug(SamplerSuite, "test_reviews_and_the_end_are_valid", "review settled 24 and kept 12 of 24 symbols")
class SettlesMoreThanItKeeps(Lines):
    """Symbols are settled that may not stay."""

    def review(self, memory, tokens, new):
        return Review(len(tokens) // 2, len(tokens))


@bug(SamplerSuite, "test_reviews_and_the_end_are_valid", "finish returned 25 symbols, more than the 24 that are left")
class EndsTooLate(Lines):
    """The sample is longer than its length."""

    def finish(self, memory, tokens):
        return [*tokens, 0]


@bug(SamplerSuite, "test_reviews_and_the_end_are_valid", "a second review differs")
class ReviewsAtRandom(Lines):
    """The judgement is random."""

    def review(self, memory, tokens, new):
        return Review(int(torch.randint(len(tokens), ())), 0)


@bug(SamplerSuite, "test_logits_stay_logits", "raises IndexError: index 256 is out of bounds")
class TableOfBytes(Sharper):
    """A table has 256 symbols."""

    table = torch.zeros(256)

    def transform(self, logits, memory):
        return logits * 2 + self.table[torch.arange(logits.shape[1])]


@bug(
    SamplerSuite,
    "test_forbidden_symbols_stay_forbidden",
    "the probability of a symbol changes if another one is forbidden instead of improbable: is p log p NaN?",
)
class EntropyIsNotANumber(Sharper):
    """The entropy is NaN if a symbol is forbidden, so that nothing is cut."""

    def transform(self, logits, memory):
        log_p = logits.log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum(-1, keepdim=True)
        return logits.masked_fill(-log_p > entropy + 1, -torch.inf)


@bug(
    SamplerSuite,
    "test_logits_stay_logits",
    "it sets the seed of torch, so that the other random numbers of a run repeat",
)
class SetsTheSeed(Sharper):
    """The sampler sets the global seed."""

    def start(self, context):
        torch.manual_seed(7)


@bug(
    SamplerSuite, "test_logits_stay_logits", "the type of the logits changes: expected torch.float32, got torch.float64"
)
class ComputesInFloat64(Sharper):
    """The result is in float64."""

    def transform(self, logits, memory):
        return logits.double()


class SettlesHalf(Lines):
    """A correct redrawing sampler: the first half stays, and every symbol is kept."""

    def review(self, memory, tokens, new):
        return Review(len(tokens), len(tokens) // 2)

    def finish(self, memory, tokens):
        return tokens


@bug(SamplerSuite, "test_reviews_and_the_end_are_valid", "the end depends on what is settled: expected [")
class DropsTheFirstSymbol(SettlesHalf):
    """The first symbol that is not settled is lost."""

    def finish(self, memory, tokens):
        return tokens[1:]


@bug(SamplerSuite, "test_reviews_and_the_end_are_valid", "finish returned 24 symbols, more than the 12 that are left")
class FillsTheLength(SettlesHalf):
    """The end is filled up as if nothing were settled."""

    def finish(self, memory, tokens):
        return [*tokens, *[0] * (24 - len(tokens))]
