import shutil
import threading

import numpy as np
import pytest

from pneumonia.analysis.predictor import Predictor
from pneumonia.analysis.service import AnalysisService
from pneumonia.errors import AnalysisFailed, ModelNotReady, NoModel, RadiographTooSmall
from pneumonia.imaging import Radiograph
from pneumonia.imaging.synthetic import synthetic_radiograph

LIMITS = {"max_batch": 4, "queue_size": 8, "wait_s": 30.0, "timeout_s": 30.0}


@pytest.fixture
def radiograph() -> Radiograph:
    pixels = synthetic_radiograph(2, opacity=False, size=(180, 180)).astype(np.float32) / 255
    return Radiograph(pixels, "PNG", 8, (0, 255), "", ("The picture has colour.",))


def test_from_stopped_to_ready_to_a_finding(tiny_bundle, radiograph) -> None:
    gate_open = threading.Event()

    def load() -> Predictor:
        assert gate_open.wait(10)
        return Predictor.load(tiny_bundle, "cpu", engine="torch")

    service = AnalysisService(load, **LIMITS)
    assert service.state == "stopped"
    with pytest.raises(ModelNotReady, match="still loading"):
        service.analyse(radiograph)  # starts it
    assert service.state == "loading"
    gate_open.set()
    assert service.wait(60) == "ready"
    finding = service.analyse(radiograph)
    assert finding.model.id == "tiny"
    assert finding.quality.warnings == (
        "The picture has colour.",
        "The image is small (180 x 180 pixels): fine detail is missing.",
    )
    service.close()


def test_starting_twice_loads_once(tiny_bundle) -> None:
    loads = []

    def load() -> Predictor:
        loads.append(1)
        return Predictor.load(tiny_bundle, "cpu", engine="torch")

    service = AnalysisService(load, **LIMITS)
    service.start()
    service.start()
    assert service.wait(60) == "ready"
    assert len(loads) == 1
    service.close()


def test_no_bundle_fails_with_its_own_sentence(tmp_path, radiograph) -> None:
    service = AnalysisService(lambda: Predictor.load(tmp_path / "none"), **LIMITS)
    service.start()
    assert service.wait(60) == "failed"
    with pytest.raises(NoModel, match="no model bundle 'none'"):
        service.analyse(radiograph)


def test_whatever_goes_wrong_while_loading_is_said(radiograph) -> None:
    def load() -> Predictor:
        raise MemoryError("out of memory")

    service = AnalysisService(load, **LIMITS)
    service.start()
    assert service.wait(10) == "failed"
    with pytest.raises(AnalysisFailed, match="could not be loaded: out of memory"):
        service.analyse(radiograph)


def test_a_refused_radiograph_needs_no_model() -> None:
    service = AnalysisService(lambda: pytest.fail("must not load"), **LIMITS)
    with pytest.raises(RadiographTooSmall):
        service.analyse(Radiograph(np.zeros((10, 10), np.float32), "PNG", 8, (0, 0), ""))
    assert service.state == "stopped"


def test_a_bundle_put_in_place_after_a_failed_load_is_found(
    tiny_bundle, radiograph, tmp_path, monkeypatch
) -> None:
    folder = tmp_path / tiny_bundle.name
    service = AnalysisService(lambda: Predictor.load(folder, "cpu", engine="torch"), **LIMITS)
    service.start()
    assert service.wait(60) == "failed"
    shutil.copytree(tiny_bundle, folder)
    service.start()  # at once: nothing is tried anew
    assert service.state == "failed"
    monkeypatch.setattr("pneumonia.analysis.service.RETRY_S", 0.0)
    with pytest.raises(NoModel):
        service.analyse(radiograph)  # the old error until the new load has ended
    assert service.wait(60) == "ready"
    assert service.error is None
    assert service.analyse(radiograph).probability >= 0
    service.close()
