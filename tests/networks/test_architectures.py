"""Every architecture in the registry, and any that joins it, passes these."""

from pathlib import Path

import pytest
import torch

from pneumonia.errors import ModelError, UnknownArchitecture
from pneumonia.networks import pretrained, registry, weights
from pneumonia.networks.classifier import NetworkSpec, build

ARCHITECTURES = registry.names()


@pytest.fixture(params=ARCHITECTURES)
def network(request):
    torch.manual_seed(0)
    return build(NetworkSpec(request.param, hidden=(8,), dropout=0.5)).eval()


def test_the_registry_has_the_networks_that_are_named() -> None:
    assert {"resnet18", "resnet50", "resnet50-v1"} <= set(ARCHITECTURES)


def test_shapes(network) -> None:
    x = torch.randn(2, 3, 64, 64)
    features = network.forward_features(x)
    logits, maps = network.forward_with_map(x)
    assert features.ndim == 4
    assert logits.shape == (2, 1)
    assert maps.shape == (2, *features.shape[2:])
    assert torch.equal(network(x), logits)


def test_every_parameter_receives_a_gradient(network) -> None:
    network.train()
    torch.manual_seed(1)
    network(torch.randn(4, 3, 64, 64)).sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert without == []


def test_a_film_gets_the_same_logit_alone_and_in_company(network) -> None:
    x = torch.randn(5, 3, 64, 64)
    with torch.inference_mode():
        together = network(x)
        alone = torch.cat([network(one[None]) for one in x])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_weights_survive_the_file(network, tmp_path: Path) -> None:
    weights.write(tmp_path / "w", network.state_dict(), {})
    state, _ = weights.read(tmp_path / "w")
    assert all(torch.equal(state[k], v) for k, v in network.state_dict().items())


def test_a_body_is_cut_after_a_layer() -> None:
    whole = build(NetworkSpec("resnet50"))
    cut = build(NetworkSpec("resnet50", until="layer3", hidden=(5,), outputs=3))
    cut.body.load_state_dict(whole.body[:7].state_dict())
    x = torch.randn(2, 3, 64, 64)
    assert cut.head[0].in_features == 1024
    assert cut.eval()(x).shape == (2, 3)
    assert torch.equal(cut.forward_features(x), whole.eval().body[:7](x))


def test_a_body_is_not_cut_where_it_has_no_layer() -> None:
    said = r"resnet18 has no layer 'layer5' to end with\. Its layers: conv1, .*, layer4\."
    with pytest.raises(UnknownArchitecture, match=said):
        build(NetworkSpec("resnet18", until="layer5"))


def test_v1_puts_the_stride_on_the_first_convolution() -> None:
    for name, strides in {"resnet50": ((1, 1), (2, 2)), "resnet50-v1": ((2, 2), (1, 1))}.items():
        body = build(NetworkSpec(name)).body
        for layer in (body.layer2, body.layer3, body.layer4):
            assert (layer[0].conv1.stride, layer[0].conv2.stride) == strides


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="'resnet18' is registered twice"):
        registry.register("resnet18")(lambda: None)


def test_an_unknown_architecture_names_the_known() -> None:
    with pytest.raises(UnknownArchitecture, match=r"'resnet49'.*resnet18, resnet50"):
        registry.entry("resnet49")


class TestInitialWeights:
    def file(self, tmp_path: Path, drop=(), add=None) -> Path:
        torch.manual_seed(5)
        state = build(NetworkSpec("resnet18")).body.state_dict()
        state = {k: v for k, v in state.items() if not k.startswith(tuple(drop))}
        path = tmp_path / "init.safetensors"
        weights.write(path, state | (add or {}), {})
        return path

    def test_all_layers(self, tmp_path: Path) -> None:
        network = build(NetworkSpec("resnet18"))
        path = self.file(tmp_path, add={"fc.weight": torch.zeros(1000, 512)})
        loaded = pretrained.load_file(network, path)
        assert loaded.layers == ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
        assert loaded.fresh == ()
        state, _ = weights.read(path)
        assert torch.equal(network.body.conv1.weight, state["conv1.weight"])

    def test_the_last_layers_may_start_fresh(self, tmp_path: Path) -> None:
        loaded = pretrained.load_file(
            build(NetworkSpec("resnet18")), self.file(tmp_path, drop=["layer3", "layer4"])
        )
        assert loaded.fresh == ("layer3", "layer4")

    def test_a_hole_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="layer2 are missing"):
            pretrained.load_file(
                build(NetworkSpec("resnet18")), self.file(tmp_path, drop=["layer2"])
            )

    def test_another_architecture_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="do not belong to this architecture"):
            pretrained.load_file(build(NetworkSpec("resnet50")), self.file(tmp_path))

    def test_a_missing_or_damaged_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="cannot be read"):
            pretrained.load_file(build(NetworkSpec("resnet18")), tmp_path / "absent")
        (tmp_path / "text").write_text("hello, these are no weights")
        with pytest.raises(ModelError, match="does not begin with a safetensors header"):
            pretrained.load_file(build(NetworkSpec("resnet18")), tmp_path / "text")
