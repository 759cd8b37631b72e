"""A real Chromium against the real app, on a free port of this machine.

The bundle is the tiny one with random weights; its threshold is set low or high in the card, so
that every film is called pneumonia on one site and normal on the other.
"""

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from werkzeug.serving import make_server

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.running import running

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MAX_UPLOAD_BYTES = 2 * 2**20
OUTLINE = [[[0.1, 0.2], [0.4, 0.2], [0.4, 0.9]], [[0.6, 0.2], [0.9, 0.2], [0.9, 0.9]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if executable is None:
        pytest.skip("No Chromium is installed: apt-get install chromium runs the browser tests.")
    with sync_playwright() as playwright:
        own = playwright.chromium.launch(executable_path=executable, args=QUIET)
        yield own
        own.close()


@contextmanager
def serve(tiny_bundle: Path, folder: Path, threshold: float, **changes: object) -> Iterator[str]:
    """The app with a bundle at another threshold, its card changed. Yields its address."""
    bundle = folder / "models" / tiny_bundle.name
    shutil.copytree(tiny_bundle, bundle)
    card = json.loads((bundle / "card.json").read_text(encoding="utf-8"))
    card["operating_points"]["balanced"] |= {"threshold": threshold, "indeterminate": None}
    (bundle / "card.json").write_text(json.dumps(card | changes), encoding="utf-8")
    with running(bundle, folder / "var", max_upload_bytes=MAX_UPLOAD_BYTES) as app:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="package")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pneumonia")


@pytest.fixture(scope="package")
def site(tiny_bundle: Path, site_folder: Path) -> Iterator[str]:
    """Every film is called pneumonia here."""
    with serve(tiny_bundle, site_folder, 0.0) as address:
        yield address


@pytest.fixture(scope="package")
def normal_site(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Every film is called normal here."""
    with serve(tiny_bundle, tmp_path_factory.mktemp("normal"), 1.0) as address:
        yield address


@pytest.fixture(scope="package")
def radiograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.png"
    path.write_bytes(encode_png(synthetic_radiograph(7, opacity=True, size=(480, 560))))
    return path


@pytest.fixture(scope="package")
def reading_url(browser: Browser, site: str, radiograph: Path) -> str:
    """A reading on the pneumonia site, made by the form as a person makes it."""
    return _read(browser, site, radiograph)


@pytest.fixture(scope="package")
def outlined_url(browser: Browser, site: str, site_folder: Path, radiograph: Path) -> str:
    """A reading whose lungs were found: the tiny bundle cannot, so they are put in its row."""
    url = _read(browser, site, radiograph)
    with sqlite3.connect(site_folder / "var" / "pneumonia.sqlite3") as database:
        database.execute(
            "UPDATE readings SET outline = ? WHERE id = ?",
            (json.dumps(OUTLINE), url.rpartition("/")[2]),
        )
    return url


@pytest.fixture(scope="package")
def normal_reading_url(browser: Browser, normal_site: str, radiograph: Path) -> str:
    return _read(browser, normal_site, radiograph)


def _read(browser: Browser, address: str, radiograph: Path) -> str:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_label("Chest film, a file").set_input_files(radiograph)
        page.get_by_role("button", name="Read the film").click()
        page.wait_for_url("**/readings/*")
        return page.url


@dataclass
class Visitor:
    """Opens pages, and remembers what the browser complained of: errors and CSP violations."""

    browser: Browser
    contexts: list[BrowserContext]
    complaints: list[str]

    def page(
        self,
        *,
        scripted: bool = True,
        theme: str = "light",
        size: tuple[int, int] = (1280, 800),
        language: str = "en",
    ) -> Page:
        context = self.browser.new_context(
            java_script_enabled=scripted,
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            locale=language,
        )
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        # A refused upload is answered with a 4xx page; the browser notes that as an error.
        refused = "the server responded with a status of 4" in message.text
        # WebGL that the processor computes is read back whenever a test takes a picture.
        pictured = "GPU stall due to ReadPixels" in message.text
        if message.type in ("error", "warning") and not refused and not pictured:
            self.complaints.append(message.text)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    own = Visitor(browser, [], [])
    yield own
    for context in own.contexts:
        context.close()
    assert own.complaints == []
