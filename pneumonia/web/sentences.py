"""Sentences that rooms without Flask made in English, in the language of the page.

A refusal, a warning or what a finding means is put into words where it is known, kept with its
reading, and told to programs in English. Here it meets the catalogue: by the whole sentence, or by
the pattern it was made from, whose placeholders are then filled in the other language (ADR 0044).
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from babel.messages.mofile import read_mo
from flask_babel import get_locale  # type: ignore[import-untyped]

from pneumonia.config import ROOT

CONTEXT = "sentence"
"""Of these texts in the catalogue; those of templates and forms have none."""
_LONGEST = 1000
"""Characters of a sentence that is compared with patterns: it bounds the time for it."""
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
ISOLATED = "\N{FIRST STRONG ISOLATE}%s\N{POP DIRECTIONAL ISOLATE}"
"""What stays left to right (a file's name, a model's) does not upset a line from right to left."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An English sentence with placeholders, and the sentence in another language.

    ``fixed``: characters that are the same in every sentence made from it.
    """

    expression: re.Pattern[str]
    translation: str
    fixed: int


def translate(text: object) -> str:
    """A sentence in the page's language; as it is where the catalogue does not have it."""
    locale = get_locale()
    if locale is None or locale.language == "en":
        return str(text)
    return _say(str(text), locale.language, locale.text_direction == "rtl")


@cache
def texts(language: str, context: str) -> dict[str, str]:
    """What the catalogue of a language has in a context, by the English texts."""
    path = ROOT / "translations" / language / "LC_MESSAGES" / "messages.mo"
    with path.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_mo(file) if one.context == context}


@cache
def _patterns(language: str) -> list[Pattern]:
    """The one that says most first."""
    known = texts(language, CONTEXT).items()
    found = [_compile(english, other) for english, other in known if "%(" in english]
    return sorted(found, key=lambda one: -one.fixed)


def _compile(english: str, translation: str) -> Pattern:
    parts = _PLACEHOLDER.split(english.replace("%%", "%"))
    fixed, names = parts[::2], parts[1::2]
    expression = re.escape(fixed[0]) + "".join(
        f"(?P<{name}>.*?){re.escape(text)}" for name, text in zip(names, fixed[1:], strict=True)
    )
    return Pattern(re.compile(expression, re.DOTALL), translation, sum(map(len, fixed)))


@lru_cache(maxsize=4096)
def _say(sentence: str, language: str, is_rtl: bool) -> str:
    whole = texts(language, CONTEXT).get(sentence)
    if whole is not None or len(sentence) > _LONGEST:
        return whole or sentence
    for pattern in _patterns(language):
        if match := pattern.expression.fullmatch(sentence):
            values = {
                name: _say_value(value, language, is_rtl)
                for name, value in match.groupdict().items()
            }
            return pattern.translation % values
    return sentence


def _say_value(value: str, language: str, is_rtl: bool) -> str:
    """What fills a placeholder: words of the catalogue again, else as it is."""
    bare = value.strip()
    said = _say(bare, language, is_rtl)
    if said == bare and is_rtl and bare:
        said = ISOLATED % bare
    return value.replace(bare, said) if bare else value
