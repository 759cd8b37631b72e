"""What a clinician says of a reading, by the page and by the API."""

import html
import re
from types import SimpleNamespace

import pytest

from pneumonia.analysis.finding import Label, PopulationMatch
from pneumonia.presentation.review import judge, say_choices
from pneumonia.records import Opinion

REVIEW = {
    "opinion": "pneumonia",
    "findings": ["effusion", "line_or_tube"],
    "note": "Left base.",
    "reviewer": "A. Åberg",
}


@pytest.fixture(params=[0.0, 1.0], ids=["pneumonia", "normal"])
def called(request, make_app, make_bundle):
    """A client of a server that calls every film one thing, and what it calls it."""
    client = make_app(bundle=make_bundle(request.param)).test_client()
    return client, "pneumonia" if request.param == 0 else "normal"


def body_of(client, reading: str):
    return client.get(f"/api/v1/readings/{reading}").get_json()


def text_of(client, address: str) -> str:
    return html.unescape(client.get(address).get_data(as_text=True))


def submit(client, token, reading: str, query: str = "", **changes):
    page = f"/readings/{reading}"
    fields = {**REVIEW, "csrf_token": token(client, page), **changes}
    return client.post(f"{page}/reviews{query}", data=fields)


def test_agreement_is_told_by_what_the_model_said(called, send, radiograph_png, problem) -> None:
    client, label = called
    reading = send(client, radiograph_png).get_json()
    assert (reading["label"], reading["review"]) == (label, None)
    address = reading["links"]["reviews"]
    for opinion, agreement in [
        ("pneumonia", "agree" if label == "pneumonia" else "disagree"),
        ("no_pneumonia", "agree" if label == "normal" else "disagree"),
        ("unsure", None),
    ]:
        response = client.post(address, json=REVIEW | {"opinion": opinion})
        assert response.status_code == 201
        created = response.get_json()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z", created.pop("created_at"))
        assert created == REVIEW | {"opinion": opinion, "agreement": agreement}
        assert body_of(client, reading["id"])["review"] == {
            "opinion": opinion,
            "agreement": agreement,
        }
        for state, listed in [
            ("any", True),
            ("none", False),
            ("agree", agreement == "agree"),
            ("disagree", agreement == "disagree"),
            ("unsure", opinion == "unsure"),
        ]:
            total = client.get(f"/api/v1/readings?review={state}").get_json()["total"]
            assert total == int(listed), state
    told = client.get(address).get_json()["reviews"]
    assert [one["opinion"] for one in told] == ["unsure", "no_pneumonia", "pneumonia"]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"opinion": "maybe"}, "The field 'opinion' cannot be taken: "),
        ({"opinion": None}, "Every field of a review is text; findings is a list of texts."),
        ({"findings": ["cold"]}, "The field 'findings' cannot be taken: 'cold' is not a valid"),
        ({"findings": [1]}, "Every field of a review is text"),
        ({"reviewer": "  "}, "The field 'reviewer' cannot be taken: Say who reviews"),
        ({"reviewer": "x" * 65}, "The field 'reviewer' cannot be taken: At most 64 characters."),
        ({"note": "x" * 2001}, "The field 'note' cannot be taken: At most 2,000 characters."),
        ({"verdict": "x"}, "There is no field 'verdict'; there are: opinion, findings, note, "),
    ],
)
def test_what_is_no_review_is_refused_in_a_sentence(
    client, send, radiograph_png, problem, sent, says
) -> None:
    reading = send(client, radiograph_png).get_json()
    response = client.post(reading["links"]["reviews"], json=REVIEW | sent)
    assert problem(response, 400, "bad_parameter").startswith(says)
    assert client.get(reading["links"]["reviews"]).get_json() == {"reviews": []}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null"])
def test_what_is_no_json_object_is_refused(client, send, radiograph_png, problem, data) -> None:
    address = send(client, radiograph_png).get_json()["links"]["reviews"]
    response = client.post(address, data=data, content_type="application/json")
    assert "A review is a JSON object" in problem(response, 400, "bad_parameter")


