"""Numbers and tables as Markdown has them."""

from collections.abc import Iterable, Sequence
from typing import Any

UNKNOWN = "–"


def number(value: float | None, digits: int = 3) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """``42 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; a bar or a line break in a cell would end it, so neither stays."""
    lines = [
        " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in row)
        for row in (head, ["---"] * len(head), *rows)
    ]
    return "\n".join(f"| {line} |" for line in lines)
