"""The outputs' meaning; and the map against autograd, averaged and flattened."""

import pytest
import torch
from torch import nn

from pneumonia.networks.cam import GlobalAverage, class_activation_map
from pneumonia.networks.outputs import pneumonia_gradient, pneumonia_logit, viral_logit

POOLS = {"averaged": (GlobalAverage(), 6), "flattened": (nn.Flatten(), 6 * 3 * 4)}


def make_head(width: int, hidden: tuple[int, ...], outputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for wide in hidden:
        layers += [nn.Linear(width, wide), nn.ReLU(), nn.Dropout(0.5)]
        width = wide
    return [*layers, nn.Linear(width, outputs)]


@pytest.fixture(params=POOLS)
def pooling(request):
    return POOLS[request.param]


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("hidden", [(), (50,), (20, 10)])
def test_the_map_is_gradient_times_features(pooling, hidden, outputs) -> None:
    """HiResCAM, by autograd; for averaged cells that is Grad-CAM before its ReLU."""
    torch.manual_seed(3)
    pool, width = pooling
    layers = make_head(width, hidden, outputs)
    head = nn.Sequential(*layers).eval()
    features = torch.randn(5, 6, 3, 4, requires_grad=True)
    logit = pneumonia_logit(head(pool(features)))
    gradient = torch.autograd.grad(logit.sum(), features)[0]

    ours = class_activation_map(features, pool, layers)

    reference = (gradient * features).sum(dim=1) * 12
    torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-5)
    if isinstance(pool, GlobalAverage):
        importance = gradient.mean(dim=(2, 3), keepdim=True)
        gradcam = (importance * features).sum(dim=1) * 12
        torch.testing.assert_close(ours, gradcam, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("hidden", [(), (50,), (20, 10)])
def test_the_map_adds_up_to_the_logit(pooling, hidden, outputs) -> None:
    """Its mean, each bias times the gradient there, and the entropy of the patterns."""
    torch.manual_seed(4)
    pool, width = pooling
    layers = make_head(width, hidden, outputs)
    head = nn.Sequential(*layers).eval()
    features = torch.randn(5, 6, 3, 4)
    answers = head(pool(features))
    logit = pneumonia_logit(answers)

    bias_terms = torch.zeros(5)
    for at, layer in enumerate(layers):
        if isinstance(layer, nn.Linear):
            before = head[: at + 1](pool(features)).detach().requires_grad_()
            after = pneumonia_logit(head[at + 1 :](before))
            bias_terms += torch.autograd.grad(after.sum(), before)[0] @ layer.bias
    if outputs > 1:
        pattern = answers[:, 1:].softmax(dim=1)
        bias_terms -= (pattern * pattern.log()).sum(dim=1)

    ours = class_activation_map(features, pool, layers).mean(dim=(1, 2))
    torch.testing.assert_close(ours + bias_terms, logit, rtol=1e-4, atol=1e-5)


def test_a_head_the_map_is_not_defined_for_is_refused() -> None:
    layers = [nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)]
    with pytest.raises(TypeError, match="a head with Tanh"):
        class_activation_map(torch.randn(1, 4, 2, 2), GlobalAverage(), layers)


def test_pooling_the_map_is_not_defined_for_is_refused() -> None:
    pool = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
    with pytest.raises(TypeError, match="pooling by Sequential"):
        class_activation_map(torch.randn(1, 4, 2, 2), pool, [nn.Linear(4, 1)])


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_logits_sigmoid_is_the_softmax_of_pneumonia(outputs) -> None:
    answers = torch.randn(7, outputs, generator=torch.Generator().manual_seed(1)) * 3
    probability = pneumonia_logit(answers).sigmoid()
    expected = answers.sigmoid()[:, 0] if outputs == 1 else answers.softmax(dim=1)[:, 1:].sum(dim=1)
    torch.testing.assert_close(probability, expected)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_gradient_is_the_logits(outputs) -> None:
    answers = torch.randn(7, outputs).requires_grad_()
    by_autograd = torch.autograd.grad(pneumonia_logit(answers).sum(), answers)[0]
    torch.testing.assert_close(pneumonia_gradient(answers), by_autograd)


def test_viral_against_bacterial() -> None:
    """Of 0.2 normal, 0.6 bacterial and 0.2 viral, a quarter of pneumonias is viral."""
    answers = torch.tensor([[0.2, 0.6, 0.2]]).log()
    assert viral_logit(answers).sigmoid().item() == pytest.approx(0.25)
    assert pneumonia_logit(answers).sigmoid().item() == pytest.approx(0.8)
