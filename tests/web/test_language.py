"""Every page in every language, from one catalogue that is up to date."""

import io
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.web.language import LANGUAGES

ROOT = Path(__file__).parents[2]
OTHERS = [language for language in LANGUAGES if language != "en"]
GAP = re.compile(r"%\(\w+\)s|\{\w+\}|%%|</?\w+")
TOKENS = re.compile(
    r"\{#.*?#\}|\{% trans.*?endtrans %\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|<code.*?</code>"
    r"|<kbd.*?</kbd>|<[a-zA-Z/!](?:[^<>{\"]|\"[^\"]*\"|\{\{.*?\}\}|\{%.*?%\})*>",
    re.DOTALL,
)
SPOKEN = re.compile(r"\b(aria-label|alt|title|placeholder)=\"[^\"{]*[A-Za-z]{2}")
ITSELF = {"UTC", 'width="', '" height="'}
"""Text of a template that is no language's."""


def catalogue(language: str) -> Catalog:
    path = ROOT / "translations" / language / "LC_MESSAGES/messages.po"
    return read_po(io.BytesIO(path.read_bytes()), locale=language)


def forms(message: object) -> list[str]:
    return [message] if isinstance(message, str) else list(message)  # type: ignore[call-overload]


def contents(known: Catalog) -> dict[tuple[object, ...], list[str]]:
    return {(one.context, *forms(one.id)): forms(one.string) for one in known if one.id}


