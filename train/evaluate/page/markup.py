"""Small pieces of HTML: figures, tables, captions. Whatever comes in as text is escaped."""

from collections.abc import Sequence
from html import escape
from typing import Any

from train.evaluate.page.charts import draw_marker


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(value: object) -> str:
    """Escape, unless it is HTML already."""
    return value if isinstance(value, Markup) else escape(str(value))


def rate(figure: dict[str, Any] | None, digits: int = 3) -> Markup:
    """A figure with its interval below it; a dash where there is none."""
    if figure is None or figure["value"] is None:
        return Markup("–")
    text = f"{figure['value']:.{digits}f}"
    low, high = figure["ci95"]
    if low is not None:
        text += f" <small>{low:.{digits}f} to {high:.{digits}f}</small>"
    return Markup(text)


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def table(
    caption: str,
    head: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    kind: str = "",
    numbers: bool = True,
) -> Markup:
    """A table whose first column names the rows; it scrolls by itself where it is too wide.

    Parameters
    ----------
    numbers
        All columns but the first hold figures.
    """
    cell = '<td class="number">' if numbers else "<td>"
    column = '<th scope="col" class="number">' if numbers else '<th scope="col">'
    first, *rest = head
    top = f'<th scope="col">{html(first)}</th>' + "".join(f"{column}{html(h)}</th>" for h in rest)
    body = "".join(
        f'<tr><th scope="row">{html(name)}</th>'
        + "".join(f"{cell}{html(value)}</td>" for value in values)
        + "</tr>"
        for name, *values in rows
    )
    return Markup(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="{kind}"><caption><span>{escape(caption)}</span></caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figure(chart: str, caption: str, key: Markup = Markup("")) -> Markup:  # noqa: B008 - immutable
    return Markup(f"<figure>{chart}<figcaption>{escape(caption)}{key}</figcaption></figure>")


def key(names: dict[str, str]) -> Markup:
    """Which marker is which: name to shape."""
    entries = "".join(
        '<li><svg viewBox="0 0 16 16" aria-hidden="true">'
        f"{draw_marker(8, 8, shape)}</svg>{escape(name)}</li>"
        for name, shape in names.items()
    )
    return Markup(f'<ul class="key">{entries}</ul>')


def section(name: str, title: str, *parts: str) -> Markup:
    return Markup(
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(title)}</h2>{"".join(parts)}</section>'
    )


def pair(*parts: str) -> Markup:
    """Side by side where there is room."""
    return Markup('<div class="pair">' + "".join(f"<div>{part}</div>" for part in parts) + "</div>")


def paragraph(text: str) -> Markup:
    return Markup(f"<p>{escape(text)}</p>")


def count(n: int, one: str, many: str | None = None) -> str:
    """``1 film``, ``2 films``."""
    return f"{n} {one if n == 1 else many or one + 's'}"
