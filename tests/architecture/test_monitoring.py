"""The dashboard and the alert rules: they parse, and name only what the app exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from pneumonia import telemetry
from pneumonia.errors import AnalysisFailed, Overloaded

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "monitoring"
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}


def exported() -> set[str]:
    assert telemetry.REQUESTS  # what is looked at has to be imported
    return {
        metric.name + suffix
        for metric in REGISTRY.collect()
        for suffix in SUFFIXES.get(metric.type, ())
    }


def alerts() -> list[dict[str, Any]]:
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    return found


def expressions() -> list[str]:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in alerts()), *asked]


def test_only_metrics_that_exist_are_named() -> None:
    named = {
        name
        for expression in expressions()
        for name in re.findall(r"\b(?:pneumonia|process)_\w+", expression)
    }
    assert len(named) > 15
    assert named - exported() == set()


def test_every_metric_of_ours_is_shown_or_watched() -> None:
    text = " ".join(expressions())
    ours = {m.name for m in REGISTRY.collect() if m.name.startswith("pneumonia_")}
    shown = {name for name in ours if re.search(rf"\b{name}(_total|_bucket|_sum)?\b", text)}
    assert ours - shown == {"pneumonia_model"}


@pytest.mark.parametrize("expression", expressions())
def test_brackets_and_quotes_are_closed(expression: str) -> None:
    assert expression.count('"') % 2 == 0
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)


def test_only_labels_and_codes_that_exist_are_asked_for() -> None:
    text = " ".join(expressions())
    codes = set(re.findall(r'code="(\w+)"', text))
    assert codes == {Overloaded.code, AnalysisFailed.code, "internal_error"}
    labels = {
        label
        for inside in re.findall(r"[a-z_]{([^}]*)}", text)
        for label in re.findall(r"(\w+)=", inside)
    }
    assert labels == {"code", "job", "method", "view"}


def test_every_alarm_is_explained() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names) > 10
    guide = (ROOT / "docs" / "operating.md").read_text()
    assert re.findall(r"^\| `([A-Z][a-z]\w+)` \|", guide, flags=re.MULTILINE) == names
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_prometheus_is_told_where_to_ask() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    assert config["rule_files"] == ["alerts.yaml"]
    assert config["scrape_configs"][0]["job_name"] == "pneumonia"
