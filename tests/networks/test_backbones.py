"""The architectures one by one: against torchvision's own, and against their papers."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import models

from pneumonia.networks.classifier import build
from pneumonia.networks.spec import NetworkSpec
from tests.networks.settling import settle
from train import initial

PLAIN = {"weights": None}
FRESH = {"weights": None, "init_weights": True, "aux_logits": False}
OURS_AND_THEIRS = {
    "densenet161": ("classifier", PLAIN),
    "densenet169": ("classifier", PLAIN),
    "googlenet": ("fc", FRESH),
    "inception_v3": ("fc", FRESH),
    "mobilenet_v2": ("classifier", PLAIN),
    "resnet18": ("fc", PLAIN),
    "resnet50": ("fc", PLAIN),
    "resnext50_32x4d": ("fc", PLAIN),
    "vgg16": ("classifier.6", PLAIN),
}


@pytest.mark.parametrize("name", OURS_AND_THEIRS)
def test_torchvisions_weights_give_torchvisions_features(name: str) -> None:
    torch.manual_seed(0)
    last, options = OURS_AND_THEIRS[name]
    theirs = getattr(models, name)(**options)
    settle(theirs)
    ours = build(NetworkSpec(name)).eval()
    loaded = initial.load(ours, theirs.state_dict(), "torchvision")
    theirs.set_submodule(last, nn.Identity())
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        features = ours.dense(ours.pool(ours.forward_features(x)))
        torch.testing.assert_close(features, theirs(x), rtol=1e-4, atol=1e-5)
    assert loaded.new_layers == ()
    assert features.std(dim=0).max() > 1e-3, "the films look alike: nothing is compared"


def test_v1_puts_the_stride_on_the_first_convolution() -> None:
    for name, strides in {"resnet50": ((1, 1), (2, 2)), "resnet50-v1": ((2, 2), (1, 1))}.items():
        body = build(NetworkSpec(name)).body
        for layer in (body.layer2, body.layer3, body.layer4):
            assert (layer[0].conv1.stride, layer[0].conv2.stride) == strides


@pytest.fixture(scope="module")
def pair() -> SimpleNamespace:
    """The bodies of both Inceptions, with the same weights."""
    torch.manual_seed(0)
    plain, tensorflow = (build(NetworkSpec(n)) for n in ("inception_v3", "inception_v3-tf"))
    settle(plain)
    tensorflow.load_state_dict(plain.state_dict())
    return SimpleNamespace(plain=plain.body, tensorflow=tensorflow.eval().body)


class TestTensorFlowsInception:
    @pytest.mark.parametrize(
        "name", [f"Mixed_{block}" for block in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b")]
    )
    def test_averages_leave_the_padding_out(self, pair, name: str) -> None:
        plain, tensorflow = getattr(pair.plain, name), getattr(pair.tensorflow, name)
        branch = plain.branch_pool
        x = torch.rand(2, branch.conv.in_channels, 5, 6)
        with torch.inference_mode():
            inside = branch(F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))
            ours, theirs = tensorflow(x), plain(x)
        width = branch.conv.out_channels
        torch.testing.assert_close(ours[:, -width:], inside, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours[:, :-width], theirs[:, :-width])
        assert not torch.allclose(ours[:, -width:], theirs[:, -width:], atol=1e-3)

    def test_the_last_block_takes_maxima(self, pair) -> None:
        plain, tensorflow = pair.plain.Mixed_7c, pair.tensorflow.Mixed_7c
        x = torch.rand(2, 2048, 4, 4)
        with torch.inference_mode():
            maxima = plain.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1))
            ours, theirs = tensorflow(x), plain(x)
        torch.testing.assert_close(ours[:, -192:], maxima, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours[:, :-192], theirs[:, :-192])


class TestXception:
    def test_parameters_have_the_names_and_number_of_the_port(self) -> None:
        """22,855,952 (Keras' count and the port's) less 2,049,000 of the classifier."""
        with torch.device("meta"):
            body = build(NetworkSpec("xception")).body
        assert sum(p.numel() for p in body.parameters()) == 20_806_952
        assert {
            "conv1.weight": (32, 3, 3, 3),
            "bn2.running_var": (64,),
            "block1.rep.0.conv1.weight": (64, 1, 3, 3),
            "block1.rep.4.weight": (128,),
            "block1.skip.weight": (128, 64, 1, 1),
            "block2.skipbn.bias": (256,),
            "block2.rep.1.pointwise.weight": (256, 128, 1, 1),
            "block11.rep.8.running_mean": (728,),
            "block12.rep.4.pointwise.weight": (1024, 728, 1, 1),
            "conv3.conv1.weight": (1024, 1, 3, 3),
            "conv4.pointwise.weight": (2048, 1536, 1, 1),
            "bn4.bias": (2048,),
        }.items() <= {k: tuple(v.shape) for k, v in body.state_dict().items()}.items()

    def test_the_short_cut_takes_the_blocks_input_before_its_relu(self) -> None:
        torch.manual_seed(0)
        block = build(NetworkSpec("xception")).eval().body.block4
        x = torch.randn(1, 728, 5, 5)
        before = x.clone()
        with torch.inference_mode():
            answer = block(x)
            beside = block.rep(before)
        assert torch.equal(x, before)
        torch.testing.assert_close(answer - beside, before)

    def test_sizes_of_its_figure(self) -> None:
        """Chollet 2017, Figure 5: 299 pixels become 19 x 19 x 728 and 10 x 10 x 2048."""
        with torch.device("meta"):
            body = build(NetworkSpec("xception")).eval().body
            x = torch.zeros(1, 3, 299, 299)
            middle = body[: list(dict(body.named_children())).index("block11") + 1]
            assert middle(x).shape == (1, 728, 19, 19)
            assert body(x).shape == (1, 2048, 10, 10)


def test_xraychestnet_has_the_sizes_of_its_paper() -> None:
    """Section III-A: 110 x 110 x 10, 54 x 54 x 256, 26 x 26 x 512, then 50 and 2."""
    with torch.device("meta"):
        spec = NetworkSpec("xraychestnet", hidden=(50,), dropout=0.2, outputs=2)
        network = build(spec).eval()
        x = torch.zeros(1, 3, 224, 224)
        sizes = []
        for name, layer in network.body.named_children():
            x = layer(x)
            if name.startswith("maxpool"):
                sizes.append(tuple(x.shape[1:]))
    assert sizes == [(10, 110, 110), (256, 54, 54), (512, 26, 26)]
    assert network.head[0].in_features == 26 * 26 * 512
    assert [layer.out_features for layer in network.head if isinstance(layer, nn.Linear)] == [50, 2]
    assert [layer.p for layer in network.head if isinstance(layer, nn.Dropout)] == [0.2]


def test_xraychestnets_last_pooling_changes_nothing_at_the_papers_size() -> None:
    pool = build(NetworkSpec("xraychestnet")).body.avgpool
    features = torch.randn(1, 512, 26, 26)
    assert torch.equal(pool(features), features)
