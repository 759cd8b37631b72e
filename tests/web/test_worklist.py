"""The worklist as a page and as an answer of the API: filters, pages, many at once, neighbours."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from pneumonia.web import worklist
from pneumonia.web.services import services

FIELDS = {
    *("id", "created_at", "label", "probability", "confidence", "reference", "synthetic", "batch"),
    *("population", "population_match", "population_mismatches", "operating_point", "model"),
    *("image", "quality", "review", "links"),
}


@pytest.fixture(scope="module")
def ids(app, radiograph_png) -> list[str]:
    """Five readings, the oldest first."""
    client = app.test_client()
    found = []
    for name in ("ACC-1", "=2+2", "", "Åsa", "ACC-5"):
        data = {"image": (io.BytesIO(radiograph_png), "x.png"), "reference": name}
        found.append(client.post("/api/v1/readings", data=data).get_json()["id"])
    return found


def shown(page: str) -> list[str]:
    return re.findall(r'name="reading" value="([0-9a-f]{32})"', page)


def text_of(client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return response.get_data(as_text=True)


# --- the API ------------------------------------------------------------------------------------


def test_the_answer_has_summaries_that_agree_with_the_readings(client, ids) -> None:
    body = client.get("/api/v1/readings").get_json()
    assert [one["id"] for one in body["readings"]] == ids[::-1]
    assert body["total"] == 5
    assert body["links"] == {"previous": None, "next": None}
    for one in body["readings"]:
        assert set(one) == FIELDS
        whole = client.get(one["links"]["self"]).get_json()
        assert {name: whole[name] for name in FIELDS} == one


def test_links_lead_through_the_pages_with_the_filters_kept(client, ids) -> None:
    pages = [
        client.get(
            "/api/v1/readings?limit=2&sort=oldest&verdict=pneumonia&verdict=normal&verdict=indeterminate"
        ).get_json()
    ]
    while pages[-1]["links"]["next"]:
        assert "verdict=normal" in pages[-1]["links"]["next"]
        pages.append(client.get(pages[-1]["links"]["next"]).get_json())
    assert [[one["id"] for one in page["readings"]] for page in pages] == [
        ids[:2],
        ids[2:4],
        ids[4:],
    ]
    back = client.get(pages[2]["links"]["previous"]).get_json()
    assert back["readings"] == pages[1]["readings"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("reference=acc", [4, 0]),
        ("reference=åsa", []),  # SQLite folds the case of ASCII only, and says so in api.md
        ("reference=Åsa", [3]),
        ("match=unknown&sort=oldest", [0, 1, 2, 3, 4]),
        ("match=no", []),
        ("verdict=outside", []),
        ("model=another", "model is 'another'. It must be one of: "),
        ("until=2020-01-01", []),
        ("since=2020-01-01T00:00:00%2B05:30&limit=1", [4]),
        (
            "sort=best",
            "sort is 'best'. It must be one of: newest, oldest, uncertain, highest, lowest.",
        ),
        ("verdict=healthy", "verdict is 'healthy'. It must be one of: pneumonia, indeterminate, "),
        ("match=maybe", "match is 'maybe'. It must be one of: yes, unknown, no."),
        ("since=yesterday", "since is 'yesterday'. A day reads like 2026-03-01."),
        ("until=9999-12-31", "until is '9999-12-31'. Choose a day of the years 2 to 9998."),
        ("since=0001-01-01T00:00%2B05:00", "since is '0001-01-01T00:00+05:00'. Choose a day of "),
        ("limit=0", "limit is '0'; it must be a whole number from 1 to 200."),
        ("limit=1e3", "limit is '1e3'; it must be a whole number from 1 to 200."),
        ("after=1", "after is '1', which is no place in this order of the list."),
        ("batch=x", "batch is 'x'."),
        ("verdit=normal", "There is no filter 'verdit'; there are: reference, verdict, match, "),
    ],
)
def test_a_filter_lets_through_what_it_says_or_is_refused_in_a_sentence(
    client, ids, problem, asked, expected
) -> None:
    response = client.get(f"/api/v1/readings?{asked}")
    if isinstance(expected, str):
        assert problem(response, 400, "bad_parameter").startswith(expected)
    else:
        assert [one["id"] for one in response.get_json()["readings"]] == [ids[n] for n in expected]


def test_a_day_is_one_of_utc_and_its_end_belongs_to_it(client, ids) -> None:
    today = datetime.now(UTC).date()
    for day, number in ((today, 5), (today - timedelta(days=1), 0), (today + timedelta(days=1), 0)):
        asked = f"/api/v1/readings?since={day}&until={day}"
        if datetime.now(UTC).date() == today:
            assert client.get(asked).get_json()["total"] == number


# --- the page -----------------------------------------------------------------------------------


def test_the_page_lists_what_the_filters_let_through_and_keeps_them(client, ids) -> None:
    page = text_of(client, "/worklist?reference=acc&sort=oldest")
    assert shown(page) == [ids[0], ids[4]]
    assert "2 readings fit the filters" in page
    assert f'href="/readings/{ids[0]}?reference=acc&amp;sort=oldest"' in page
    assert '<option selected value="oldest">' in page
    assert 'value="acc"' in page


def test_pages_of_the_page_are_linked(client, ids, monkeypatch) -> None:
    monkeypatch.setattr(worklist, "PER_PAGE", 2)
    seen, page = [], text_of(client, "/worklist")
    while True:
        seen.append(shown(page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if not following:
            break
        page = text_of(client, following[1].replace("&amp;", "&"))
    assert [one for part in seen for one in part] == ids[::-1]
    assert "End of the list" in page
    back = re.search(r'rel="prev" href="([^"]+)"', page)
    assert shown(text_of(client, back[1].replace("&amp;", "&"))) == seen[1]


def test_a_filter_that_cannot_be_is_said_beside_the_form_and_nothing_is_listed(client, ids) -> None:
    page = text_of(client, "/worklist?since=yesterday&reference=acc", 400)
    assert "since is &#39;yesterday&#39;. A day reads like 2026-03-01." in page
    assert 'aria-invalid="true"' in page
    assert 'value="acc"' in page  # what was typed is not lost
    assert shown(page) == []


def test_nothing_found_says_how_to_see_everything(client, ids) -> None:
    page = text_of(client, "/worklist?reference=nobody")
    assert "No reading fits these filters." in page
    assert 'href="/worklist">Show all readings</a>' in page


def test_an_empty_server_says_what_will_be_here(make_app) -> None:
    page = text_of(make_app(start=False).test_client(), "/worklist")
    assert "Nothing has been read yet." in page
    assert "No reading fits" not in page


def test_a_reading_opened_from_the_list_leads_to_those_beside_it(client, ids) -> None:
    page = text_of(client, f"/readings/{ids[3]}?reference=a&sort=oldest")  # Åsa is not: A ring
    nav = page.partition('aria-label="Worklist"')[2].partition("</nav>")[0]
    assert f'rel="prev" href="/readings/{ids[0]}?reference=a&amp;sort=oldest"' in nav
    assert f'rel="next" href="/readings/{ids[4]}?reference=a&amp;sort=oldest"' in nav
    assert 'href="/worklist?reference=a&amp;sort=oldest"' in nav


@pytest.mark.parametrize("asked", ["", "?reference=a", "?sort=best"])
def test_a_reading_opened_from_elsewhere_stands_alone(client, ids, asked) -> None:
    assert 'class="neighbours"' not in text_of(client, f"/readings/{ids[3]}{asked}")


# --- CSV ----------------------------------------------------------------------------------------


def test_the_export_has_every_reading_of_the_filters_and_no_formula(client, ids) -> None:
    response = client.get("/worklist.csv?sort=oldest")
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"] == 'attachment; filename="readings.csv"'
    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
    assert [row["id"] for row in rows] == ids
    assert [row["reference"] for row in rows] == ["ACC-1", "'=2+2", "", "Åsa", "ACC-5"]
    whole = client.get(f"/api/v1/readings/{ids[0]}").get_json()
    assert float(rows[0]["probability"]) == whole["probability"]
    assert rows[0]["verdict"] == rows[0]["label"] == whole["label"]
    assert rows[0]["page"] == f"http://localhost/readings/{ids[0]}"


def test_an_export_of_nothing_is_a_header(client) -> None:
    text = client.get("/worklist.csv?reference=nobody").get_data(as_text=True)
    assert text.startswith("id,created_at,reference,verdict,label,probability,")
    assert text.count("\r\n") == 1


# --- many at once -------------------------------------------------------------------------------


@pytest.fixture
def own(make_app, radiograph_png) -> tuple:
    """A server of its own, for what changes it, with three readings."""
    app = make_app()
    client = app.test_client()
    ids = [
        client.post(
            "/api/v1/readings", data={"image": (io.BytesIO(radiograph_png), "x")}
        ).get_json()["id"]
        for _ in range(3)
    ]
    return client, ids, app


def act(client, token, where: str, what: str, chosen: list[str]):
    data = {"csrf_token": token(client, where), "act": what, "reading": chosen}
    return client.post(where, data=data)


def test_those_that_are_ticked_are_exported(client, ids, token) -> None:
    response = act(client, token, "/worklist?sort=lowest", "export", [ids[1], ids[3]])
    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
    assert [row["id"] for row in rows] == [ids[1], ids[3]]


def test_what_is_deleted_comes_back(own, token) -> None:
    client, ids, _ = own
    response = act(client, token, "/worklist?sort=oldest", "delete", ids[:2])
    assert (response.status_code, response.headers["Location"]) == (303, "/worklist?sort=oldest")
    page = text_of(client, "/worklist")
    assert "2 readings deleted. For 7 days they can be brought back" in page
    assert shown(page) == ids[2:]
    assert client.get(f"/readings/{ids[0]}").status_code == 404
    assert client.get(f"/readings/{ids[0]}/thumbnail.png").status_code == 404
    assert shown(text_of(client, "/worklist/deleted")) == [ids[1], ids[0]]

    act(client, token, "/worklist/deleted", "bring-back", [ids[0]])
    assert shown(text_of(client, "/worklist?sort=oldest")) == [ids[0], ids[2]]
    assert client.get(f"/readings/{ids[0]}/image.png").status_code == 200


def test_what_is_deleted_for_good_is_gone_with_its_film(own, token) -> None:
    client, ids, app = own
    act(client, token, "/worklist", "delete", [ids[0]])
    films = services(app).settings.data_dir / "films"
    assert len(list(films.glob("*/*.png"))) == 3
    act(client, token, "/worklist/deleted", "for-good", [ids[0]])
    assert len(list(films.glob("*/*.png"))) == 2
    assert "Nothing is here." in text_of(client, "/worklist/deleted")


def test_nothing_ticked_is_said_and_nothing_done(own, token) -> None:
    client, ids, _ = own
    for where, what in (("/worklist", "delete"), ("/worklist/deleted", "for-good")):
        if what == "for-good":
            act(client, token, "/worklist", "delete", [ids[0]])
        act(client, token, where, what, [])
        assert "No reading is ticked." in text_of(client, where)
    assert len(shown(text_of(client, "/worklist"))) == 2


def test_deleting_needs_the_form_of_the_page(own) -> None:
    client, ids, _ = own
    response = client.post("/worklist", data={"act": "delete", "reading": ids})
    assert response.status_code == 400
    assert len(shown(text_of(client, "/worklist"))) == 3
