"""What a browser is told: what may run and load, what may be kept, whom to believe."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient


class Inline(HTMLParser):
    """Collects what the content security policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]
        for name in ("src", "href", "action"):
            if re.match(r"(https?:)?//|javascript:", names.get(name) or ""):
                self.found.append(f"{name}={names[name]}")


@pytest.mark.parametrize("which", ["home", "reading", "model", "problem"])
def test_no_page_has_anything_inline_or_from_elsewhere(
    client: FlaskClient, page: str, which: str
) -> None:
    paths = {"home": "/", "reading": page, "model": "/model", "problem": "/nowhere"}
    parser = Inline()
    parser.feed(client.get(paths[which]).get_data(as_text=True))
    assert parser.found == []


def test_every_response_carries_the_security_headers(client: FlaskClient, page: str) -> None:
    for path in ("/", page, f"{page}/image.png", "/api/v1/nothing", "/healthz", "/nowhere"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]


def test_pages_and_answers_are_kept_by_no_cache(client: FlaskClient, page: str) -> None:
    for path in ("/", page, f"/api/v1{page}", "/readyz"):
        assert client.get(path).headers["Cache-Control"] == "no-store", path


def test_the_session_cookie_is_out_of_reach_of_scripts(client: FlaskClient) -> None:
    plain = client.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain


def test_over_https_the_cookie_is_secure_and_the_browser_stays_there(app: Any) -> None:
    headers = app.test_client().get("/", base_url="https://localhost").headers
    assert "; Secure" in headers["Set-Cookie"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in app.test_client().get("/").headers


def test_only_a_trusted_proxy_is_believed(make_app: Any) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/reader"}
    plain, proxied = (
        make_app(start=False, accounts="required", proxies=proxies)
        .test_client()
        .get("/login", headers=forwarded)
        for proxies in (0, 1)
    )
    assert 'href="/static/css/base.css"' in plain.get_data(as_text=True)
    assert "; Secure" not in plain.headers["Set-Cookie"]
    assert 'href="/reader/static/css/base.css"' in proxied.get_data(as_text=True)
    assert "; Secure" in proxied.headers["Set-Cookie"]
