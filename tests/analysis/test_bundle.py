import json
import shutil
from pathlib import Path

import pytest
import torch

from pneumonia.analysis import bundle
from pneumonia.analysis.card import read_card
from pneumonia.analysis.engines.pytorch import load_classifier
from pneumonia.analysis.finding import OperatingPoint
from pneumonia.analysis.frequency import Frequency
from pneumonia.errors import BadSetting, DamagedBundle, NoModel

GROUP = {"low": 0.1, "high": 0.2, "n": 30, "pneumonia": 4}
CALIBRATION = {"temperature": 2.0, "bias": -0.5, "frequency": [GROUP]}


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / tiny_bundle.name))


def change(folder: Path, **values) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | values))


def test_a_bundle_gives_back_the_network_it_was_made_of(tiny_bundle, tiny_network) -> None:
    loaded = bundle.read_bundle(tiny_bundle)
    card, network = loaded.card, load_classifier(loaded)
    assert card.id == "tiny"
    assert card.architecture == "resnet18"
    assert card.classes == ("normal", "pneumonia")
    assert card.preprocess.size == 64
    assert not network.training
    for name, tensor in tiny_network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


def test_the_card_says_all_it_must(tiny_bundle, tiny_recipe) -> None:
    raw = read_card(tiny_bundle).raw
    assert {
        "architecture", "preprocess", "classes", "recipe", "calibration", "map",
        "operating_points", "weights", "validation", "data", "initial_weights", "intended_use",
        "limits", "licence",
    } <= raw.keys()  # fmt: skip
    assert raw["calibration"].keys() == {"method", "temperature", "bias", "frequency"}
    assert list(raw["operating_points"]) == ["screening", "balanced", "confirming"]
    assert raw["validation"]["operating_point"] == "balanced"
    assert raw["recipe"]["loss"] == tiny_recipe.as_dict()["loss"]
    assert raw["recipe"]["loss"]["name"] == "focal"
    assert raw["data"]["digest"] == "0" * 64
    assert raw["weights"]["sha256"] == bundle.file_sha256(tiny_bundle / "weights.safetensors")


def test_no_bundle(tmp_path) -> None:
    with pytest.raises(NoModel, match=r"no model bundle 'absent'.*flask train --data DIR"):
        bundle.read_bundle(tmp_path / "absent")


def test_one_changed_byte_in_the_weights_is_refused(copy) -> None:
    path = copy / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedBundle, match=r"has the SHA-256 [0-9a-f]{12}.*card was made for"):
        bundle.read_bundle(copy)


def test_missing_weights(copy) -> None:
    (copy / "weights.safetensors").unlink()
    with pytest.raises(DamagedBundle, match=r"weights\.safetensors is missing"):
        bundle.read_bundle(copy)


def test_a_card_cut_short(copy) -> None:
    (copy / "card.json").write_text((copy / "card.json").read_text()[:200])
    with pytest.raises(DamagedBundle, match="the card cannot be read"):
        bundle.read_bundle(copy)


def test_a_card_that_is_not_an_object(copy) -> None:
    (copy / "card.json").write_text("[]")
    with pytest.raises(DamagedBundle, match="'tiny' is refused"):
        bundle.read_bundle(copy)


def test_a_card_without_a_key(copy) -> None:
    card = json.loads((copy / "card.json").read_text())
    del card["calibration"]["temperature"]
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(DamagedBundle, match="the card has no 'temperature'"):
        bundle.read_bundle(copy)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"calibration": {"temperature": 0, "bias": 0}}, "must be positive"),
        ({"calibration": {"temperature": 1, "bias": 0, "frequency": [{"low": 0.5}]}}, "missing"),
        ({"calibration": CALIBRATION | {"frequency": [GROUP | {"n": 0}]}}, "cannot show pneumonia"),
        ({"calibration": CALIBRATION | {"frequency": [GROUP | {"low": 0.9}]}}, "between 0 and 1"),
        ({"operating_points": {}}, "there is no operating point"),
        ({"classes": ["pneumonia", "normal"]}, "classes must be normal, pneumonia"),
        ({"preprocess": {"size": 7}}, "size must be 32 to 2048"),
        ({"preprocess": {"crop": True}}, "crop"),
        ({"operating_points": {"b": {"threshold": 2, "indeterminate": None}}}, "probability"),
        ({"operating_points": {"b": {"threshold": 0.5}}}, "the card has no 'indeterminate'"),
        ({"architecture": "resnet19"}, "no architecture 'resnet19'"),
        ({"architecture": "resnet50"}, "does not fit"),
        ({"id": "other"}, "its card belongs to the bundle 'other'"),
    ],
)
def test_a_card_that_does_not_match_is_refused(copy, values, said) -> None:
    change(copy, **values)
    with pytest.raises(DamagedBundle, match=said):
        load_classifier(bundle.read_bundle(copy))


def test_operating_points_and_frequency_are_those_of_the_card(copy) -> None:
    points = {
        "screening": {"threshold": 0.1, "indeterminate": [0.05, 0.2], "purpose": "any"},
        "balanced": {"threshold": 0.6, "indeterminate": None},
    }
    change(copy, operating_points=points, calibration=CALIBRATION)
    card = read_card(copy)
    assert card.operating_points == {
        "screening": OperatingPoint("screening", 0.1, (0.05, 0.2)),
        "balanced": OperatingPoint("balanced", 0.6),
    }
    assert card.calibration.frequency == (Frequency(0.1, 0.2, 30, 4),)
    assert (card.calibration.temperature, card.calibration.bias) == (2.0, -0.5)
    assert card.operating_point.name == "balanced"
    assert card.choose("screening").threshold == 0.1


def test_an_operating_point_that_the_card_has_not_is_named_with_those_it_has(tiny_bundle) -> None:
    with pytest.raises(
        BadSetting,
        match=r"^The model 'tiny' has no operating point 'youden'\. Choose one of "
        r"screening, balanced, confirming with PNEUMONIA_OPERATING_POINT",
    ):
        read_card(tiny_bundle).choose("youden")
