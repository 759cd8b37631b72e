import json
import shutil
from pathlib import Path

import pytest
import torch

from pneumonia.analysis import bundle
from pneumonia.errors import DamagedBundle, NoModel


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / tiny_bundle.name))


def change(folder: Path, **values) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | values))


def test_a_bundle_gives_back_the_network_it_was_made_of(tiny_bundle, tiny_network) -> None:
    card, network = bundle.load_network(tiny_bundle)
    assert card.id == "tiny"
    assert card.architecture == "resnet18"
    assert card.classes == ("normal", "pneumonia")
    assert card.preprocess.size == 64
    assert not network.training
    for name, tensor in tiny_network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


def test_the_card_says_all_it_must(tiny_bundle) -> None:
    raw = bundle.read_card(tiny_bundle).raw
    assert {
        "architecture", "preprocess", "classes", "recipe", "temperature", "bias", "map",
        "operating_point", "weights", "validation", "data", "initial_weights", "intended_use",
        "limits", "licence",
    } <= raw.keys()  # fmt: skip
    assert raw["recipe"]["loss"] == {"name": "focal", "alpha": 0.3, "gamma": 1.5}
    assert raw["data"]["digest"] == "0" * 64
    assert raw["weights"]["sha256"] == bundle.file_sha256(tiny_bundle / "weights.safetensors")


def test_no_bundle(tmp_path) -> None:
    with pytest.raises(NoModel, match=r"no model bundle 'absent'.*flask train --data DIR"):
        bundle.load_network(tmp_path / "absent")


def test_one_changed_byte_in_the_weights_is_refused(copy) -> None:
    path = copy / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedBundle, match=r"has the SHA-256 [0-9a-f]{12}.*card was made for"):
        bundle.load_network(copy)


def test_missing_weights(copy) -> None:
    (copy / "weights.safetensors").unlink()
    with pytest.raises(DamagedBundle, match=r"weights\.safetensors is missing"):
        bundle.load_network(copy)


def test_a_card_cut_short(copy) -> None:
    (copy / "card.json").write_text((copy / "card.json").read_text()[:200])
    with pytest.raises(DamagedBundle, match="the card cannot be read"):
        bundle.load_network(copy)


def test_a_card_that_is_not_an_object(copy) -> None:
    (copy / "card.json").write_text("[]")
    with pytest.raises(DamagedBundle, match="'tiny' is refused"):
        bundle.load_network(copy)


def test_a_card_without_a_key(copy) -> None:
    card = json.loads((copy / "card.json").read_text())
    del card["temperature"]
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(DamagedBundle, match="the card has no 'temperature'"):
        bundle.load_network(copy)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": 0}, "must be positive"),
        ({"classes": ["pneumonia", "normal"]}, "classes must be normal, pneumonia"),
        ({"preprocess": {"size": 7}}, "size must be 32 to 2048"),
        ({"preprocess": {"crop": True}}, "crop"),
        ({"operating_point": {"name": "b", "threshold": 2, "indeterminate": None}}, "probability"),
        ({"architecture": "resnet19"}, "no architecture 'resnet19'"),
        ({"architecture": "resnet50"}, "does not fit"),
        ({"id": "other"}, "its card belongs to the bundle 'other'"),
    ],
)
def test_a_card_that_does_not_match_is_refused(copy, values, said) -> None:
    change(copy, **values)
    with pytest.raises(DamagedBundle, match=said):
        bundle.load_network(copy)
