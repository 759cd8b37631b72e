"""The commands run in the app that the web's tests make."""

from tests.web.conftest import app, client, make_app, make_bundle, radiograph_png, send

__all__ = ["app", "client", "make_app", "make_bundle", "radiograph_png", "send"]
