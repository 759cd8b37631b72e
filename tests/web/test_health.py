"""Alive at once; ready only when a reading could be taken."""

import threading
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from app import create_app
from pneumonia.analysis.predictor import Predictor
from pneumonia.analysis.service import AnalysisService
from pneumonia.web.services import services
from tests.running import ENGINES_DIR, settings_for


def test_ready_once_the_model_is_warm_and_not_before(
    tiny_bundle: Path, tmp_path: Path, send: Any, radiograph_png: bytes, problem: Any
) -> None:
    may_load = threading.Event()

    def load() -> Predictor:
        assert may_load.wait(60)
        return Predictor.load(tiny_bundle, "cpu", 1, cache=ENGINES_DIR)

    service = AnalysisService(load, max_batch=4, queue_size=8, wait_s=30, timeout_s=30)
    client = create_app(settings_for(tiny_bundle, tmp_path / "var"), service).test_client()
    assert service.state == "stopped"
    assert client.get("/healthz").get_json() == {"status": "alive"}

    loading = client.get("/readyz")  # asking is enough to start it
    problem(loading, 503, "model_not_ready")
    assert loading.headers["Retry-After"] == "3"
    problem(send(client, radiograph_png), 503, "model_not_ready")
    page = client.get("/").get_data(as_text=True)
    assert 'data-state="loading"' in page

    may_load.set()
    assert service.wait(60) == "ready"
    ready = client.get("/readyz")
    assert ready.status_code == 200
    card = service.card
    assert card is not None
    assert ready.get_json() == {
        "status": "ready",
        "model": {"id": card.id, "sha256": card.weights_sha256},
        "engine": "OpenVINO on cpu",
    }
    assert send(client, radiograph_png).status_code == 201
    service.close()


def test_a_model_that_cannot_load_is_never_ready_but_alive(make_app: Any, problem: Any) -> None:
    app = make_app(start=False, device="cpu", model="absent")
    client = app.test_client()
    client.get("/readyz")
    assert services(app).analysis.wait(60) == "failed"
    problem(client.get("/readyz"), 503, "no_model")
    assert client.get("/healthz").status_code == 200


def test_not_ready_without_a_database(
    make_app: Any, tmp_path: Any, send: Any, radiograph_png: bytes, problem: Any
) -> None:
    (tmp_path / "var").write_text("a file where the data folder should be")
    client: FlaskClient = make_app(secret_key="k" * 32).test_client()
    problem(client.get("/readyz"), 503, "storage_unavailable")
    problem(send(client, radiograph_png), 503, "storage_unavailable")
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200


def test_a_data_folder_that_cannot_hold_the_key_is_a_sentence(
    make_app: Any, tmp_path: Any, problem: Any
) -> None:
    (tmp_path / "var").write_text("a file where the data folder should be")
    client = make_app().test_client()
    response = client.get("/", headers={"Accept": "application/json"})
    detail = problem(response, 503, "storage_unavailable")
    assert detail.startswith(f"The data folder {tmp_path / 'var'} cannot be used: ")
    assert "PNEUMONIA_DATA_DIR" in detail


def test_a_full_or_forbidden_disk_is_no_dead_process(
    make_app: Any, tmp_path: Any, problem: Any
) -> None:
    (tmp_path / "var").write_text("a file where the data folder should be")
    client = make_app(start=False).test_client()
    live = client.get("/healthz")
    assert (live.status_code, live.get_json()) == (200, {"status": "alive"})
    assert "Set-Cookie" not in live.headers
    style = client.get("/static/css/base.css")
    assert (style.status_code, style.mimetype) == (200, "text/css")
    problem(client.get("/readyz"), 503, "storage_unavailable")
    for page in (client.get("/"), client.post("/samples/clear-1"), client.post("/")):
        assert page.status_code == 503
        assert f"The data folder {tmp_path / 'var'} cannot be used" in page.get_data(as_text=True)
