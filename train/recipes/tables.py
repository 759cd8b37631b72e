"""Tables of a TOML file -> frozen dataclasses, with names and types checked on the way down."""

from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pneumonia.errors import RecipeError


def build(cls: Any, values: Any, where: str) -> Any:
    """Make a dataclass from a table.

    Raises
    ------
    RecipeError
        Naming the key that is missing, unknown or of the wrong type, or the value out of range.
    """
    if not isinstance(values, dict):
        raise RecipeError(f"{where} must be a table.")
    hints = get_type_hints(cls)
    unknown = sorted(set(values) - {f.name for f in fields(cls)})
    if unknown:
        raise RecipeError(f"{where}: unknown key {unknown[0]!r}. Known: {', '.join(hints)}.")
    made = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    try:
        return cls(**made)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {str(error).replace('__init__() ', '')}.") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return build(hint, value, where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise RecipeError(f"{where} is {value!r}; it must be one of {choices}.")
        return value
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind = get_origin(hint) or hint
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RecipeError(f"{where} is {value!r}; it must be a {kind.__name__}.")
    return value


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over``, table by table."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = merge(base[key], value) if both else value
    return merged


def nest(changes: dict[str, Any]) -> dict[str, Any]:
    """``{"network.until": "layer3"}`` -> ``{"network": {"until": "layer3"}}``."""
    nested: dict[str, Any] = {}
    for dotted, value in changes.items():
        *outer, key = dotted.split(".")
        for table in reversed(outer):
            key, value = table, {key: value}
        nested = merge(nested, {key: value})
    return nested
