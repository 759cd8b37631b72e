"""What is refused before any view, session or form is looked at."""

from urllib.parse import urlsplit

from flask import Flask, request

from pneumonia.errors import CrossOrigin, Overloaded, UntrustedHost
from pneumonia.server import OVERLOADED
from pneumonia.web.hosts import UNTRUSTED

SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def admit() -> None:
    """Before each request.

    Raises
    ------
    UntrustedHost
        Where the request is for a host that is not among the trusted ones.
    Overloaded
        Where the server marked it as one too many.
    CrossOrigin
        As :func:`check_origin`.
    """
    if (host := request.environ.get(UNTRUSTED)) is not None:
        raise UntrustedHost(
            f"The request is for the host {host!r}, which is not one of this server's names. Use "
            "the address you were given; whoever runs this server adds another one to "
            "PNEUMONIA_TRUSTED_HOSTS."
        )
    if OVERLOADED in request.environ:
        raise Overloaded(
            "As many requests as this server can answer in reasonable time are in work. Nothing "
            "was read or kept of this one. Try again in a few seconds."
        )
    check_origin()


def check_origin() -> None:
    """Refuse what a page of another site made a browser send, whatever door it is for.

    By Fetch Metadata (W3C), which every browser of today sends and no page can forge, else by
    Origin (RFC 6454); a program sends neither and is not a browser that somebody else steers.

    Raises
    ------
    CrossOrigin
    """
    if request.method in SAFE:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        is_own = origin is None or urlsplit(origin).netloc == request.host
    if not is_own:
        raise CrossOrigin(
            "A page of another site sent this, and only this server's own pages and programs may "
            "change anything here. Open the reader itself and do it there."
        )


def register(app: Flask) -> None:
    app.before_request(admit)
