"""Where a form may lead: a path of this server, whatever was asked for."""

from urllib.parse import urlsplit

from flask import url_for


def own_path(there: str) -> str:
    """The path that was asked for; the home page where it is none of this server's own."""
    is_path = there.startswith("/") and not there.startswith(("//", "/\\"))
    if not is_path or not there.isprintable() or "\\" in there or urlsplit(there).netloc:
        return url_for("pages.home")
    return there
