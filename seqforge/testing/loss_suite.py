"""The conformance suite of losses, for subclasses in the tests of a plugin."""

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from seqforge.kinds import IGNORED_TARGET, Loss
from seqforge.testing.conformance import Factory, Suite, fail

_SYMBOLS = 5


class _Batch(NamedTuple):
    outputs: Tensor
    targets: Tensor

    @property
    def ignored(self) -> Tensor:
        return self.targets.isnan() if self.targets.is_floating_point() else self.targets == IGNORED_TARGET


class LossSuite(Suite, kind="loss"):
    """Tests that every loss must pass, listed as those of `CellSuite`."""

    losses: ClassVar[Mapping[str, Factory[Loss]]]

    def test_the_loss_is_a_finite_scalar(self, make: Factory[Loss]) -> None:
        """The loss is a finite scalar, also if all targets are ignored or outputs are large, and changes nothing."""
        loss = make()
        batch = _batch(loss)
        ignored = torch.nan if loss.compares == "numbers" else IGNORED_TARGET
        nothing = _Batch(batch.outputs, torch.full_like(batch.targets, ignored))
        targets = batch.targets.float() if loss.compares == "numbers" else batch.targets
        large = _Batch(1000 * batch.outputs.float(), targets)
        cases = {"random outputs": batch, "ignored targets only": nothing, "large outputs in float32": large}
        for name, each in cases.items():
            targets = each.targets.clone()
            value, gradient = _differentiate(loss, each)
            if not math.isfinite(value):
                fail(make, f"the loss of {name} is not finite", got=value)
            if not gradient.isfinite().all():
                fail(make, f"the gradient of {name} is not finite", got=gradient[~gradient.isfinite()][0].item())
            if not torch.equal(targets.nan_to_num(), each.targets.nan_to_num()):
                fail(make, "the given targets were modified in place")

    def test_gradients_are_right(self, make: Factory[Loss]) -> None:
        """The gradient agrees with finite differences in a random direction, and lowers the loss."""
        loss = make()
        batch = _batch(loss)
        _, gradient = _differentiate(loss, batch)
        direction = torch.randn(batch.outputs.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        moved = [batch._replace(outputs=batch.outputs + sign * 1e-3 * direction) for sign in (1, -1)]
        slopes = [_value(loss, each) for each in moved]
        expected, got = (slopes[0] - slopes[1]) / 2e-3, (gradient * direction).sum().item()
        if not abs(got - expected) <= 2e-3 * (1 + abs(expected)):  # A loss may compute in float32.
            slope = f"a slope of {expected:.6g}, by finite differences"
            fail(make, "the gradient of the outputs is wrong", expected=slope, got=f"{got:.6g}")
        if not gradient.any():
            fail(make, "the gradient of the outputs is 0, so that nothing can be learned")

    def test_ignored_targets_do_not_count(self, make: Factory[Loss]) -> None:
        """Outputs for ignored targets change neither the loss nor its gradient."""
        loss = make()
        batch = _batch(loss)
        if loss.aligns:  # Every output counts; padding follows the targets of a row.
            longer = _Batch(
                batch.outputs, torch.cat([batch.targets, torch.full_like(batch.targets[:1], IGNORED_TARGET)])
            )
            _require_near(make, "padding after the targets changes the loss", loss, longer, _value(loss, batch))
            return
        ignored = batch.ignored
        mask = ignored if ignored.ndim == batch.outputs.ndim else ignored.unsqueeze(-1)
        changed = _Batch(batch.outputs + mask * torch.arange(_SYMBOLS), batch.targets)
        problem = "an output for an ignored target changes the loss"
        _require_near(make, problem, loss, changed, _value(loss, batch))
        _, gradient = _differentiate(loss, batch)
        if (gradient * mask).any():
            fail(
                make,
                "an output for an ignored target has a gradient",
                expected="0",
                got=f"{(gradient * mask).max():.3g}",
            )

    def test_the_loss_is_a_mean_over_targets(self, make: Factory[Loss]) -> None:
        """The loss of a batch is the mean of the losses of its rows, weighted by their numbers of targets.

        If the loss aligns, an empty target counts as one.
        """
        loss = make()
        batch = _batch(loss)
        parts = [_Batch(batch.outputs[:, [row]], batch.targets[:, [row]]) for row in range(batch.targets.shape[1])]
        counts = [max(1, int((~part.ignored).sum())) for part in parts]
        values = [_value(loss, part) for part in parts]
        mean = sum(value * count for value, count in zip(values, counts, strict=True)) / sum(counts)
        problem = "the loss of a batch is not the mean over its targets that are not ignored"
        _require_near(make, problem, loss, batch, mean)

    def test_nats_are_a_negative_log_likelihood(self, make: Factory[Loss]) -> None:
        """If `in_nats`, the loss is the mean negative log-likelihood of the targets, without smoothing or weights."""
        loss = make()
        if not loss.in_nats or loss.compares != "symbols" or loss.aligns:
            return
        batch = _batch(loss)
        kept = ~batch.ignored
        chosen = batch.outputs.log_softmax(-1)[kept].gather(1, batch.targets[kept].unsqueeze(1))
        problem = "the loss is `in_nats`, but is not the mean negative log-likelihood of the targets"
        _require_near(make, problem, loss, batch, -chosen.mean().item())


def _batch(loss: Loss) -> _Batch:
    """Return outputs `[7, 3, 5]` in float64 and targets with some that are ignored.

    All targets of a row are ignored only if the loss aligns: the last target is then empty.
    """
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(7, 3, _SYMBOLS, generator=generator, dtype=torch.float64)
    if loss.compares == "numbers":
        targets = torch.randn(outputs.shape, generator=generator, dtype=torch.float64)
        return _Batch(outputs, targets.masked_fill(torch.rand(outputs.shape, generator=generator) < 0.3, torch.nan))
    steps = 2 if loss.aligns else 7
    targets = torch.randint(_SYMBOLS - loss.aligns, (steps, 3), generator=generator)
    for row in range(3):  # Ignored targets follow the others of a row, as padding does.
        targets[steps - row :, row] = IGNORED_TARGET
    return _Batch(outputs, targets)


def _value(loss: Loss, batch: _Batch) -> float:
    return _differentiate(loss, batch)[0]


def _differentiate(loss: Loss, batch: _Batch) -> tuple[float, Tensor]:
    outputs = batch.outputs.clone().requires_grad_()
    value = loss(outputs, batch.targets)
    (gradient,) = torch.autograd.grad(value, outputs, allow_unused=True, materialize_grads=True)
    return value.item(), gradient


def _require_near(make: Factory[Loss], problem: str, loss: Loss, batch: _Batch, expected: float) -> None:
    got = _value(loss, batch)
    if not abs(got - expected) <= 1e-5 * (1 + abs(expected)):
        fail(make, problem, expected=f"{expected:.6g}", got=f"{got:.6g}")
