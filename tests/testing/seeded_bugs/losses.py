"""Losses that are wrong."""

import torch
from torch import nn

from seeded_bugs.bug import bug
from seqforge.kinds import IGNORED_TARGET, Loss
from seqforge.testing.loss_suite import LossSuite


class CrossEntropy(Loss):
    """A correct loss."""

    in_nats = True
    reduction = "sum"
    ignore_index = IGNORED_TARGET

    def forward(self, outputs, targets):
        total = nn.functional.cross_entropy(
            outputs.flatten(0, -2), targets.flatten(), reduction=self.reduction, ignore_index=self.ignore_index
        )
        return total / (targets != IGNORED_TARGET).sum().clamp(min=1)


@bug(
    LossSuite,
    "test_the_loss_is_a_finite_scalar",
    "forward returned a tensor [21] of torch.float64, not a scalar tensor",
)
class LossOfEachTarget(CrossEntropy):
    """The loss is not reduced."""

    reduction = "none"


@bug(LossSuite, "test_the_loss_is_a_finite_scalar", "the loss of ignored targets only is not finite")
class MeanOfNothing(CrossEntropy):
    """The loss is NaN if all targets are ignored."""

    def forward(self, outputs, targets):
        return super().forward(outputs, targets) / (targets != IGNORED_TARGET).any()


@bug(LossSuite, "test_the_loss_is_a_mean_over_targets", "the loss of a batch is not the mean over its targets")
class MeanOverRows(CrossEntropy):
    """The loss is a mean of the means of rows, whatever their lengths."""

    def forward(self, outputs, targets):
        rows = [super(MeanOverRows, self).forward(outputs[:, row], targets[:, row]) for row in range(outputs.shape[1])]
        return torch.stack(rows).mean()


@bug(LossSuite, "test_the_loss_is_a_mean_over_targets", "the loss of a batch is not the mean over its targets")
class EmptyTargetsAreFree(Loss):
    """An empty target of a loss that aligns does not count in the mean."""

    in_nats = aligns = True

    def forward(self, outputs, targets):
        time, batch, symbols = outputs.shape
        lengths = (targets != IGNORED_TARGET).sum(0)
        inputs, target_symbols = outputs.log_softmax(-1), targets.t().clamp(min=0)
        options = {"blank": symbols - 1, "reduction": "sum", "zero_infinity": True}
        total = nn.functional.ctc_loss(inputs, target_symbols, torch.full((batch,), time), lengths, **options)
        return total / lengths.sum().clamp(min=1)


@bug(LossSuite, "test_ignored_targets_do_not_count", "an output for an ignored target changes the loss")
class PaddingIsClass0(CrossEntropy):
    """Ignored targets count as the symbol 0."""

    def forward(self, outputs, targets):
        return super().forward(outputs, targets.clamp(min=0))


@bug(
    LossSuite,
    "test_the_loss_is_a_finite_scalar",
    "forward returned a constant, not a function of the outputs with a gradient",
)
class Detached(CrossEntropy):
    """The loss is detached from the outputs."""

    def forward(self, outputs, targets):
        return super().forward(outputs.detach(), targets)


@bug(LossSuite, "test_gradients_are_right", "the gradient of the outputs is wrong")
class DetachedLogits(CrossEntropy):
    """A part of the loss is detached."""

    def forward(self, outputs, targets):
        return super().forward(outputs - outputs.logsumexp(-1, keepdim=True).detach() + outputs.detach(), targets)


@bug(LossSuite, "test_nats_are_a_negative_log_likelihood", "the loss is `in_nats`, but is not the mean negative")
class InBits(CrossEntropy):
    """A loss in bits is marked as `in_nats`."""

    def forward(self, outputs, targets):
        return super().forward(outputs, targets) * 1.442695


@bug(LossSuite, "test_nats_are_a_negative_log_likelihood", "the loss is `in_nats`, but is not the mean negative")
class Smoothed(CrossEntropy):
    """A loss with label smoothing is marked as `in_nats`."""

    def forward(self, outputs, targets):
        return 0.9 * super().forward(outputs, targets) - 0.1 * outputs.log_softmax(-1)[targets >= 0].mean()


@bug(LossSuite, "test_the_loss_is_a_finite_scalar", "the loss of large outputs in float32 is not finite")
class LogOfSoftmax(CrossEntropy):
    """The logarithm of a probability of 0 is infinite."""

    def forward(self, outputs, targets):
        chosen = outputs.softmax(-1).log()[targets != IGNORED_TARGET]
        total = nn.functional.nll_loss(chosen, targets[targets != IGNORED_TARGET], reduction="sum")
        return total / (targets != IGNORED_TARGET).sum().clamp(min=1)


@bug(LossSuite, "test_the_loss_is_a_finite_scalar", "the gradient of ignored targets only is not finite: got nan")
class RootOfTheSize(CrossEntropy):
    """A penalty has a square root, whose slope at 0 is infinite."""

    def forward(self, outputs, targets):
        kept = outputs * (targets != IGNORED_TARGET).unsqueeze(-1)
        return super().forward(outputs, targets) + kept.square().sum().sqrt()


@bug(LossSuite, "test_the_loss_is_a_finite_scalar", "the given targets were modified in place")
class ReplacesTargets(CrossEntropy):
    """Ignored targets are replaced in place."""

    def forward(self, outputs, targets):
        ignored = targets == IGNORED_TARGET
        losses = nn.functional.cross_entropy(
            outputs.transpose(1, -1), targets.masked_fill_(ignored, 0).transpose(1, -1), reduction="none"
        )
        return losses.masked_fill(ignored, 0).sum() / (~ignored).sum().clamp(min=1)


@bug(LossSuite, "test_gradients_are_right", "the gradient of the outputs is 0, so that nothing can be learned")
class Rounds(CrossEntropy):
    """The outputs are rounded, and a step has no slope."""

    def forward(self, outputs, targets):
        return super().forward((outputs / 10).round(), targets)


@bug(
    LossSuite,
    "test_ignored_targets_do_not_count",
    "an output for an ignored target has a gradient: expected 0, got 0.00952",
)
class GradientOfPadding(CrossEntropy):
    """The gradient of a term without a value reaches every output."""

    def forward(self, outputs, targets):
        return super().forward(outputs, targets) + (outputs - outputs.detach()).mean()


@bug(LossSuite, "test_ignored_targets_do_not_count", "padding after the targets changes the loss")
class MeanWithPadding(EmptyTargetsAreFree):
    """A loss that aligns divides by the padded number of targets."""

    def forward(self, outputs, targets):
        return super().forward(outputs, targets) / len(targets)