@pytest.fixture(scope="module")
def extracted() -> set[tuple[str | None, str]]:
    with (ROOT / "translations/babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file, "babel.cfg")
    keywords = {"lazy_gettext": None, "gettext": None, "ngettext": (1, 2), "_": None}
    keywords["pgettext"] = ((1, "c"), 2)
    found = set()
    for folder in ("pneumonia", "templates", "static/js"):
        for _, _, text, _, context in extract_from_dir(
            ROOT / folder,
            [(p.removeprefix(f"{folder}/"), m) for p, m in methods if p.startswith(folder)],
            {p.removeprefix(f"{folder}/"): o for p, o in options.items()},
            keywords=keywords,
        ):
            found.add((context, forms(text)[0]))
    return found


def test_the_catalogue_holds_all_texts_and_no_others(extracted) -> None:
    """Where this fails, `make messages` was not run."""
    template = read_po(io.BytesIO((ROOT / "translations/messages.pot").read_bytes()))
    for known in (template, *map(catalogue, OTHERS)):
        listed = {(one.context, forms(one.id)[0]) for one in known if one.id}
        assert listed == extracted


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_with_its_placeholders(language: str) -> None:
    known = catalogue(language)
    for one in known:
        if not one.id:
            continue
        assert not one.fuzzy, one.id
        for text in forms(one.string):
            assert text, one.id
            assert sorted(GAP.findall(text)) == sorted(GAP.findall(forms(one.id)[-1])), one.id
            # In an attribute a quotation mark would end it: “ ” and « » do not.
            assert text.count('"') == forms(one.id)[-1].count('"'), text


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_read_is_what_was_written(language: str) -> None:
    with (ROOT / "translations" / language / "LC_MESSAGES/messages.mo").open("rb") as file:
        compiled = contents(read_mo(file))
    assert compiled == contents(catalogue(language))


@pytest.mark.parametrize("path", sorted((ROOT / "templates").rglob("*.html")), ids=lambda p: p.name)
def test_no_template_holds_text_outside_the_catalogue(path: Path) -> None:
    template = path.read_text(encoding="utf-8")
    bare = [text.strip() for text in TOKENS.split(template)]
    assert [text for text in bare if re.search("[A-Za-z]{2}", text) and text not in ITSELF] == []
    assert SPOKEN.findall(template) == []


@pytest.fixture
def client(make_app) -> FlaskClient:
    app: Flask = make_app()
    return app.test_client()


@pytest.mark.parametrize(
    ("asked", "language"),
    [("", "en"), ("de", "en"), ("fr-CA,en;q=0.5", "fr"), ("de,es;q=0.8", "es"), ("ar-EG", "ar")],
)
def test_the_browser_asks_for_a_language(client: FlaskClient, asked: str, language: str) -> None:
    answer = client.get("/worklist", headers={"Accept-Language": asked} if asked else {})
    assert f'<html lang="{language}"' in answer.text
    assert ('dir="rtl"' in answer.text) == (language == "ar")
    assert answer.headers["Content-Language"] == language


def test_a_language_that_was_chosen_goes_before(client: FlaskClient) -> None:
    chosen = client.post("/language", data={"language": "es", "next": "/worklist?sort=oldest"})
    assert chosen.headers["Location"] == "/worklist?sort=oldest"
    assert "HttpOnly" in chosen.headers["Set-Cookie"]
    page = client.get("/worklist", headers={"Accept-Language": "fr"}).text
    assert "Aún no se ha leído nada." in page


@pytest.mark.parametrize("there", ["//elsewhere.example", "https://elsewhere.example/", "/\\x", ""])
def test_choosing_leads_nowhere_else(client: FlaskClient, there: str) -> None:
    answer = client.post("/language", data={"language": "tlh", "next": there})
    assert answer.headers["Location"] == "/"
    assert "Set-Cookie" not in answer.headers


FRENCH = {"Accept-Language": "fr"}


def test_a_refusal_is_said_in_the_language_of_the_page_and_in_english_to_programs(
    client: FlaskClient,
) -> None:
    def send(path: str, **headers: str) -> str:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/").text)[1]
        image = {"image": (io.BytesIO(b"%PDF-1.7"), "film.pdf"), "csrf_token": token}
        sent = client.post(path, data=image, headers=FRENCH | headers)
        return sent.get_json()["detail"] if sent.is_json else sent.text

    said = "C’est un document PDF. Les radiographies thoraciques sont acceptées en JPEG"
    assert said in send("/", Accept="application/problem+json")
    assert send("/api/v1/readings").startswith("This is a PDF document. Chest X-rays are accepted")


def test_sentences_are_found_by_their_pattern(client: FlaskClient) -> None:
    from pneumonia.web.sentences import translate

    app = client.application
    with app.test_request_context(headers=FRENCH):
        assert translate("The image is small (100 x 90 pixels): fine detail is missing.") == (
            "L’image est petite (100 × 90 pixels)\N{NO-BREAK SPACE}: les détails fins manquent."
        )
        assert translate(
            "The map is hottest in the right lower zone, also in the left upper zone and the "
            "left middle zone."
        ) == (
            "La carte est la plus chaude ici\N{NO-BREAK SPACE}: zone inférieure, côté "
            "droit\N{NO-BREAK SPACE}; et aussi\N{NO-BREAK SPACE}: zone supérieure, côté gauche et "
            "zone moyenne, côté gauche."
        )
        assert translate("Agree: no pneumonia") == "D’accord\N{NO-BREAK SPACE}: pas de pneumonie"
        assert translate("What nobody wrote.") == "What nobody wrote."
    with app.test_request_context():
        assert translate("Pleural effusion") == "Pleural effusion"


def test_figures_are_written_as_the_language_writes_them(client: FlaskClient) -> None:
    from pneumonia.web.language import say_percent, say_score

    with client.application.test_request_context(headers=FRENCH):
        assert say_percent(0.934) == "93\N{NO-BREAK SPACE}%"
        assert say_percent(0.9999).startswith("> 99")
        assert say_score(0.93456) == "0,9346"
    with client.application.test_request_context(headers={"Accept-Language": "ar"}):
        assert say_percent(0.9999).startswith("أكثر من ")
    with client.application.test_request_context():
        assert (say_percent(0.9999), say_score(0.93456)) == ("> 99 %", "0.9346")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/agreement", "Combien de fois le modèle a dit ce que les relecteurs ont vu"),
        ("/agreement/calibration", "Aucun modèle d’ici n’a encore été calibré"),
        ("/queue", "En attente (0)"),
        ("/api", "Avec des comptes, il faut un jeton avec la portée <code>read</code>."),
    ],
)
def test_the_pages_beside_the_readings_are_said_in_it_too(
    client: FlaskClient, path: str, said: str
) -> None:
    assert said in client.get(path, headers=FRENCH).text


def test_what_other_rooms_say_of_received_films_is_found(client: FlaskClient) -> None:
    from pneumonia.web.sentences import translate

    with client.application.test_request_context(headers=FRENCH):
        assert translate("3 films are given up.") == "3 clichés sont abandonnés."
        assert translate("PACS refused a result with status 0xA700.") == (
            "PACS a refusé un résultat avec le statut 0xA700."
        )
        assert translate(
            "The film was said to be of the group child; by the age given it is of adult, and was "
            "read so."
        ).endswith("d’après l’âge donné, il est du groupe adult, et a été lu ainsi.")
