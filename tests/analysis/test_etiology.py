"""Bacterial or viral: what a card may promise of it, and what a finding says of it."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pneumonia.analysis import bundle
from pneumonia.analysis.card import read_card
from pneumonia.analysis.engines.pytorch import TorchEngine, load_classifier
from pneumonia.analysis.finding import Etiology, EtiologyFinding
from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import DamagedBundle
from pneumonia.imaging import Radiograph
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.inputs import apply
from tests.three_classes import VALIDATION

ETIOLOGY = {"temperature": 2.0, "bias": 0.25, "validation": {"n": 85, "correct": 61}}


def radiograph(seed: int) -> Radiograph:
    pixels = synthetic_radiograph(seed, opacity=seed % 2 == 1, size=(200, 260))
    return Radiograph(pixels.astype(np.float32) / 255, "PNG", 8, (0, 255), "")


@pytest.fixture
def copy(etiology_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(etiology_bundle, tmp_path / etiology_bundle.name))


def change(folder: Path, **values) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | values))


@pytest.mark.parametrize(
    ("viral", "label", "probability"),
    [(0.0, "bacterial", 1.0), (0.25, "bacterial", 0.75), (0.5, "viral", 0.5), (1.0, "viral", 1.0)],
)
def test_a_pattern_is_the_likelier_cause_and_its_probability(viral, label, probability) -> None:
    etiology = EtiologyFinding.of(viral)
    assert (etiology.label, etiology.probability, etiology.viral) == (label, probability, viral)


def test_a_card_of_three_outputs_is_read(etiology_bundle) -> None:
    card = read_card(etiology_bundle)
    assert card.classes == ("normal", "bacterial", "viral")
    assert card.network.outputs == 3
    assert card.etiology is not None
    assert (card.etiology.radiographs, card.etiology.correct) == (
        VALIDATION["n"],
        VALIDATION["correct"],
    )


def test_where_the_network_ends_is_read_from_the_card(copy) -> None:
    change(copy, until="layer2")
    assert read_card(copy).network.until == "layer2"
    with pytest.raises(DamagedBundle, match=r"weights\.safetensors does not fit: "):
        load_classifier(bundle.read_bundle(copy))


def test_a_card_that_says_nothing_of_outputs_is_of_one(tiny_bundle, tmp_path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / tiny_bundle.name))
    card = json.loads((folder / "card.json").read_text())
    left = {key: value for key, value in card.items() if key not in ("until", "etiology")}
    left["head"] = {"hidden": [], "dropout": 0.1}
    (folder / "card.json").write_text(json.dumps(left))
    found = bundle.read_bundle(folder).card
    assert (found.network.outputs, found.network.until, found.etiology) == (1, "", None)
    assert found.classes == ("normal", "pneumonia")


@pytest.mark.parametrize(
    ("head", "values", "said"),
    [
        (3, {"classes": ["normal", "pneumonia"]}, "classes must be normal, bacterial, viral where"),
        (3, {"classes": ["normal", "viral", "bacterial"]}, "classes must be normal, bacterial"),
        (2, {"etiology": None}, "classes must be normal, pneumonia where the head's outputs are 2"),
        (
            *(2, {"classes": ["normal", "pneumonia"]}),
            r"an etiology of pneumonia needs 3 outputs .normal, bacterial, viral.; the head has 2",
        ),
        (4, {}, "the head's outputs must be 1, 2 or 3, not 4"),
        (
            3,
            {"etiology": ETIOLOGY | {"temperature": 0}},
            "temperature of the etiology must be posi",
        ),
        (3, {"etiology": {"temperature": 1, "bias": 0}}, "the card has no 'validation'"),
        (
            *(3, {"etiology": ETIOLOGY | {"validation": {"n": 9, "correct": 10}}}),
            "cannot be right for 10 of 9 validation films",
        ),
        (3, {"etiology": ETIOLOGY | {"validation": {"n": 0, "correct": 0}}}, "for 0 of 0"),
        (2, {"classes": ["normal", "pneumonia"], "etiology": None}, "does not fit"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(copy, head, values, said) -> None:
    change(copy, head={"hidden": [], "dropout": 0.0, "outputs": head}, **values)
    with pytest.raises(DamagedBundle, match=said):
        load_classifier(bundle.read_bundle(copy))


def test_a_finding_holds_what_the_three_outputs_say(etiology_bundle) -> None:
    loaded = bundle.read_bundle(etiology_bundle)
    predictor, network = Predictor(loaded, [TorchEngine("cpu")]), load_classifier(loaded)
    card, causes = predictor.card, set()
    for seed in range(6):
        one = radiograph(seed)
        (finding,) = predictor.predict([one])
        x, _ = apply(one.pixels, card.preprocess)
        with torch.inference_mode():
            outputs, maps = network.forward_with_map(torch.from_numpy(x)[None])
        normal, bacterial, viral = outputs[0].tolist()
        logit = math.log(math.exp(bacterial) + math.exp(viral)) - normal
        p = 1 / (1 + math.exp(-(logit + card.calibration.bias) / card.calibration.temperature))
        fitted = card.etiology
        q = 1 / (1 + math.exp(-(viral - bacterial + fitted.bias) / fitted.temperature))
        assert finding.logit == pytest.approx(logit, abs=1e-4)
        assert finding.probability == pytest.approx(p, abs=1e-4)
        assert finding.viral_logit == pytest.approx(viral - bacterial, abs=1e-4)
        assert finding.etiology.viral == pytest.approx(q, abs=1e-4)
        assert finding.class_probabilities == pytest.approx((1 - p, p * (1 - q), p * q), abs=1e-4)
        assert sum(finding.class_probabilities) == pytest.approx(1)
        np.testing.assert_allclose(finding.activation.values, maps[0].numpy(), atol=1e-3)
        causes.add(finding.etiology.label)
    assert causes == {Etiology.BACTERIAL, Etiology.VIRAL}


def test_without_a_pattern_in_the_card_there_is_none_in_the_finding(copy, tiny_bundle) -> None:
    change(copy, etiology=None)
    for folder in (copy, tiny_bundle):
        (finding,) = Predictor.load(folder, "cpu", engine="torch").predict([radiograph(1)])
        assert finding.etiology is None
        assert finding.class_probabilities is None
        assert (finding.viral_logit is None) is (folder == tiny_bundle)
