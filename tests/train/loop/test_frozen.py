"""What of a network is trained when, and that the parts fit together again."""

import pytest
import torch

from pneumonia.errors import RecipeError
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.spec import NetworkSpec
from train.loop.features import digest_of, frozen_part
from train.loop.frozen import TrainableLayers, first_trainable, frozen_layers
from train.recipes.sections import Training


@pytest.fixture(scope="module")
def network() -> Classifier:
    torch.manual_seed(1)
    return build(NetworkSpec("resnet18", hidden=(8,), outputs=2)).eval()


def training(**changes) -> Training:
    return Training(**{"epochs": 3, "batch_size": 4} | changes)


LAYERS = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]


@pytest.mark.parametrize(
    ("changes", "new", "first", "by_epoch"),
    [
        ({}, (), 0, [0, 0]),
        ({"trainable": "head"}, (), 8, [8, 8]),
        ({"trainable": "head"}, ("layer4",), 7, [7, 7]),
        ({"trainable": "head"}, tuple(LAYERS), 0, [0, 0]),
        ({"trainable": "layer3"}, (), 6, [6, 6]),
        ({"trainable": "head", "unfreeze_from": "layer4", "unfreeze_after": 1}, (), 7, [8, 7]),
        ({"trainable": "layer4", "unfreeze_from": "layer2", "unfreeze_after": 1}, (), 5, [7, 5]),
    ],
)
def test_what_is_frozen_in_which_epoch(network, changes, new, first, by_epoch) -> None:
    own = training(**changes)
    assert first_trainable(network, own, new) == first
    found = [frozen_layers(network, own, new, epoch) for epoch in (0, 1)]
    assert found == [LAYERS[:n] for n in by_epoch]


def test_a_layer_that_is_not_there_is_named(network) -> None:
    with pytest.raises(RecipeError, match=r"from the layer 'layer9' on, .* Its layers: conv1, bn1"):
        first_trainable(network, training(trainable="layer9"), ())


@pytest.mark.parametrize("first", [0, 4, 7, 8])
def test_frozen_part_and_trainable_layers_are_the_network(network, first) -> None:
    x = torch.randn(2, 3, 64, 64, generator=torch.manual_seed(0))
    with torch.inference_mode():
        between = x if first == 0 else frozen_part(network, first)(x)
        torch.testing.assert_close(TrainableLayers(network, first).eval()(between)[0], network(x))
    assert between.ndim == (2 if first == 8 else 4)


def test_the_dense_layers_of_vgg16_are_frozen_with_its_body() -> None:
    with torch.device("meta"):
        network = build(NetworkSpec("vgg16", outputs=2))
        pretrained, scratch = (
            first_trainable(network, training(trainable="head"), ()),
            first_trainable(network, training(trainable="head"), ("dense",)),
        )
        assert pretrained == len(network.body) + 1
        assert scratch == len(network.body)
        layers = TrainableLayers(network, pretrained)
        assert frozen_part(network, pretrained)(torch.empty(2, 3, 224, 224)).shape == (2, 4096)
    assert [name for name, _ in layers.named_parameters()] == [
        "layers.head.1.weight",
        "layers.head.1.bias",
    ]


def test_frozen_layers_keep_their_weights_and_statistics(network) -> None:
    layers = TrainableLayers(network, 6)  # layer3, layer4
    layers.train()
    layers.freeze(["layer3"])
    before = digest_of(layers.layers.body.layer3)
    assert not any(p.requires_grad for p in layers.layers.body.layer3.parameters())
    assert all(p.requires_grad for p in layers.layers.body.layer4.parameters())
    layers(torch.randn(4, 128, 8, 8))[0].sum().backward()
    assert digest_of(layers.layers.body.layer3) == before
    layers.freeze([])
    assert all(p.requires_grad for p in layers.parameters())
    layers.train()
    layers(torch.randn(4, 128, 8, 8))
    assert digest_of(layers.layers.body.layer3) != before


def test_the_dense_layers_of_vgg16_are_frozen_until_what_is_before_them_learns() -> None:
    with torch.device("meta"):
        network = build(NetworkSpec("vgg16", outputs=2))
        own = training(trainable="head", unfreeze_from="28", unfreeze_after=1)
        first, second = (frozen_layers(network, own, (), epoch) for epoch in (0, 1))
        assert first[-1] == "dense"
        assert "dense" not in second
        assert second[-1] == "27"
        layers = TrainableLayers(network, first_trainable(network, own, ()))
        layers.freeze(first)
        assert [n for n, p in layers.named_parameters() if p.requires_grad] == [
            "layers.head.1.weight",
            "layers.head.1.bias",
        ]
        assert not layers.layers.dense.training
