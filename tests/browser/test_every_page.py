"""What must hold on each page, in the light and in the dark, on a phone and on a desk."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PLACES = ("home", "reading", "model", "problem", "worklist")

# Contrast (WCAG 2.2, 1.4.3) of every visible text with the colour that lies behind it.
CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => {
      v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    throw new Error("no ground");
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    const text = own.map((node) => node.data).join("").trim();
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    const box = element.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1) continue;
    const style = getComputedStyle(element);
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(behind(element))].sort((p, q) => q - p);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push([text.slice(0, 40), (a + 0.05) / (b + 0.05), large ? 3 : 4.5]);
  }
  return found;
}
"""


@pytest.fixture(params=PLACES)
def place(request, site, reading_url) -> str:
    return {
        "home": site,
        "reading": reading_url,
        "model": f"{site}/model",
        "worklist": f"{site}/worklist",
        "problem": f"{site}/readings/{'0' * 32}",
    }[request.param]


WCAG = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    }
}


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_no_violation(visitor, place, theme, width, language):
    page = visitor.page(theme=theme, size=(width, 800), language=language)
    page.goto(place)
    expect(page.locator("html")).to_have_attribute("lang", language)
    found = Axe().run(page, options=WCAG).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    assert overflow(page) == 0


def test_the_language_is_chosen_at_the_foot_without_a_script(visitor, site):
    page = visitor.page(scripted=False)
    page.goto(f"{site}/worklist?sort=oldest")
    page.get_by_role("button", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    assert page.url == f"{site}/worklist?sort=oldest"
    page.get_by_role("button", name="Français").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Liste de travail")


def test_the_scripts_speak_the_language_of_the_page(visitor, site, radiograph):
    page = visitor.page(language="fr")
    page.goto(site)
    page.locator("#image").set_input_files(radiograph)
    expect(page.locator("[data-upload-state]")).to_contain_text("Choisi")


def overflow(page: Page) -> int:
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visitor, place, theme):
    page = visitor.page(theme=theme)
    page.goto(place)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 8
    assert [entry for entry in found if entry[1] < entry[2]] == []


@pytest.mark.parametrize("width", [360, 640, 1920])
def test_nothing_runs_out_of_the_window(visitor, place, width):
    page = visitor.page(size=(width, 800))
    page.goto(place)
    assert overflow(page) == 0


def test_page_has_landmarks_a_title_and_the_notice(visitor, place):
    page = visitor.page()
    page.goto(place)
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("navigation", name="Main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.title().endswith("– Chest X-ray reader")
    assert page.locator("html").get_attribute("lang") == "en"
    expect(page.get_by_role("contentinfo")).to_contain_text(
        "Research use only. Not a diagnosis. "
        "The model was trained on films of drawn chests; it is not for others."
    )
    expect(page.get_by_text("Not a diagnosis.")).to_be_in_viewport()


def test_every_control_has_a_name_and_every_id_is_its_own(visitor, place):
    page = visitor.page()
    page.goto(place)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), button, a, summary')]"
        ".filter((e) => !(e.labels?.length || e.getAttribute('aria-label') "
        "|| e.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert unnamed == []
    assert page.locator("img:not([alt])").count() == 0
    ids = page.locator("[id]").evaluate_all("all => all.map((e) => e.id)")
    assert sorted(ids) == sorted(set(ids))


def test_no_inline_style_or_script_is_sent(visitor, place):
    page = visitor.page(scripted=False)
    page.goto(place)
    assert page.locator("[style], style, script:not([src])").count() == 0
    handlers = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames())"
        ".filter((name) => name.startsWith('on'))"
    )
    assert handlers == []


def test_skip_link_is_the_first_stop_and_leads_to_the_content(visitor, place):
    page = visitor.page()
    page.goto(place)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_theme_is_switched_and_remembered_and_auto_follows_the_system(visitor, site):
    page = visitor.page(theme="light")
    page.goto(site)
    html = page.locator("html")
    light, dark = "rgb(243, 244, 245)", "rgb(13, 15, 17)"
    expect(html).to_have_css("background-color", light)
    page.get_by_label("Dark").check()
    expect(html).to_have_css("background-color", dark)
    page.goto(f"{site}/model")
    expect(html).to_have_css("background-color", dark)
    expect(page.get_by_label("Dark")).to_be_checked()
    page.get_by_label("Auto").check()
    expect(html).to_have_css("background-color", light)
    page.emulate_media(color_scheme="dark")
    expect(html).to_have_css("background-color", dark)


def test_theme_switch_is_not_offered_where_it_cannot_work(visitor, site):
    page = visitor.page(scripted=False)
    page.goto(site)
    expect(page.get_by_label("Dark")).to_be_hidden()


def test_times_are_shown_in_the_time_zone_of_the_reader(browser, reading_url):
    with browser.new_context(timezone_id="Asia/Kolkata") as context:
        page = context.new_page()
        page.goto(reading_url)
        time = page.locator(".facts time")
        shown, sent = time.inner_text(), time.get_attribute("title")
    assert sent.endswith(" UTC")
    assert shown.endswith((" GMT+5:30", " IST"))
    clocks = [re.search(r"(\d\d):(\d\d):(\d\d)", t) for t in (sent, shown)]
    assert clocks[0][3] == clocks[1][3]
    minutes = [60 * int(clock[1]) + int(clock[2]) for clock in clocks]
    assert (minutes[1] - minutes[0]) % 1440 == 330
