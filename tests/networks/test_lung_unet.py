"""The lung network: shapes, gradients, the encoder's weights."""

import pytest
import torch
from torchvision.models import mobilenet_v2

from pneumonia.networks.lung_unet import LungUNet, fold_normalisation, load_encoder


def test_shapes() -> None:
    look = LungUNet().eval()(torch.zeros(2, 1, 96, 96))
    assert look.lungs.shape == (2, 48, 48)
    assert look.turned.shape == (2, 4)
    assert look.inverted.shape == (2,)
    assert look.texture.shape == (2, 96)
    assert look.shape.shape == (2, 320)


def test_every_parameter_receives_a_gradient() -> None:
    network = LungUNet()
    look = network(torch.randn(4, 1, 64, 64))
    (
        look.lungs.square().mean() + look.turned.square().mean() + look.inverted.square().mean()
    ).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == []


def test_a_radiograph_is_seen_alike_alone_and_among_others() -> None:
    network = LungUNet().eval()
    radiographs = torch.randn(3, 1, 64, 64)
    with torch.inference_mode():
        together, alone = network(radiographs).lungs[1], network(radiographs[1:2]).lungs[0]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_the_encoder_is_mobilenets() -> None:
    """Loaded, its last stage gives what torchvision's network gives there."""
    torch.manual_seed(0)
    source, network = mobilenet_v2(weights=None).eval(), LungUNet().eval()
    load_encoder(network, source.state_dict())
    radiograph = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        theirs = source.features[:18](radiograph.expand(-1, 3, -1, -1)).mean(dim=(2, 3))
        torch.testing.assert_close(network(radiograph).shape, theirs)


def test_an_incomplete_encoder_is_refused_by_name() -> None:
    tensors = mobilenet_v2(weights=None).state_dict()
    del tensors["features.3.conv.0.0.weight"]
    with pytest.raises(KeyError, match=r"features\.3\.conv\.0\.0\.weight"):
        load_encoder(LungUNet(), tensors)


def test_folding_the_normalisation_changes_no_answer() -> None:
    torch.manual_seed(3)
    network = LungUNet()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 1, 64, 64))
    radiograph = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        before = network.eval()(radiograph)
        fold_normalisation(network)
        after = network(radiograph)
    for one, two in zip(before, after, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)
    assert not [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
