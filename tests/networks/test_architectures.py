"""Every architecture in the registry, and any that joins it, passes these."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pneumonia.errors import UnknownArchitecture
from pneumonia.networks import registry, weights
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.outputs import pneumonia_logit
from pneumonia.networks.spec import NetworkSpec
from tests.networks.settling import settle
from train.files import write_weights

ARCHITECTURES = registry.names()


def spec_of(architecture: str) -> NetworkSpec:
    return NetworkSpec(architecture, hidden=(8,), dropout=0.5, outputs=3)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def built(request) -> Classifier:
    torch.manual_seed(0)
    network = build(spec_of(request.param))
    settle(network)
    network.architecture = request.param
    return network


@pytest.fixture
def network(built: Classifier) -> Classifier:
    return built.eval()


@pytest.fixture
def radiographs() -> torch.Tensor:
    return torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(2))


def test_the_registry_has_the_networks_of_the_published_systems() -> None:
    assert set(ARCHITECTURES) >= {
        "densenet161",
        "densenet169",
        "googlenet",
        "inception_v3",
        "inception_v3-tf",
        "resnet18",
        "resnet50",
        "resnet50-v1",
        "resnext50_32x4d",
        "vgg16",
        "xception",
        "xraychestnet",
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shapes(architecture: str) -> None:
    """On torch's device for shapes alone, where nothing is computed."""
    with torch.device("meta"):
        backbone = registry.entry(architecture).make()
        networks = [build(NetworkSpec(architecture, outputs=k)).eval() for k in (1, 2, 3)]
        for size in (96, 224):
            features = networks[0].forward_features(torch.zeros(2, 3, size, size))
            assert features.shape[:2] == (2, backbone.channels)
            assert backbone.cells in (None, features.shape[2:])
            for k, network in enumerate(networks, start=1):
                assert network.forward_head(features).shape == (2, k)
                assert network.map(features).shape == (2, *features.shape[2:])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_body_can_end_at_any_layer(architecture: str) -> None:
    with torch.device("meta"):
        body = registry.entry(architecture).make().body
        names = [name for name, _ in body.named_children()]
        for until in {names[0], names[len(names) // 2], names[-2], names[-1]}:
            network = build(NetworkSpec(architecture, outputs=2, until=until)).eval()
            kept = [name for name, _ in network.body.named_children()]
            x = torch.zeros(1, 3, 128, 128)
            assert [*kept, *network.left_out] == names
            assert kept[-1] == until
            assert network(x).shape == (1, 2)
            assert network.head[-1].in_features == network.forward_features(x).shape[1]


def test_every_parameter_receives_a_gradient(network) -> None:
    network.train()
    torch.manual_seed(1)
    network(torch.randn(4, 3, 96, 96)).sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    network.zero_grad(set_to_none=True)
    assert without == []


def test_a_radiograph_gets_the_same_answer_alone_and_in_company(network, radiographs) -> None:
    with torch.inference_mode():
        together = network(radiographs)
        alone = torch.cat([network(one[None]) for one in radiographs])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-5)
    assert together.std(dim=0).min() > 100 * (together - alone).abs().max(), "films look alike"


def test_the_map_adds_up_to_the_logit(network, radiographs) -> None:
    """Its mean, each bias times the gradient there, and the entropy of the patterns."""
    with torch.no_grad():
        features = network.forward_features(radiographs)
        maps = network.map(features)
    at_biases = []
    handles = [
        layer.register_forward_hook(lambda layer, _, out: at_biases.append((layer.bias, out)))
        for layer in [*network.dense, *network.head]
        if isinstance(layer, nn.Linear)
    ]
    answers = network.forward_head(features)
    for handle in handles:
        handle.remove()
    logit = pneumonia_logit(answers)
    gradients = torch.autograd.grad(logit.sum(), [out for _, out in at_biases])
    terms = sum(g @ bias for g, (bias, _) in zip(gradients, at_biases, strict=True))
    pattern = answers[:, 1:].softmax(dim=1)
    terms = terms - (pattern * pattern.log()).sum(dim=1)
    assert maps.shape == (3, *features.shape[2:])
    torch.testing.assert_close(maps.mean(dim=(1, 2)) + terms, logit, rtol=1e-3, atol=1e-4)


def test_a_network_read_from_its_file_gives_the_same_answers(
    network, radiographs, tmp_path: Path
) -> None:
    write_weights(tmp_path / "w", network.state_dict())
    read = weights.read(tmp_path / "w")
    (tmp_path / "w").unlink()  # VGG16's is half a gigabyte
    with torch.device("meta"):
        other = build(spec_of(network.architecture)).eval()
    other.load_state_dict(read, assign=True)
    with torch.inference_mode():
        for one, two in zip(
            network.forward_with_map(radiographs), other.forward_with_map(radiographs), strict=True
        ):
            assert torch.equal(one, two)


# --- build ---------------------------------------------------------------------------------------


def test_a_cut_body_gives_the_features_of_its_last_layer() -> None:
    whole = build(NetworkSpec("resnet50"))
    cut = build(NetworkSpec("resnet50", until="layer3", hidden=(5,), outputs=3))
    cut.body.load_state_dict(whole.body[:7].state_dict())
    x = torch.randn(2, 3, 64, 64)
    assert cut.head[0].in_features == 1024
    assert cut.left_out == ("layer4",)
    assert torch.equal(cut.eval().forward_features(x), whole.eval().body[:7](x))


def test_cutting_leaves_the_batch_statistics_as_they_were() -> None:
    network = build(NetworkSpec("resnet18", until="layer2"))
    assert network.training
    assert network.body.bn1.num_batches_tracked == 0
    assert network.body.bn1.running_mean.abs().max() == 0


def test_a_cut_vgg16_is_averaged_and_keeps_none_of_its_dense_layers() -> None:
    with torch.device("meta"):
        network = build(NetworkSpec("vgg16", until="29"))
    assert [n for n, _ in network.named_children()] == ["body", "pool", "dense", "head"]
    assert len(network.dense) == 0
    assert network.head[-1].in_features == 512


def test_a_body_does_not_end_where_it_has_no_layer() -> None:
    said = r"resnet18 has no layer 'layer5' to end with\. Its layers: conv1, .*, layer4\."
    with pytest.raises(UnknownArchitecture, match=said):
        build(NetworkSpec("resnet18", until="layer5"))


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="'resnet18' is registered twice"):
        registry.register("resnet18")(lambda: None)


def test_an_unknown_architecture_names_the_known() -> None:
    with pytest.raises(UnknownArchitecture, match=r"'resnet49'.*resnet18, resnet50"):
        registry.entry("resnet49")
