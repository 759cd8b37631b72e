"""``python -m benchmarks.viewer``: frames a second while a film is moved and its window dragged.

A drawn film of 2,000 x 2,500 pixels and 12 bits, in the Chromium that is installed, on the page as
it is served. Which WebGL there is says the first line; one that the processor computes is not used.
"""

import io
import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from app import create_app
from pneumonia.config import Settings
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.web.services import services

SIZE = (2500, 2000)  # height, width
SECONDS = 3
_ARGUMENTS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
_RENDERER = """
() => {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  return gl ? gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : "no WebGL 2";
}
"""
# One change before each frame, as a drag makes, and the frames that came of them.
_COUNT = """
async ([tool, seconds]) => {
  const stack = document.querySelector(".stack[data-film]");
  const box = stack.getBoundingClientRect();
  const send = (name, i) => stack.dispatchEvent(new PointerEvent(name, {
    pointerId: 1, bubbles: true, cancelable: true,
    clientX: box.left + box.width / 2 + 80 * Math.sin(i / 9),
    clientY: box.top + box.height / 2 + 40 * Math.cos(i / 9),
  }));
  stack.setPointerCapture = () => {};
  send("pointerdown", 0);
  const times = [];
  const end = performance.now() + 1000 * seconds;
  for (let i = 1; performance.now() < end; i++) {
    send("pointermove", i);
    times.push(await new Promise(requestAnimationFrame));
  }
  send("pointerup", 0);
  const gaps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
  return [1000 / gaps[gaps.length >> 1], gaps[Math.floor(0.95 * gaps.length)]];
}
"""


def main() -> None:
    grey = synthetic_radiograph(3, opacity=True, size=SIZE).astype(np.uint16)
    deep = grey * 16 + np.random.default_rng(3).integers(0, 16, SIZE, np.uint16)
    file = io.BytesIO()
    Image.fromarray(deep).save(file, "PNG", compress_level=1)
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder), engine="torch", device="cpu"))
        services(app).analysis.start()
        services(app).analysis.wait(120)
        with app.app_context():
            reading = services(app).readings.submit(file.getvalue())
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/readings/{reading.id}"
        _measure(address)
        server.shutdown()
        services(app).analysis.close()


def _measure(address: str) -> None:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        print(page.evaluate(_RENDERER))
        page.get_by_label("Greys").select_option("full")
        page.locator(".windowed").first.wait_for()
        for view in ("Side by side", "One picture"):
            if page.get_by_label(view).count():
                page.get_by_label(view).check()
            for tool in ("Window", "Move"):
                _print(page, view, tool)
        browser.close()


def _print(page: Page, view: str, tool: str) -> None:
    page.get_by_label(tool, exact=True).check()
    rate, slow = page.evaluate(_COUNT, [tool, SECONDS])
    print(f"  {view}, {tool.lower()}: {rate:.0f} frames/s (median), 95 % within {slow:.0f} ms")


if __name__ == "__main__":
    main()
