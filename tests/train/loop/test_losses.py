import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from train.loop.losses import balanced_weights, covered_loss, make_loss, share_outside
from train.recipes.sections import Loss


def focal(logits: torch.Tensor, targets: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    loss = make_loss(Loss("focal", alpha=alpha, gamma=gamma), targets.numpy(), 2)
    return loss(logits[:, None], targets)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.3, 1.5), (0.5, 0.0)])
def test_focal_loss_is_that_of_the_paper(alpha, gamma) -> None:
    """Lin et al. 2017, equation 5: -alpha_t (1 - p_t)^gamma log p_t."""
    logits = torch.randn(64, generator=torch.manual_seed(0)) * 4
    targets = (torch.rand(64) > 0.4).long()
    p = torch.sigmoid(logits)
    of_target = torch.where(targets == 1, p, 1 - p)
    weight = torch.where(targets == 1, alpha, 1 - alpha)
    expected = (-weight * (1 - of_target) ** gamma * of_target.log()).mean()
    torch.testing.assert_close(focal(logits, targets, alpha, gamma), expected)


def test_by_hand() -> None:
    # p = 0.5 for pneumonia: 0.25 * (1 - 0.5)^2 * ln 2
    loss = focal(torch.zeros(1), torch.ones(1, dtype=torch.int64), 0.25, 2.0)
    assert loss.item() == pytest.approx(0.25 * 0.25 * math.log(2))


def test_without_focus_it_is_half_the_cross_entropy() -> None:
    logits, targets = torch.tensor([1.0, -2.0]), torch.tensor([1, 0])
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets.float())
    torch.testing.assert_close(focal(logits, targets, 0.5, 0.0), cross_entropy / 2)


def test_a_covered_radiograph_is_to_have_a_logit_of_nothing() -> None:
    assert covered_loss(torch.tensor([2.0, -1.0])).item() == pytest.approx(2.5)
    assert covered_loss(torch.tensor([])).item() == 0


def test_the_share_outside_counts_strength_of_either_sign() -> None:
    maps = torch.tensor([[[3.0, -1.0], [0.0, 0.0]], [[0.0, 0.0], [2.0, 2.0]]])
    inside = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.5, 1.0]]])
    # 1 of 4 lies outside on the first film, 1 of 4 on the second
    assert share_outside(maps, inside).item() == pytest.approx(0.25, abs=1e-5)


def test_the_share_outside_has_a_gradient_that_moves_heat_inside() -> None:
    maps = torch.ones(1, 2, 2, requires_grad=True)
    share_outside(maps, torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])).backward()
    assert maps.grad is not None
    assert maps.grad[0, 0, 0] < 0 < maps.grad[0, 1, 1]


def test_cross_entropies_of_one_and_of_two_outputs_are_the_same() -> None:
    logits, targets = torch.randn(32, generator=torch.manual_seed(0)), torch.arange(32) % 2
    one = make_loss(Loss("binary_cross_entropy"), targets.numpy(), 2)
    two = make_loss(Loss("cross_entropy"), targets.numpy(), 2)
    pair = torch.stack([torch.full((32,), 0.7), logits + 0.7], dim=1)
    torch.testing.assert_close(one(logits[:, None], targets), two(pair, targets))


def test_smoothing_draws_labels_towards_evenness_in_both() -> None:
    logits, targets = torch.randn(32, generator=torch.manual_seed(0)), torch.arange(32) % 2
    one = make_loss(Loss("binary_cross_entropy"), targets.numpy(), 2, 0.2)
    two = make_loss(Loss("cross_entropy"), targets.numpy(), 2, 0.2)
    pair = torch.stack([torch.zeros(32), logits], dim=1)
    torch.testing.assert_close(one(logits[:, None], targets), two(pair, targets))


def test_balanced_weights_make_every_class_count_the_same() -> None:
    targets = np.array([0] * 2 + [1] * 6 + [2] * 4)
    weights = balanced_weights(targets, 3)
    torch.testing.assert_close(weights, torch.tensor([2.0, 12 / 18, 1.0]))
    assert weights[targets].mean().item() == pytest.approx(1)
    outputs = torch.randn(12, 3, generator=torch.manual_seed(0))
    loss = make_loss(Loss("cross_entropy", class_weights="balanced"), targets, 3)
    per_class = [
        F.cross_entropy(outputs[targets == c], torch.from_numpy(targets[targets == c]))
        for c in range(3)
    ]
    ours = loss(outputs, torch.from_numpy(targets))
    torch.testing.assert_close(ours, torch.stack(per_class).mean())
