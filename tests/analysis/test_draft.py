"""A first pass in 16 bits: an exact one follows wherever it could change the label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pneumonia.analysis.bundle import Bundle, read_bundle
from pneumonia.analysis.draft import DEVIATIONS, Draft
from pneumonia.analysis.engines.engine import Arrays, Networks, Run
from pneumonia.analysis.engines.pytorch import TorchEngine
from pneumonia.analysis.finding import Finding
from pneumonia.analysis.predictor import Predictor
from pneumonia.imaging import Radiograph, decode
from pneumonia.imaging.synthetic import synthetic_squares
from tests.running import ENGINES_DIR


class Off:
    """A body whose features are off by a factor."""

    def __init__(self, body: Run, factor: float) -> None:
        self.body, self.factor, self.images = body, factor, 0

    def __call__(self, images: NDArray[np.float32]) -> Arrays:
        self.images += len(images)
        (features,) = self.body(images)
        return (features * np.float32(self.factor),)


PROBE = np.random.default_rng(1).random((2, 3, 64, 64), np.float32)


@pytest.fixture
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor(read_bundle(tiny_bundle), [TorchEngine("cpu")])


@pytest.fixture(scope="module")
def some() -> list[Radiograph]:
    return [Radiograph(square, "PNG", 8, (0, 255), "") for square in synthetic_squares(8)]


def read(predictor: Predictor, some: list[Radiograph]) -> list[Finding]:
    return predictor.read(predictor.examine(some))


def test_the_margin_is_eight_deviations_of_the_logit(predictor: Predictor) -> None:
    networks = predictor._networks
    draft = Draft.of(Off(networks.body, 1.01), networks, PROBE)
    assert draft is not None
    _, maps = networks.reader(networks.body(PROBE)[0])
    cell = float(np.sqrt(np.mean((0.01 * maps) ** 2)))
    assert DEVIATIONS == 8
    assert draft.margin == pytest.approx(8 * cell / maps[0].size ** 0.5, rel=1e-3)


@pytest.mark.parametrize("factor", [1.2, float("nan")])
def test_a_draft_that_is_far_off_is_none(
    predictor: Predictor, factor: float, caplog: pytest.LogCaptureFixture
) -> None:
    networks = predictor._networks
    assert Draft.of(Off(networks.body, factor), networks, PROBE) is None
    assert "no draft: its maps are" in caplog.text


def test_an_exact_pass_decides_where_the_draft_could_be_wrong(
    predictor: Predictor, some: list[Radiograph]
) -> None:
    exact = read(predictor, some)
    predictor._draft = Draft(Off(predictor._networks.body, 1.5), margin=1e3)
    again = read(predictor, some)
    assert [f.logit for f in again] == pytest.approx([f.logit for f in exact], abs=1e-5)
    for a, b in zip(exact, again, strict=True):
        np.testing.assert_allclose(a.activation.values, b.activation.values, atol=1e-4)


def test_no_exact_pass_where_the_label_stands(predictor: Predictor, some: list[Radiograph]) -> None:
    exact = read(predictor, some)
    body = predictor._networks.body
    predictor._networks = replace(predictor._networks, body=(counted := Off(body, 1.0)))
    predictor._draft = Draft(body, margin=0.0)
    assert [f.logit for f in read(predictor, some)] == [f.logit for f in exact]
    assert counted.images == 0
    # Far enough for some labels to be open, and not for all of them.
    point = predictor.operating_point
    edges = [point.threshold, *(point.indeterminate or ())]
    logits = [float(np.log(p / (1 - p))) for p in edges]
    fitted = predictor.card.calibration
    away = sorted(
        min(abs((f.logit + fitted.bias) / fitted.temperature - edge) for edge in logits)
        * fitted.temperature
        for f in exact
    )
    predictor._draft = replace(predictor._draft, margin=(away[2] + away[3]) / 2)
    read(predictor, some)
    assert counted.images == 3


def test_bacterial_or_viral_is_always_told_exactly(etiology_bundle: Path) -> None:
    class Rounding(TorchEngine):
        def load(self, bundle: Bundle) -> Networks:
            networks = super().load(bundle)
            return replace(networks, draft=networks.body)

    bundle = read_bundle(etiology_bundle)
    assert bundle.card.etiology is not None
    assert Predictor(bundle, [Rounding("cpu")])._draft is None


@pytest.mark.real
def test_labels_of_real_radiographs_are_those_of_pytorch(
    shipped_bundle: Path, real_data: Path
) -> None:
    files = sorted((real_data / "kermany" / "val").rglob("*.jpeg"))
    some = [decode(file.read_bytes()) for file in files]
    exact, ours = (
        read(Predictor.load(shipped_bundle, "cpu", 1, engine=engine, cache=ENGINES_DIR), some)
        for engine in ("torch", "auto")
    )
    assert [f.label for f in ours] == [f.label for f in exact]
    assert [f.logit for f in ours] == pytest.approx([f.logit for f in exact], abs=0.3)
