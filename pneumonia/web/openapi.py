"""The API's description: ``openapi.yaml`` as JSON for programs and as a page for people."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from flask import Blueprint, render_template, request

from pneumonia import __version__

blueprint = Blueprint("openapi", __name__)

_METHODS = ("get", "post", "put", "patch", "delete")


@blueprint.get("/api/v1/openapi.json")
def document() -> dict[str, Any]:
    """OpenAPI 3.1, for the server that is asked."""
    found = load_document()
    servers = [{"url": request.script_root or "/"}]
    return found | {"info": found["info"] | {"version": __version__}, "servers": servers}


@blueprint.get("/api")
def show() -> str:
    found = load_document()
    return render_template(
        "api.html",
        document=found,
        groups=[
            (tag, [one for one in _operations(found) if tag["name"] in one["tags"]])
            for tag in found["tags"]
        ],
        resolve=resolve,
        say_type=say_type,
    )


@cache
def load_document() -> dict[str, Any]:
    """The description as it was written, without version and servers."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def resolve(value: dict[str, Any]) -> dict[str, Any]:
    """What a ``$ref`` stands for; anything else as it is."""
    reference = value.get("$ref")
    if reference is None:
        return value
    found: Any = load_document()
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return dict(found)


def say_type(schema: dict[str, Any]) -> str:
    """A field's type in a few words; a schema with a name by its name."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(say_type(one) for one in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return ", ".join("null" if one is None else str(one) for one in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {say_type(schema['items'])}"
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def _operations(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        item[method]
        | {
            "path": path,
            "method": method.upper(),
            "parameters": item.get("parameters", []) + item[method].get("parameters", []),
            "scope": _scope(item[method]["security"]),
        }
        for path, item in found["paths"].items()
        for method in _METHODS
        if method in item
    ]


def _scope(security: list[dict[str, list[str]]]) -> str | None:
    """The right that an operation asks for; None where nobody is asked who they are."""
    return next((right for way in security for (right,) in way.values()), None)
