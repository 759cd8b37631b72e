"""Initial weights: names, layers left out, new layers, files that do not fit."""

from pathlib import Path

import pytest
import torch

from pneumonia.config import ROOT
from pneumonia.errors import ModelError
from pneumonia.networks import weights
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.spec import NetworkSpec
from train import initial
from train.files import write_weights


def on_paper(*args, **kwargs) -> Classifier:
    """A network of shapes alone, for names."""
    with torch.device("meta"):
        return build(NetworkSpec(*args, **kwargs))


class TestFile:
    def file(self, tmp_path: Path, drop=(), add=None) -> Path:
        torch.manual_seed(5)
        state = build(NetworkSpec("resnet18")).body.state_dict()
        state = {k: v for k, v in state.items() if not k.startswith(tuple(drop))}
        path = tmp_path / "init.safetensors"
        write_weights(path, state | (add or {}))
        return path

    def test_all_layers(self, tmp_path: Path) -> None:
        network = build(NetworkSpec("resnet18"))
        path = self.file(tmp_path, add={"fc.weight": torch.zeros(1000, 512)})
        loaded = initial.load_file(network, path)
        assert loaded.layers == ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
        assert loaded.new_layers == ()
        state = weights.read(path)
        assert torch.equal(network.body.conv1.weight, state["conv1.weight"])

    def test_the_last_layers_may_be_new(self, tmp_path: Path) -> None:
        loaded = initial.load_file(
            build(NetworkSpec("resnet18")), self.file(tmp_path, drop=["layer3", "layer4"])
        )
        assert loaded.new_layers == ("layer3", "layer4")

    def test_what_there_is_of_a_last_layer_is_loaded(self, tmp_path: Path) -> None:
        network = build(NetworkSpec("resnet18"))
        path = self.file(tmp_path, drop=["layer4.1.conv2"])
        before = network.body.layer4[1].conv2.weight.clone()
        loaded = initial.load_file(network, path)
        state = weights.read(path)
        assert loaded.layers[-1] == "layer3"
        assert loaded.new_layers == ("layer4",)
        assert torch.equal(network.body.layer4[1].conv1.weight, state["layer4.1.conv1.weight"])
        assert torch.equal(network.body.layer4[1].conv2.weight, before)

    def test_layers_past_the_end_of_a_cut_body_are_left_out(self, tmp_path: Path) -> None:
        network = build(NetworkSpec("resnet18", until="layer2"))
        loaded = initial.load_file(network, self.file(tmp_path, drop=["layer4"]))
        assert loaded.layers == ("conv1", "bn1", "layer1", "layer2")
        assert loaded.new_layers == ()

    def test_a_hole_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"layer2 are missing\. Only the last"):
            initial.load_file(build(NetworkSpec("resnet18")), self.file(tmp_path, drop=["layer2"]))

    def test_another_architecture_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="do not belong to this architecture"):
            initial.load_file(build(NetworkSpec("resnet50")), self.file(tmp_path))

    def test_a_missing_or_damaged_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="cannot be read"):
            initial.load_file(build(NetworkSpec("resnet18")), tmp_path / "absent")
        (tmp_path / "text").write_text("hello, these are no weights")
        with pytest.raises(ModelError, match="it is no sound safetensors file"):
            initial.load_file(build(NetworkSpec("resnet18")), tmp_path / "text")


class TestNames:
    def vgg16(self) -> dict[str, torch.Tensor]:
        network = on_paper("vgg16")
        state = {f"features.{k}": v for k, v in network.body.state_dict().items()}
        state |= {f"classifier.{k}": v for k, v in network.dense.state_dict().items()}
        return state | {
            "classifier.6.weight": torch.zeros(1, 1),
            "classifier.6.bias": torch.zeros(1),
        }

    def test_vgg16s_classifier_begins_with_its_dense_layers(self) -> None:
        loaded = initial.load(on_paper("vgg16"), self.vgg16(), "file")
        assert loaded.layers[-2:] == ("28", "dense")
        assert loaded.new_layers == ()

    def test_vgg16s_dense_layers_may_start_fresh(self) -> None:
        tensors = {k: v for k, v in self.vgg16().items() if k.startswith("features.")}
        loaded = initial.load(on_paper("vgg16"), tensors, "file")
        assert loaded.layers[-1] == "28"
        assert loaded.new_layers == ("dense",)

    def test_a_cut_vgg16_needs_no_dense_layers(self) -> None:
        loaded = initial.load(on_paper("vgg16", until="22"), self.vgg16(), "file")
        assert loaded.layers[-1] == "21"
        assert loaded.new_layers == ()

    def test_densenets_old_names(self) -> None:
        """``norm.1`` for ``norm1``, as in the files that torchvision fetches."""
        network = on_paper("densenet169")
        old = {}
        for name, tensor in network.body.state_dict().items():
            for part in ("norm", "conv"):
                name = name.replace(f".{part}1.", f".{part}.1.").replace(
                    f".{part}2.", f".{part}.2."
                )
            old[f"features.{name}"] = tensor
        assert "features.denseblock1.denselayer1.norm.1.weight" in old
        assert initial.load(network, old, "file").new_layers == ()


class TestRealWeights:
    @pytest.fixture
    def folder(self) -> Path:
        folder = ROOT.parent / "shared" / "weights"
        if not folder.is_dir():
            pytest.skip(f"no pretrained weights at {folder}")
        return folder

    def test_densenet169(self, folder: Path) -> None:
        network = build(NetworkSpec("densenet169"))
        loaded = initial.load_file(network, folder / "densenet169-imagenet-features.safetensors")
        assert loaded.layers[0] == "conv0"
        assert loaded.layers[-2:] == ("denseblock4", "norm5")
        assert loaded.new_layers == ()
        # Normalised by statistics that belong to them, features stay of the order of 1.
        with torch.inference_mode():
            features = network.eval().forward_features(torch.randn(1, 3, 224, 224))
        assert 0.1 < features.std() < 5

    def test_inception_v3(self, folder: Path) -> None:
        network = build(NetworkSpec("inception_v3-tf"))
        path = folder / "inception_v3-imagenet-2015.safetensors"
        loaded = initial.load_file(network, path)
        assert loaded.layers[-1] == "Mixed_7a"
        assert loaded.new_layers == ("Mixed_7b", "Mixed_7c")
        tensors = weights.read(path)
        name = "Mixed_7c.branch_pool.conv.weight"
        assert torch.equal(network.body.state_dict()[name], tensors[name].float())

    def test_inception_v3_up_to_where_it_is_whole(self, folder: Path) -> None:
        network = build(NetworkSpec("inception_v3-tf", until="Mixed_7a"))
        path = folder / "inception_v3-imagenet-2015.safetensors"
        loaded = initial.load_file(network, path)
        assert loaded.layers[-1] == "Mixed_7a"
        assert loaded.new_layers == ()
        assert network.head[-1].in_features == 1280

    def test_resnet50_up_to_where_it_is_whole(self, folder: Path) -> None:
        path = folder / "resnet50-imagenet-stages1-4.safetensors"
        cut = build(NetworkSpec("resnet50-v1", until="layer3"))
        assert initial.load_file(cut, path).new_layers == ()
        whole = build(NetworkSpec("resnet50-v1"))
        assert initial.load_file(whole, path).new_layers == ("layer4",)

    def test_mobilenet_v2(self, folder: Path) -> None:
        path = folder / "mobilenet_v2-imagenet-int8-dequantised.safetensors"
        assert initial.load_file(build(NetworkSpec("mobilenet_v2")), path).new_layers == ()
