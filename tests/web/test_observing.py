"""/metrics: for this computer unless said otherwise, and telling nothing of one patient."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from pneumonia.errors import BadSetting


def scrape(client: FlaskClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.get_data(as_text=True))
        for sample in family.samples
    }


def test_it_counts_what_happened(
    client: FlaskClient, send: Callable[..., Any], radiograph_png: bytes
) -> None:
    before = scrape(client)
    label = send(client, radiograph_png).get_json()["label"]
    send(client, b"no film")
    after = scrape(client)

    def grew(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0.0)

    created = {"method": "POST", "view": "api.create"}
    assert grew("pneumonia_requests_total", status="201", **created) == 1
    assert grew("pneumonia_requests_total", status="415", **created) == 1
    assert grew("pneumonia_refusals_total", code="unsupported_format") == 1
    assert grew("pneumonia_readings_total", label=label) == 1
    assert grew("pneumonia_score_count") == 1
    assert grew("pneumonia_batch_films_count") == 1
    assert grew("pneumonia_request_seconds_count", view="api.create") == 2
    for stage in ("decode", "queue", "network", "keep"):
        assert grew("pneumonia_stage_seconds_count", stage=stage) == 1, stage
    assert after[("pneumonia_model_ready", ())] == 1
    assert after[("pneumonia_storage_usable", ())] == 1
    assert after[("pneumonia_data_free_bytes", ())] > 0
    assert ("process_resident_memory_bytes", ()) in after


def test_samples_are_no_part_of_the_scores(client: FlaskClient, token: Callable[..., str]) -> None:
    before = scrape(client)
    assert client.post("/samples/clear-1", data={"csrf_token": token(client)}).status_code == 303
    key = ("pneumonia_score_count", ())
    assert scrape(client)[key] == before[key]


def test_no_label_is_made_by_a_client(
    client: FlaskClient, send: Callable[..., Any], radiograph_png: bytes
) -> None:
    made = send(client, radiograph_png, name="DOE^JANE.png").get_json()["id"]
    fields = {"image": (io.BytesIO(radiograph_png), "f.png"), "reference": "Jane Doe (ward Q)"}
    client.post("/api/v1/readings", data=fields)
    client.get(f"/readings/{made}")
    client.get("/DOE^JANE")
    client.open("/", method="JANE")
    text = client.get("/metrics").get_data(as_text=True)
    for secret in ("JANE", "Jane", "ward Q", made):
        assert secret not in text


@pytest.mark.parametrize(
    ("settings", "address", "headers", "status"),
    [
        ({}, "127.0.0.1", {}, 200),
        ({}, "::1", {}, 200),
        ({}, "::ffff:127.0.0.1", {}, 200),
        ({}, "10.0.0.7", {}, 404),
        ({}, "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),  # by a proxy nobody declared
        ({"metrics_from": "10.0.0.0/8"}, "10.0.0.7", {}, 200),
        ({"metrics_from": "10.0.0.0/8"}, "127.0.0.1", {}, 404),
        ({"metrics_from": ""}, "127.0.0.1", {}, 404),
        ({"proxies": 1}, "127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 404),
        ({"proxies": 1}, "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 200),
    ],
)
def test_it_answers_those_alone_who_may_ask(
    make_app: Callable[..., Any],
    settings: dict[str, Any],
    address: str,
    headers: dict[str, str],
    status: int,
) -> None:
    client = make_app(start=False, **settings).test_client()
    response = client.get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    assert response.status_code == status
    assert (b"pneumonia_requests" in response.data) == (status == 200)


def test_a_network_that_cannot_be_read_stops_the_start(make_app: Callable[..., Any]) -> None:
    with pytest.raises(BadSetting, match="PNEUMONIA_METRICS_FROM cannot be used"):
        make_app(start=False, metrics_from="everywhere")


def test_storage_that_is_gone_is_told(make_app: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "var").write_text("a file where the data folder should be")
    client = make_app(start=False, secret_key="k" * 32).test_client()
    assert scrape(client)[("pneumonia_storage_usable", ())] == 0


def test_every_answer_has_an_id_of_its_own(client: FlaskClient) -> None:
    ids = {client.get(path).headers["X-Request-ID"] for path in ("/", "/healthz", "/absent")}
    assert len(ids) == 3
    assert all(len(one) == 16 for one in ids)
