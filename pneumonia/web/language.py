"""The language of a page, and how it writes figures and moments."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from babel import Locale, negotiate_locale
from flask import Blueprint, Flask, Response, redirect, request
from flask_babel import (  # type: ignore[import-untyped]
    Babel,
    format_date,
    format_datetime,
    format_decimal,
    format_percent,
    get_locale,
    gettext,
)
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.presentation.describe import percent, score
from pneumonia.web.paths import own_path
from pneumonia.web.sentences import ISOLATED, texts, translate
from pneumonia.web.visitor import bearer

blueprint = Blueprint("language", __name__)

LANGUAGES = {"en": "English", "fr": "Français", "es": "Español", "ar": "العربية"}
"""Each under its own name; the texts of all but English are in ``translations/``."""
COOKIE = "language"
_COOKIE_LASTS_S = 365 * 24 * 3600
_SCRIPT = "script"
"""Context of the texts of the pages' scripts in the catalogue."""


@blueprint.post("/language")
def choose() -> BaseResponse:
    """Remember a language in this browser, and go back to the page it was chosen on."""
    response = redirect(own_path(request.form.get("next", "")), 303)
    chosen = request.form.get("language")
    if chosen in LANGUAGES:
        response.set_cookie(
            COOKIE,
            chosen,
            max_age=_COOKIE_LASTS_S,
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
    return response


def select_language() -> str:
    """What was chosen in this browser, else what it asks for; programs are answered in English."""
    if request.path.startswith("/api/") or bearer(request) is not None:
        return "en"
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    # "fr-CA, en;q=0.5" is French, though English alone is named as we name it.
    return negotiate_locale([*request.accept_languages.values()], LANGUAGES, sep="-") or "en"


def _locale() -> Locale:
    """Of this request; there is one in each."""
    locale: Locale | None = get_locale()
    assert locale is not None
    return locale


def _page_context() -> dict[str, Any]:
    locale = _locale()
    return {
        "language": {
            "tag": locale.language,
            "is_rtl": locale.text_direction == "rtl",
            "names": LANGUAGES,
            "here": request.full_path.rstrip("?") if request.method == "GET" else "",
            "script_texts": _script_texts(locale.language),
        }
    }


def _script_texts(language: str) -> str:
    """The texts of the pages' scripts, JSON by the English ones; empty in English."""
    if language == "en":
        return ""
    return json.dumps(texts(language, _SCRIPT), ensure_ascii=False)


def say_percent(share: float) -> str:
    """As :func:`percent`, in the page's language."""
    if _locale().language == "en":
        return percent(share)
    if round(share * 100) >= 100:
        return str(gettext("over %(percent)s", percent=say_whole_percent(0.99)))
    if round(share * 100) <= 0:
        return str(gettext("under %(percent)s", percent=say_whole_percent(0.01)))
    return say_whole_percent(share)


def say_whole_percent(share: float) -> str:
    """ "93 %", for a share in [0, 1]; it may say 0 and 100."""
    if _locale().language == "en":
        return f"{100 * share:.0f} %"
    said = str(format_percent(share)).replace("\N{LEFT-TO-RIGHT MARK}", "")
    # Beside Arabic letters, sign and figure would part.
    return ISOLATED % said if _locale().text_direction == "rtl" else said


def say_decimal(value: float, digits: int) -> str:
    return str(format_decimal(value, "#,##0" + ("." + "0" * digits if digits else "")))


def say_score(probability: float) -> str:
    """As :func:`score`, in the page's language."""
    if _locale().language == "en" or not 0.0001 <= probability <= 0.9999:
        return score(probability)
    return say_decimal(probability, 4)


def say_day(day: date) -> str:
    """Without its year: "02 Mar"."""
    return str(format_date(day, "dd MMM"))


def say_moment(moment: datetime) -> str:
    """To the second, in UTC: the page's script says it in the reader's own zone."""
    return f"{format_datetime(moment, 'dd MMM y, HH:mm:ss', rebase=True)} UTC"


_FILTERS: dict[str, Callable[..., str]] = {
    "translate": translate,
    "percent": say_percent,
    "whole_percent": say_whole_percent,
    "decimal": say_decimal,
    "score": say_score,
    "day": say_day,
    "moment": say_moment,
}


def register(app: Flask) -> None:
    Babel(app, locale_selector=select_language)
    app.context_processor(_page_context)
    app.jinja_env.filters |= _FILTERS
    app.after_request(_vary)


def _vary(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers["Content-Language"] = _locale().language
        response.vary.update(("Accept-Language", "Cookie"))
    return response
