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
CLEAR, OPACITY = "clear-1", "opacity-1"


def open_page(browser: Browser, theme: str) -> Page:
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": 1440, "height": 900},
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
    dark = open_page(browser, "dark")
    read_sample(dark, address, OPACITY)
    save(dark, "reading-dark")
    light = open_page(browser, "light")
    read_sample(light, address, CLEAR)
    read_sample(light, address, OPACITY)
    light.keyboard.press("2")
    save(light, "reading-one-picture-light")
    light.goto(address)
    save(light, "home-light")


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