def test_what_else_the_address_says_stays_whatever_its_name(
    client, send, token, radiograph_png
) -> None:
    reading = send(client, radiograph_png).get_json()["id"]
    query = "?sort=oldest&reading_id=x&_external=1"
    assert client.get(f"/readings/{reading}{query}").status_code == 200
    response = submit(client, token, reading, query)
    assert response.headers["Location"] == f"/readings/{reading}{query}"


def test_a_reading_that_is_not_there_cannot_be_reviewed(client, problem) -> None:
    address = f"/api/v1/readings/{'0' * 32}/reviews"
    problem(client.get(address), 404, "reading_not_found")
    problem(client.post(address, json=REVIEW), 404, "reading_not_found")


# --- the page -----------------------------------------------------------------------------------


def test_a_review_stands_on_the_page_and_in_the_list_and_the_export(
    called, send, radiograph_png, token
) -> None:
    client, label = called
    said = "Agree: pneumonia" if label == "pneumonia" else "Disagree: pneumonia"
    reading = send(client, radiograph_png).get_json()["id"]
    response = submit(client, token, reading)
    assert (response.status_code, response.headers["Location"]) == (303, f"/readings/{reading}")
    page = text_of(client, f"/readings/{reading}")
    history = page.partition('class="review-history"')[2].partition("</ol>")[0]
    for words in (said, "Pleural effusion, Line or tube", "Left base.", "A. Åberg"):
        assert words in history
    assert 'value="A. Åberg"' in page  # the name is remembered
    assert said in text_of(client, "/worklist?review=any")
    row = client.get("/worklist.csv").get_data(as_text=True).splitlines()[1]
    assert f",pneumonia,{said.partition(':')[0].lower()}," in row


def test_a_second_review_leaves_the_first_one_to_be_read(
    client, send, radiograph_png, token
) -> None:
    reading = send(client, radiograph_png).get_json()["id"]
    submit(client, token, reading)
    submit(client, token, reading, opinion="unsure", reviewer="B", note="Not sure any more.")
    page = text_of(client, f"/readings/{reading}")
    history = page.partition('class="review-history"')[2].partition("</ol>")[0]
    assert history.index("Not sure any more.") < history.index("Left base.")


def test_what_was_typed_is_not_lost_where_something_is_missing(
    client, send, radiograph_png, token
) -> None:
    reading = send(client, radiograph_png).get_json()["id"]
    response = submit(client, token, reading, opinion="", note="A long thought.")
    assert response.status_code == 400
    page = html.unescape(response.get_data(as_text=True))
    assert "Choose one: agree, disagree or unsure." in page
    assert "A long thought." in page
    assert 'value="A. Åberg"' in page
    assert "checked" in re.search(r'<input [^>]*value="effusion"[^>]*>', page)[0]
    assert client.get(f"/api/v1/readings/{reading}/reviews").get_json() == {"reviews": []}


def test_keep_and_next_leads_down_the_list_of_what_is_not_reviewed(
    make_app, send, radiograph_png, token
) -> None:
    client = make_app().test_client()
    ids = [send(client, radiograph_png).get_json()["id"] for _ in range(3)]
    query = "?review=none&sort=oldest"
    for here, following in zip(ids, [*ids[1:], None], strict=True):
        response = submit(client, token, here, query, then="next")
        expected = f"/readings/{following or here}{query}"
        assert response.headers["Location"] == expected
    assert client.get("/api/v1/readings?review=none").get_json()["total"] == 0


def test_a_review_needs_the_form_of_the_page(client, send, radiograph_png) -> None:
    reading = send(client, radiograph_png).get_json()["id"]
    assert client.post(f"/readings/{reading}/reviews", data=REVIEW).status_code == 400


def finding(label: Label, match: PopulationMatch = PopulationMatch.YES):
    return SimpleNamespace(label=label, population_match=match)


def test_where_the_model_said_nothing_the_clinician_is_asked_what_is_seen() -> None:
    unsure = finding(Label.INDETERMINATE)
    outside = finding(Label.NORMAL, PopulationMatch.NO)
    for one in (unsure, outside):
        assert [text for _, text in say_choices(one)] == ["Pneumonia", "No pneumonia", "Unsure"]
        assert judge(one, Opinion.PNEUMONIA) is None
    assert [text for _, text in say_choices(finding(Label.NORMAL))] == [
        "Agree: no pneumonia",
        "Disagree: pneumonia",
        "Unsure",
    ]
