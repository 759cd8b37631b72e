"""Take the pictures of the README and the guides anew, from a server that runs.

    make serve &
    python docs/screenshots/take.py http://127.0.0.1:8000

Only the synthetic samples are read, so no film of a person is ever shown.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
DESK, PHONE = (1440, 900), (390, 844)
CLEAR, OPACITY = "clear-1", "opacity-1"


def open_page(browser: Browser, theme: str, size: tuple[int, int]) -> Page:
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=1,
        reduced_motion="reduce",
    )
    return context.new_page()


def read_sample(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.locator(f"button.sample[formaction$='/{name}']").click()
    page.wait_for_url("**/readings/*")
    page.wait_for_load_state("networkidle")


def save(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=HERE / f"{name}.png")
    print(HERE / f"{name}.png")


def take(browser: Browser, address: str) -> None:
    for theme in ("dark", "light"):
        page = open_page(browser, theme, DESK)
        read_sample(page, address, CLEAR)
        save(page, f"reading-clear-{theme}")
        read_sample(page, address, OPACITY)
        save(page, f"reading-{theme}")
        page.keyboard.press("2")
        save(page, f"reading-one-picture-{theme}")
        page.goto(address)
        save(page, f"home-{theme}")
        page.goto(f"{address}/model")
        save(page, f"model-{theme}")
    phone = open_page(browser, "dark", PHONE)
    read_sample(phone, address, OPACITY)
    save(phone, "reading-phone-dark")


def main(address: str) -> None:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        take(browser, address.rstrip("/"))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
