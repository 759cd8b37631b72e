"""A network that raises, answers with no number or hangs: its own request fails, no other."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from pneumonia.analysis.predictor import Predictor
from pneumonia.analysis.service import AnalysisService
from pneumonia.web.services import services
from tests.running import settings_for


class Fault:
    """The tiny network, which fails once, in the way that is asked for."""

    def __init__(self, bundle: Path) -> None:
        self.kind = ""
        self.let_go = threading.Event()
        self._bundle = bundle

    def load(self) -> Predictor:
        predictor = Predictor.load(self._bundle, "cpu", 1, engine="torch")
        self._read = predictor._networks.reader
        predictor._networks = replace(predictor._networks, reader=self.read)
        return predictor

    def read(self, features: Any) -> Any:
        kind, self.kind = self.kind, ""
        if kind == "raises":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if kind == "hangs":
            self.let_go.wait(60)
        logits, maps = self._read(features)
        return logits * math.nan if kind == "NaN" else logits, maps


@pytest.fixture(scope="module")
def fault(tiny_bundle: Path) -> Iterator[Fault]:
    fault = Fault(tiny_bundle)
    yield fault
    fault.let_go.set()


@pytest.fixture(scope="module")
def client(
    fault: Fault, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlaskClient]:
    service = AnalysisService(fault.load, max_batch=4, queue_size=8, wait_s=20, timeout_s=2)
    app = create_app(settings_for(tiny_bundle, tmp_path_factory.mktemp("var")), service)
    service.start()
    assert service.wait(60) == "ready"
    yield app.test_client()
    service.close()
    services(app).store.close()


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        ("raises", "analysis_failed", "could not analyse this image (RuntimeError)"),
        ("NaN", "analysis_failed", "answer to this image is not a number"),
        ("hangs", "analysis_timeout", "did not answer within 2 seconds"),
    ],
)
def test_it_fails_its_own_request_and_the_next_is_answered(
    client: FlaskClient,
    fault: Fault,
    send: Callable[..., Any],
    problem: Callable[..., str],
    radiograph_png: bytes,
    kind: str,
    code: str,
    sentence: str,
) -> None:
    fault.kind = kind
    assert sentence in problem(send(client, radiograph_png), 503, code)
    assert send(client, radiograph_png).status_code == 201
    assert client.get("/readyz").status_code == 200
