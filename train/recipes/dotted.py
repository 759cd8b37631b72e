"""A recipe's settings by dotted key: from a command line, from nested tables, and as TOML again."""

import json
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from pneumonia.errors import RecipeError

_WORD = re.compile(r"[A-Za-z][\w.+-]*")


def parse(texts: Iterable[str]) -> dict[str, Any]:
    """``["training.epochs=3", "optimiser.name=adam"]`` -> values by dotted key; the last counts.

    A value is written as in TOML; a plain word needs no quotes.

    Raises
    ------
    RecipeError
        For what is not KEY=VALUE, or a value that is no TOML.
    """
    return dict(_parse(text) for text in texts)


def _parse(text: str) -> tuple[str, Any]:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals:
        raise RecipeError(
            f"The setting {text!r} must be KEY=VALUE, with the key as in a recipe: "
            "training.epochs=3."
        )
    try:
        found = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        found = {}
    if set(found) == {"value"}:
        return key, found["value"]
    if _WORD.fullmatch(value):
        return key, value
    raise RecipeError(
        f"The value of {key} is not TOML: {value!r}. Write a number, true, a word, "
        '"some words" or [1, 2].'
    )


def flatten(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """``{"network": {"until": "layer3"}}`` -> ``{"network.until": "layer3"}``; dotted keys stay."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{above}{key}.")
        else:
            flat[above + key] = value
    return flat


def literal(value: Any) -> str:
    """A text, number, truth value, or list of them, as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def as_words(changes: dict[str, Any]) -> str:
    """For a reader: ``training.epochs = 3, optimiser.name = adam``."""
    return ", ".join(
        f"{key} = {value if isinstance(value, str) and value else literal(value)}"
        for key, value in changes.items()
    )


def as_tables(changes: dict[str, Any]) -> str:
    """The changes as the tables of a TOML file, in their order."""
    tables: dict[str, list[str]] = {}
    for dotted, value in changes.items():
        table, _, key = dotted.rpartition(".")
        tables.setdefault(table, []).append(f"{key} = {literal(value)}")
    # What belongs to no table stands before the first one.
    ordered = sorted(tables.items(), key=lambda item: item[0] != "")
    blocks = [
        "\n".join([f"[{table}]", *lines]) if table else "\n".join(lines) for table, lines in ordered
    ]
    return "\n\n".join(blocks) + "\n"
