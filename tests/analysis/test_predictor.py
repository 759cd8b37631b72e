"""The predictor over the tiny bundle, and over the one that ships."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from pneumonia.analysis.bundle import read_bundle
from pneumonia.analysis.calibration import Calibration
from pneumonia.analysis.engines.candidates import choose_device
from pneumonia.analysis.engines.pytorch import load_classifier
from pneumonia.analysis.finding import Label, OperatingPoint
from pneumonia.analysis.population import Population
from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import AnalysisFailed, BadSetting
from pneumonia.imaging import Radiograph, decode
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.inputs import apply


@pytest.fixture(scope="module")
def predictor(tiny_bundle) -> Predictor:
    # What other engines may differ by is in test_engines.py and test_draft.py.
    return Predictor.load(tiny_bundle, "cpu", engine="torch")


def radiograph(seed: int, height: int = 200, width: int = 260) -> Radiograph:
    pixels = synthetic_radiograph(seed, opacity=seed % 2 == 1, size=(height, width))
    return Radiograph(pixels.astype(np.float32) / 255, "PNG", 8, (0, 255), "")


def test_a_finding_is_what_the_network_says(predictor, tiny_network) -> None:
    one = radiograph(3)
    (finding,) = predictor.predict([one])

    x, geometry = apply(one.pixels, predictor.card.preprocess)
    with torch.inference_mode():
        logits, maps = tiny_network.forward_with_map(torch.from_numpy(x)[None])

    assert finding.logit == pytest.approx(logits.item(), abs=1e-4)
    np.testing.assert_allclose(finding.activation.values, maps[0].numpy(), atol=1e-3)
    assert finding.activation.geometry == geometry
    assert geometry.box == (0, 0, 260, 200)
    card = predictor.card
    z = (finding.logit + card.calibration.bias) / card.calibration.temperature
    assert finding.probability == pytest.approx(1 / (1 + math.exp(-z)))
    assert finding.model.sha256 == card.weights_sha256


def test_a_batch_keeps_its_order_and_changes_no_verdict(predictor) -> None:
    radiographs = [radiograph(seed, 100 + 10 * seed, 150) for seed in range(5)]
    together = predictor.predict(radiographs)
    alone = [predictor.predict([one])[0] for one in radiographs]
    for a, b, one in zip(together, alone, radiographs, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=1e-4)
        assert a.activation.geometry.height == one.height


@pytest.mark.parametrize("broken", ["logit", "map"])
def test_an_answer_that_is_no_number_is_an_error_of_its_film_alone(
    tiny_bundle, monkeypatch, broken
) -> None:
    own = Predictor.load(tiny_bundle, "cpu", engine="torch")
    computed = own._networks.reader

    def break_second(features):
        logits, maps = computed(features)
        if len(logits) > 1:
            (logits if broken == "logit" else maps)[1] = math.nan
        return logits, maps

    monkeypatch.setattr(own, "_networks", dataclasses.replace(own._networks, reader=break_second))
    first, second, third = own.predict([radiograph(seed) for seed in range(3)])
    assert isinstance(second, AnalysisFailed)
    assert "not a number" in second.detail
    assert math.isfinite(first.logit)
    assert math.isfinite(third.logit)


def test_no_radiographs_no_findings(predictor) -> None:
    assert predictor.predict([]) == []


def test_exposure_and_bit_depth_do_not_change_the_verdict(predictor) -> None:
    one = radiograph(1)
    darker = Radiograph(one.pixels * np.float32(0.4), "DICOM", 12, (0, 1638), "")
    a, b = predictor.predict([one, darker])
    assert a.logit == pytest.approx(b.logit, abs=0.2)  # eight bits and JPEG lie between


@pytest.mark.parametrize(
    ("probability", "label", "confidence"),
    [(0.39, "normal", 0.61), (0.40, "indeterminate", 0.60), (0.61, "pneumonia", 0.61)],
)
def test_labels_at_the_operating_point(predictor, probability, label, confidence) -> None:
    point = OperatingPoint("balanced", 0.5, (0.40, 0.60))
    assert point.label(probability) is Label(label)
    (finding,) = predictor.predict([radiograph(0)])
    changed = dataclasses.replace(finding, label=Label(label), probability=probability)
    assert changed.confidence == pytest.approx(confidence)


def test_without_a_band_the_threshold_itself_is_pneumonia() -> None:
    point = OperatingPoint("balanced", 0.5)
    assert point.label(0.5) is Label.PNEUMONIA
    assert point.label(0.4999) is Label.NORMAL


@pytest.mark.parametrize("logit", [-1e4, -3.0, 0.0, 2.5, 1e4])
def test_calibration_is_a_probability_for_any_logit(logit) -> None:
    p = Calibration(2.0, 0.5, {}, Population()).probability(logit)
    assert 0 <= p <= 1
    if abs(logit) < 10:
        assert p == pytest.approx(1 / (1 + math.exp(-(logit + 0.5) / 2)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there() -> None:
    assert choose_device("auto") == "cpu"
    with pytest.raises(BadSetting, match="torch finds no usable GPU"):
        choose_device("cuda")


class TestShipped:
    """The bundle that ships: it loads, and its map is Grad-CAM."""

    def test_is_the_resnet50_the_mission_asks_for(self, shipped) -> None:
        card = shipped.card.raw
        assert card["architecture"].startswith("resnet50")
        assert card["recipe"]["loss"]["name"] == "focal"
        assert card["data"]["train"]["films"] > 4000

    def test_meets_its_floors_by_its_card(self, shipped) -> None:
        populations = shipped.card.raw["populations"]
        child, adult = (populations[name]["validation"] for name in ("child", "adult"))
        assert child["auroc"]["value"] >= 0.985
        assert child["sensitivity_at_specificity_090"]["value"] >= 0.96
        assert adult["auroc"]["value"] >= 0.93

    def test_its_map_is_gradcam_up_to_scale(self, shipped, shipped_bundle) -> None:
        x = torch.stack(
            [
                torch.from_numpy(
                    apply(radiograph(seed, 300, 300).pixels, shipped.card.preprocess)[0]
                )
                for seed in range(3)
            ]
        )
        network = load_classifier(read_bundle(shipped_bundle))
        features = network.forward_features(x).detach().requires_grad_()
        gradient = torch.autograd.grad(network.forward_head(features).sum(), features)[0]
        reference = torch.relu((gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1))
        with torch.inference_mode():
            _, maps = network.forward_with_map(x)
        ours = torch.relu(maps) / features[0, 0].numel()
        torch.testing.assert_close(ours, reference.detach(), rtol=1e-3, atol=1e-5)

    @pytest.mark.real
    def test_tells_real_radiographs_apart(self, shipped, real_data) -> None:
        rows = {
            label: sorted((real_data / "kermany" / "val" / label).glob("*"))
            for label in ("NORMAL", "PNEUMONIA")
        }
        found = {
            label: [f.probability for f in shipped.predict([decode(p.read_bytes()) for p in paths])]
            for label, paths in rows.items()
        }
        pairs = [p > n for p in found["PNEUMONIA"] for n in found["NORMAL"]]
        assert sum(pairs) >= 0.95 * len(pairs)
