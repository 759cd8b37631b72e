"""A report as one page of PDF, A4: text that can be selected, and both pictures."""

import io
import unicodedata
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from reportlab import platypus
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Frame, HRFlowable, KeepInFrame, Paragraph, Spacer, Table

from pneumonia import __version__
from pneumonia.imaging.display import encode_png, to_thumbnail
from pneumonia.presentation.report import MAP_SENTENCE, Report

_MARGIN: Final = 15 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_PICTURE_HEIGHT: Final = 88 * mm
_PICTURE_PIXELS: Final = 900  # the longer side: some 260 to the inch
_SIGNING: Final = 24 * mm
_INK, _SOFT, _RULE = HexColor("#171b1f"), HexColor("#4f5962"), HexColor("#7b858d")
_NOT_SET: Final = "(written from right to left, which this report cannot set; see the page)"

_SANS, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_TEXT = ParagraphStyle("text", fontName=_SANS, fontSize=8.5, leading=11.5, textColor=_INK)
_SMALL = ParagraphStyle("small", _TEXT, fontSize=7, leading=9, textColor=_SOFT)
_NOTICE = ParagraphStyle("notice", _TEXT, fontName=_BOLD, fontSize=9, leading=12)
_TITLE = ParagraphStyle("title", _TEXT, fontName=_BOLD, fontSize=20, leading=25)
_HEAD = ParagraphStyle("head", _TEXT, fontName=_BOLD, spaceBefore=2 * mm)


def make_pdf(report: Report, pictures: Sequence[NDArray[np.uint8]]) -> bytes:
    """The report on one page; what it says is made smaller where it would need two.

    Parameters
    ----------
    pictures
        The film, and the film with its map where there is one: uint8 (height, width) or
        (height, width, 3). None where the film is gone.

    Returns
    -------
    A PDF file; the same report gives the same bytes.
    """
    _register_fonts()
    out = io.BytesIO()
    canvas = Canvas(out, A4, invariant=True, lang="en")
    canvas.setTitle(f"{report.title}: report of a chest film")
    canvas.setCreator(f"Chest X-ray reader {__version__}")
    height = A4[1] - 2 * _MARGIN - _SIGNING
    body = KeepInFrame(_WIDTH, height, _story(report, pictures), mode="shrink")
    frame = Frame(_MARGIN, _MARGIN + _SIGNING, _WIDTH, height, 0, 0, 0, 0)
    frame.addFromList([body], canvas)
    _draw_signing(canvas)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


@cache
def _register_fonts() -> None:
    """DejaVu Sans (Bitstream Vera's licence), which matplotlib brings along: Latin with all
    accents, Greek and Cyrillic."""
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    for name in (_SANS, _BOLD):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
    pdfmetrics.registerFontFamily(_SANS, normal=_SANS, bold=_BOLD)


def _story(report: Report, pictures: Sequence[NDArray[np.uint8]]) -> list[Any]:
    story: list[Any] = [
        _paragraph(report.notice, _NOTICE),
        HRFlowable("100%", 0.6, color=_RULE, spaceBefore=1.5 * mm, spaceAfter=2 * mm),
        _paragraph(" · ".join(_set(one) for one in report.identity), _SMALL),
        _paragraph(report.title, _TITLE),
        *(_paragraph(one, _TEXT) for one in report.remarks),
        Spacer(0, 2.5 * mm),
        _pictures(pictures),
    ]
    if report.has_map:
        story.append(_paragraph(MAP_SENTENCE, _SMALL))
    for title, sentences in (("About this film", report.warnings), ("Review", report.review)):
        if sentences:
            story.append(_paragraph(title, _HEAD))
            story += [_paragraph(one, _TEXT) for one in sentences]
    return [*story, Spacer(0, 2.5 * mm), _facts(report.facts)]


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(_set(text), quote=False).replace("\n", "<br/>"), style)


def _set(text: str) -> str:
    """The text, or a note in its place: letters in the wrong order would be worse than none."""
    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text):
        name, colon, _ = text.partition(": ")
        return f"{name}: {_NOT_SET}" if colon and name.isascii() else _NOT_SET
    return text


def _pictures(pictures: Sequence[NDArray[np.uint8]]) -> Any:
    if not pictures:
        return _paragraph("The picture of this film is missing from the server.", _TEXT)
    room = (_WIDTH - 4 * mm * (len(pictures) - 1)) / len(pictures)
    captions = ("Film", "Film with map")[: len(pictures)]
    cells = [
        [_picture(one, room) for one in pictures],
        [_paragraph(one, _SMALL) for one in captions],
    ]
    padding = [(side, (0, 0), (-1, -1), 0) for side in ("LEFTPADDING", "TOPPADDING")]
    return Table(
        cells,
        colWidths=[room + 4 * mm] * (len(pictures) - 1) + [room],
        style=[*padding, ("RIGHTPADDING", (0, 0), (-2, -1), 4 * mm)],
        hAlign="LEFT",
    )


def _picture(picture: NDArray[np.uint8], room: float) -> Any:
    """As large as the room lets it, in its own shape."""
    height, width = picture.shape[:2]
    scale = min(room / width, _PICTURE_HEIGHT / height)
    png = io.BytesIO(encode_png(to_thumbnail(picture, _PICTURE_PIXELS)))
    return platypus.Image(png, scale * width, scale * height, hAlign="LEFT")


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    rows = [[_paragraph(name, _SMALL), _paragraph(value, _SMALL)] for name, value in facts]
    padding = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "TOP", "BOTTOM")]
    return Table(rows, colWidths=[40 * mm, _WIDTH - 40 * mm], style=padding, hAlign="LEFT")


def _draw_signing(canvas: Canvas) -> None:
    """Whose film it is and who has read it are written by hand."""
    gap, left = 6 * mm, _MARGIN
    widths = [(_WIDTH - 2 * gap) * share for share in (0.3, 0.3, 0.4)]
    for name, width in zip(("Patient", "Reader", "Date and signature"), widths, strict=True):
        canvas.setFont(_SANS, 8)
        canvas.setFillColor(_SOFT)
        canvas.drawString(left, _MARGIN + _SIGNING - 8 * mm, name)
        canvas.setStrokeColor(_INK)
        canvas.line(left, _MARGIN, left + width, _MARGIN)
        left += width + gap
