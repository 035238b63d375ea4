"""The loss `mean-squared-error`."""

import pytest
import torch
from seqforge_essentials.losses import MeanSquaredError


def test_the_loss_and_its_gradient_ignore_nan():
    outputs = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    targets = torch.tensor([[0.0, torch.nan], [3.0, 3.0]])
    value = MeanSquaredError()(outputs, targets)
    assert value.item() == pytest.approx((1 + 0 + 4) / 3)
    value.backward()
    assert outputs.grad is not None
    torch.testing.assert_close(outputs.grad, torch.tensor([[2 / 3, 0.0], [0.0, 4 / 3]]))


def test_the_loss_without_nan_equals_that_of_torch():
    outputs, targets = torch.randn(4, 3, 2), torch.randn(4, 3, 2)
    torch.testing.assert_close(MeanSquaredError()(outputs, targets), torch.nn.functional.mse_loss(outputs, targets))


def test_the_loss_of_one_target_is_its_square():
    assert MeanSquaredError()(torch.tensor([[5.0], [1.0]]), torch.tensor([[2.0], [torch.nan]])).item() == 9


def test_the_loss_without_targets_is_0():
    assert MeanSquaredError()(torch.randn(2, 1), torch.full((2, 1), torch.nan)).item() == 0
