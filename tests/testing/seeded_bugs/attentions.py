"""Attentions that are wrong."""

import torch
from torch import nn

from seeded_bugs.bug import bug
from seqforge.kinds import Attention
from seqforge.testing.attention_suite import AttentionSuite


class DotProduct(Attention):
    """A correct attention."""

    def __init__(self, query_size, memory_size):
        super().__init__(query_size, memory_size)
        self.weight = nn.Parameter(torch.randn(query_size, memory_size))

    def score(self, queries, projected):
        return torch.einsum("tbq,qm,sbm->bts", queries, self.weight, projected)


@bug(AttentionSuite, "test_tensors_are_registered", "tensor `temperature` is not registered as a parameter or buffer")
class UnregisteredTemperature(DotProduct):
    """The temperature is a plain tensor."""

    def __init__(self, query_size, memory_size):
        super().__init__(query_size, memory_size)
        self.temperature = torch.tensor(0.5)


@bug(AttentionSuite, "test_weights_sum_to_one_over_a_rows_own_steps", "padding has a weight")
class AttendsToPadding(DotProduct):
    """Padding is not masked."""

    def forward(self, queries, memory, projected, lengths):
        return super().forward(queries, memory, projected, torch.full_like(lengths, len(memory)))


@bug(
    AttentionSuite, "test_weights_sum_to_one_over_a_rows_own_steps", "the sum of the weights of a decoder step is not 1"
)
class SigmoidWeights(DotProduct):
    """Weights do not sum to 1."""

    def forward(self, queries, memory, projected, lengths):
        average, weights = super().forward(queries, memory, projected, lengths)
        return average, weights.sqrt()


@bug(
    AttentionSuite,
    "test_a_row_gives_alone_what_it_gives_in_a_batch",
    "the average depends on other rows of the batch, or on the padding",
)
class ScaledByTheBatch(DotProduct):
    """Scores are divided by their largest value in the batch."""

    def score(self, queries, projected):
        scores = super().score(queries, projected)
        return scores / scores.abs().max()


@bug(
    AttentionSuite, "test_each_step_is_scored_by_itself", "the weights of decoder step 0 depend on other decoder steps"
)
class LooksAhead(DotProduct):
    """Scores depend on later decoder steps."""

    def score(self, queries, projected):
        return super().score(queries + queries.mean(0, keepdim=True), projected)


@bug(AttentionSuite, "test_attending_again_gives_the_same_bits", "the average is random in eval mode")
class NoisyScores(DotProduct):
    """Scores have noise in evaluation mode."""

    def score(self, queries, projected):
        scores = super().score(queries, projected)
        return scores + torch.rand_like(scores)


WEIGHTS = "test_weights_sum_to_one_over_a_rows_own_steps"


@bug(AttentionSuite, WEIGHTS, "the averages have a wrong shape: expected [1, 1, 1], got [1, 1]")
class AveragesOfOneStep(DotProduct):
    """The averages of a single decoder step have no time."""

    def forward(self, queries, memory, projected, lengths):
        average, weights = super().forward(queries, memory, projected, lengths)
        return average.squeeze(0), weights


@bug(AttentionSuite, WEIGHTS, "the weights have a wrong shape: expected [3, 2, 6], got [2, 3, 6]")
class WeightsByStep(DotProduct):
    """The decoder steps are the first axis of the weights."""

    def forward(self, queries, memory, projected, lengths):
        average, weights = super().forward(queries, memory, projected, lengths)
        return average, weights.transpose(0, 1)


@bug(AttentionSuite, WEIGHTS, "a weight is negative or not finite: got -")
class NegativeWeights(DotProduct):
    """Weights sum to 1, and some are below 0."""

    def forward(self, queries, memory, projected, lengths):
        average, weights = super().forward(queries, memory, projected, lengths)
        own = (weights > 0).double()
        return average, 2 * weights - own / own.sum(-1, keepdim=True)


@bug(
    AttentionSuite,
    "test_attending_again_gives_the_same_bits",
    "the given queries or encoder outputs were modified in place",
)
class ScalesTheQueries(DotProduct):
    """The queries are normalized in place, which a second call does not change."""

    def score(self, queries, projected):
        return super().score(queries.copy_(queries.sign()), projected)
