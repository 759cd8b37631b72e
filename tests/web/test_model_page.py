"""The page of the model, and what is said where there is none to read with."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from pneumonia.web.services import services

Token = Callable[..., str]
Upload = Callable[..., Any]


def test_without_a_bundle_the_app_starts_and_says_what_to_do(
    upload: Upload,
    make_app: Any,
    tmp_path: Any,
    token: Token,
    radiograph_png: bytes,
    send: Any,
    problem: Any,
) -> None:
    app = make_app(start=False, models_dir=tmp_path / "nothing", model="default")
    client = app.test_client()
    assert client.get("/").status_code == 200
    assert services(app).analysis.wait(60) == "failed"
    home = client.get("/")
    assert home.status_code == 200
    assert "flask train --data DIR" in home.get_data(as_text=True)
    answer = send(client, radiograph_png)
    assert problem(answer, 503, "no_model").startswith("There is no model bundle 'default': ")
    assert answer.headers["Retry-After"] == "60"
    page = upload(client, radiograph_png, token(client))
    assert page.status_code == 503
    assert "There is no model bundle" in page.get_data(as_text=True)
    model = client.get("/model")
    assert model.status_code == 200
    assert "There is no model bundle" in model.get_data(as_text=True)


def test_a_damaged_bundle_is_refused_with_its_reason(
    make_app: Any, make_bundle: Any, radiograph_png: bytes, send: Any, problem: Any
) -> None:
    bundle = make_bundle()
    with (bundle / "weights.safetensors").open("r+b") as weights:
        weights.seek(5000)
        weights.write(b"\xff" * 16)
    app = make_app(bundle=bundle, start=False)
    client = app.test_client()
    client.get("/readyz")
    assert services(app).analysis.wait(60) == "failed"
    detail = problem(send(client, radiograph_png), 503, "damaged_bundle")
    assert "SHA-256" in detail
    assert problem(client.get("/readyz"), 503, "damaged_bundle") == detail


def test_the_model_page_shows_the_card(client: FlaskClient, tiny_bundle: Any) -> None:
    card = json.loads((tiny_bundle / "card.json").read_text())
    text = client.get("/model").get_data(as_text=True)
    for shown in (card["id"], card["architecture"], card["weights"]["sha256"]):
        assert shown in text


def test_the_model_page_shows_operating_points_calibration_and_evidence(
    make_app: Any, make_bundle: Any
) -> None:
    balanced = {key: {"value": 0.9, "ci95": [0.8, 0.95]} for key in ("accuracy", "f1", "mcc")}
    balanced["sensitivity"] = {"value": 0.953, "ci95": [0.93, 0.97]}
    balanced["specificity"] = {"value": None, "ci95": [None, None]}
    evidence = {
        "n": 570,
        "auroc": {"value": 0.9912, "ci95": [0.9834, 0.9967]},
        "auprc": {"value": 0.9963, "ci95": [0.99, 0.999]},
        "ece": {"value": 0.021, "ci95": [0.017, 0.033]},
        "brier": {"value": 0.0124, "ci95": [0.0068, 0.0193]},
        "operating_point": "balanced",
        "heat_inside": {"value": 0.8612, "ci95": [0.84, 0.88]},
        "operating_points": {"balanced": balanced},
        "shortcuts": {"lungs blacked out": {"value": 0.631, "ci95": [0.58, 0.68]}},
        "robustness": {
            "blur": {
                "auroc": {"value": 0.981, "ci95": [0.97, 0.99]},
                "ece": {"value": 0.043, "ci95": [0.03, 0.05]},
            }
        },
        "classes": {
            "n": 560,
            "unknown": 10,
            "accuracy": {"value": 0.812, "ci95": [0.78, 0.84]},
            "macro_f1": {"value": 0.791, "ci95": [0.75, 0.82]},
            "macro_auroc": {"value": 0.923, "ci95": [0.9, 0.94]},
        },
        "refused": 2,
        "indeterminate": 31,
        "command": "flask evaluate --data kermany --split validation",
    }
    groups = [{"low": 0.0, "high": 0.02, "n": 40, "pneumonia": 1}]
    # Other films were scored as they are: nothing was altered.
    adults = {k: v for k, v in evidence.items() if k not in ("shortcuts", "robustness", "classes")}
    bundle = make_bundle(
        calibration={"frequency": groups},
        evidence={"validation": evidence, "adults": adults | {"n": 388, "refused": 1}},
    )
    app = make_app(bundle=bundle, operating_point="screening", start=False)
    text = re.sub(r"</?bdi[^>]*>", "", app.test_client().get("/model").text)
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
    for shown in (
        "Screening decides here Balanced Confirming",
        "Pneumonia from a probability of 0.",
        "Specificity: normal films that are called so 1.000 0.676 to 1.000",
        "< 1 % to 2 % 40 1 (2 %)",
        "Validation: 570 films",
        "AUROC: how well it ranks one above the other 0.991 0.983 to 0.997",
        "Expected calibration error (0 is best) 0.021 0.017 to 0.033",
        "heat inside the lungs 0.861 0.840 to 0.880",
        "Sensitivity 0.953 0.930 to 0.970 Specificity – Accuracy 0.900 0.800 to 0.950",
        "Normal, bacterial and viral: 560 films, 10 of unknown cause left out Measure Value",
        "Macro F1: mean over the classes 0.791 0.750 to 0.820",
        "Lungs blacked out 0.631 0.580 to 0.680",
        "Blur 0.981 0.970 to 0.990 0.043 0.030 to 0.050",
        "2 of them would have been refused. 31 fall into the indeterminate band of balanced.",
        "Made by flask evaluate --data kermany --split validation",
        "Adults: 388 films",
        "1 of them would have been refused.",
    ):
        assert shown in text, (shown, text)
