"""The pages of accounts in a real browser: the first start, log-in, and all of them on a phone."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from pneumonia.records.user import Role
from pneumonia.web.services import services
from tests.browser.test_every_page import CONTRASTS, overflow
from tests.people import PASSWORD, add_person
from tests.running import running


@dataclass
class Clinic:
    address: str
    link: str


@pytest.fixture(scope="module")
def clinic(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A server with accounts, and a link of its first start."""
    with running(tiny_bundle, tmp_path_factory.mktemp("var"), accounts="required") as app:
        for name, role in (("ada", Role.ADMINISTRATOR), ("bob", Role.READER)):
            add_person(app, name, role)
        services(app).accounts.users.add("newcomer", Role.READER)
        link = services(app).accounts.links.give(None, timedelta(hours=1))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Clinic(f"http://127.0.0.1:{server.server_port}", f"/setup?key={link}")
        server.shutdown()
        thread.join()
        server.server_close()


def log_in(page: Page, clinic: Clinic, name: str = "ada") -> None:
    page.goto(f"{clinic.address}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{clinic.address}/")


@pytest.fixture(scope="module")
def cookies(browser: Browser, clinic: Clinic) -> list[Any]:
    """Of an administrator who has logged in."""
    with browser.new_context() as context:
        log_in(context.new_page(), clinic)
        return context.cookies()


PLACES = ("/login", "setup", "/account", "/account/tokens", "/users", "/audit", "/queue")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, clinic: Clinic) -> str:
    return clinic.link if request.param == "setup" else request.param


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_each_page_can_be_read_and_used(
    visitor, clinic: Clinic, cookies: list[Any], place: str, theme: str, width: int
) -> None:
    page = visitor.page(theme=theme, size=(width, 800))
    if place.startswith(("/account", "/users", "/audit", "/queue")):
        page.context.add_cookies(cookies)
    page.goto(clinic.address + place)
    assert page.evaluate("location.pathname") == place.partition("?")[0]
    assert overflow(page) == 0
    found = page.evaluate(CONTRASTS)
    assert len(found) > 4
    assert [entry for entry in found if entry[1] < entry[2]] == []
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden], [hidden]), select, button, a')]"
        ".filter((e) => !(e.labels?.length || e.getAttribute('aria-label') "
        "|| e.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert unnamed == []
    ids = page.locator("[id]").evaluate_all("all => all.map((e) => e.id)")
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("scripted", [True, False])
def test_a_person_comes_and_goes_by_keyboard(visitor, clinic: Clinic, scripted: bool) -> None:
    page = visitor.page(scripted=scripted)
    page.goto(f"{clinic.address}/model")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.get_by_label("Name").fill("bob")
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is not right")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{clinic.address}/model")
    expect(page.get_by_role("link", name="bob")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("status")).to_have_text("You are logged out.")
    page.goto(f"{clinic.address}/model")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_a_film_sent_after_the_log_in_ended_is_not_lost_from_sight(
    visitor, clinic: Clinic, radiograph: Path
) -> None:
    page = visitor.page()
    log_in(page, clinic, "bob")
    page.get_by_label("Chest film, a file").set_input_files(radiograph)
    page.context.clear_cookies()
    page.get_by_role("button", name="Read the film").click()
    expect(page.get_by_role("alert")).to_contain_text("Log in first")
    assert page.get_by_label("Chest film, a file").evaluate("e => e.files.length") == 1


def test_a_token_is_made_and_shown_once(visitor, clinic: Clinic) -> None:
    page = visitor.page()
    log_in(page, clinic, "bob")
    page.goto(f"{clinic.address}/account/tokens")
    page.get_by_label("What it is for").fill("The scanner")
    page.get_by_label("upload").check()
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator(".secret")).to_have_text(re.compile("^cxr_"))
    page.goto(f"{clinic.address}/account/tokens")
    expect(page.get_by_role("button", name="Revoke The scanner")).to_be_visible()
    expect(page.locator(".secret")).to_have_count(0)
    page.get_by_role("button", name="Revoke The scanner").click()
    expect(page.get_by_text("You have none.")).to_be_visible()
