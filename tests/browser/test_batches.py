"""Many films at once, as a person sends them: dropped, chosen, a folder, without JavaScript."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_every_page import CONTRASTS, overflow
from tests.browser.test_uploading import hand_over
from tests.dicom_files import pack, pack_directory


@pytest.fixture(scope="module")
def files(radiograph: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four films and a text between them."""
    folder = tmp_path_factory.mktemp("films")
    made = []
    for name in ("a.png", "b.png", "notes.png", "c.png", "without-extension"):
        path = folder / name
        path.write_bytes(b"a text" if name == "notes.png" else radiograph.read_bytes())
        made.append(path)
    return made


def expect_names(page: Page, names: list[str]) -> None:
    """Wait until the lines carry these names, in this order."""
    expect(page.locator(".batch-lines [data-name]")).to_have_text(names)


def expect_batch(page: Page, files: list[Path]) -> None:
    page.wait_for_url("**/batches/*")
    expect(page.get_by_text(re.compile("5 files: 4 read, 1 not read$"))).to_be_visible()
    expect_names(page, [path.name for path in files])
    refused = page.locator("[data-outcome='refused']")
    expect(refused).to_contain_text("This kind of file is not accepted")
    expect(page.locator("[data-outcome='read'] .entry-verdict").first).to_have_text("Pneumonia")


def test_chosen_films_are_read_and_survive_a_reload(visitor, site, files):
    page = visitor.page()
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files(files)
    page.get_by_role("button", name="Read 5 films").click()
    expect_batch(page, files)
    expect(page.locator(".batch-counts")).to_have_text("4 pneumonia")
    page.reload()
    expect_batch(page, files)
    page.get_by_role("link", name="Open the first").click()
    expect(
        page.get_by_role("navigation", name="Worklist").get_by_role("link", name="Next")
    ).to_be_visible()


def test_dropped_films_are_read_by_keyboard_onwards(visitor, site, files):
    page = visitor.page()
    page.goto(site)
    hand_over(page, "drop", *files)
    expect_batch(page, files)
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.get_by_role("link", name="a.png").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/readings/*")
    page.go_back()
    expect_batch(page, files)


def test_folder_is_read_without_what_lies_beside_films(visitor, site, files, tmp_path):
    for path in files:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    page = visitor.page()
    page.goto(site)
    page.get_by_label("Choose a folder").set_input_files(tmp_path)
    page.wait_for_url("**/batches/*")
    expect(page.get_by_text(re.compile("5 files: 4 read, 1 not read$"))).to_be_visible()
    lines = page.locator(".batch-lines [data-name]")
    assert sorted(lines.all_inner_texts()) == sorted(path.name for path in files)


def test_films_are_read_without_javascript_by_their_number_or_their_name(visitor, site, files):
    page = visitor.page(scripted=False)
    for keeps_names in (False, True):
        page.goto(site)
        page.get_by_label("Chest film, a file").set_input_files(files)
        if keeps_names:
            page.get_by_label("Keep each file’s name as its reference").check()
        page.get_by_role("button", name="Read the film").click()
        page.wait_for_url("**/batches/*")
        expect(page.get_by_text("5 files: 4 read, 1 not read")).to_be_visible()
        expected = [p.name for p in files] if keeps_names else [f"File {n}" for n in range(1, 6)]
        expect_names(page, expected)


def test_page_waits_as_long_as_the_server_asks_and_then_goes_on(visitor, site, files):
    page = visitor.page()
    asked: list[str] = []

    def refuse_twice(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        asked.append(route.request.url)
        if len(asked) > 2:
            route.continue_()
            return
        route.fulfill(
            status=429,
            headers={"Retry-After": "60", "Content-Type": "application/problem+json"},
            body='{"detail": "More images came than are accepted."}',
        )

    page.route("**/batches/**", refuse_twice)
    page.clock.install()
    page.goto(site)
    hand_over(page, "drop", *files)
    wait = page.locator("[data-batch-wait]")
    expect(wait).to_have_text("More images came than are accepted. Going on by itself in 60 s.")
    expect(page.get_by_text("Waiting for the server")).to_have_count(2)
    page.clock.fast_forward(61_000)
    expect_batch(page, files)
    expect(wait).to_be_hidden()
    assert len(asked) == 7  # five files, and two of them again


def test_too_large_a_file_is_told_of_and_not_sent(visitor, site, files, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG" + bytes(3 * 2**20))
    page = visitor.page()
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files([files[0], large])
    page.get_by_role("button", name="Read 2 films").click()
    expect(page.get_by_text(re.compile("2 files: 1 read, 1 not read$"))).to_be_visible()
    page.reload()
    expect(page.locator("[data-outcome='refused']")).to_contain_text("larger than 2 MB")
    expect_names(page, ["a.png", "large.png"])


def test_what_was_stopped_is_said_not_to_have_been_sent(visitor, site, files):
    page = visitor.page()
    held: list[Route] = []
    page.route(
        "**/batches/**",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    page.goto(site)
    hand_over(page, "drop", *files)
    expect(page.get_by_text("Sending")).to_have_count(3)  # no more than three at once
    while len(held) < 3:  # their requests are under way
        page.wait_for_timeout(20)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Not sent")).to_have_count(2)
    for route in held:
        route.continue_()
    expect(page.locator("[data-outcome='read']")).to_have_count(2)
    page.reload()
    expect(page.get_by_text("the page was closed before it was sent")).to_have_count(2)
    expect_names(page, [path.name for path in files])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_batch_can_be_read_and_fits(visitor, site, files, theme):
    page = visitor.page(theme=theme, size=(360, 740))
    page.goto(site)
    hand_over(page, "drop", *files)
    expect_batch(page, files)
    assert [entry for entry in page.evaluate(CONTRASTS) if entry[1] < entry[2]] == []
    assert overflow(page) == 0


def test_an_archive_is_read_with_its_names_beside_other_films(visitor, site, files, tmp_path):
    archive = tmp_path / "films.zip"
    archive.write_bytes(pack({f"ward/{path.name}": path.read_bytes() for path in files[1:]}))
    page = visitor.page()
    page.goto(site)
    hand_over(page, "drop", files[0], archive)
    expect_batch(page, files)
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files(archive)
    page.get_by_role("button", name="Read the film").click()
    expect(page.get_by_text(re.compile("4 files: 3 read, 1 not read$"))).to_be_visible()
    expect_names(page, [path.name for path in files[1:]])


def test_of_a_discs_folder_what_its_directory_lists_is_sent(visitor, site, files, tmp_path):
    listed = [("IMAGE", ["IMG", "A"], "1.2.840.10008.5.1.4.1.1.1.1")]
    listed.append(("IMAGE", ["IMG", "CT"], "1.2.840.10008.5.1.4.1.1.2"))
    (tmp_path / "disc" / "img").mkdir(parents=True)
    (tmp_path / "disc" / "DICOMDIR").write_bytes(pack_directory(listed))
    (tmp_path / "disc" / "VIEWER.EXE").write_bytes(b"MZ")
    for name in ("a", "ct"):
        (tmp_path / "disc" / "img" / name).write_bytes(files[0].read_bytes())
    page = visitor.page()
    page.goto(site)
    page.get_by_label("Choose a folder").set_input_files(tmp_path / "disc")
    expect(page.get_by_text(re.compile("2 files: 1 read, 1 not read$"))).to_be_visible()
    expect(page.locator("[data-outcome='refused']")).to_contain_text("1 of the kind CT Image")
    expect(page.locator("[data-batch-wait]")).to_contain_text("2 files beside the disc’s directory")
    expect_names(page, ["DICOMDIR", "a"])
