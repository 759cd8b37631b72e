import math

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from train.losses import focal_loss


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.3, 1.5), (0.5, 0.0)])
def test_equals_torchvisions(alpha, gamma) -> None:
    logits = torch.randn(64, generator=torch.manual_seed(0)) * 4
    targets = (torch.rand(64) > 0.4).float()
    theirs = sigmoid_focal_loss(logits, targets, alpha=alpha, gamma=gamma, reduction="mean")
    torch.testing.assert_close(focal_loss(logits, targets, alpha=alpha, gamma=gamma), theirs)


def test_by_hand() -> None:
    # p = 0.5 for pneumonia: 0.25 * (1 - 0.5)^2 * ln 2
    loss = focal_loss(torch.zeros(1), torch.ones(1), alpha=0.25, gamma=2.0)
    assert loss.item() == pytest.approx(0.25 * 0.25 * math.log(2))


def test_without_focus_it_is_half_the_cross_entropy() -> None:
    logits, targets = torch.tensor([1.0, -2.0]), torch.tensor([1.0, 0.0])
    ours = focal_loss(logits, targets, alpha=0.5, gamma=0.0)
    torch.testing.assert_close(ours, F.binary_cross_entropy_with_logits(logits, targets) / 2)
