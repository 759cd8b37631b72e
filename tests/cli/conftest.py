"""The commands run in the app that the web's tests make."""

from tests.web.conftest import client, make_app, make_bundle, radiograph_png, send

__all__ = ["client", "make_app", "make_bundle", "radiograph_png", "send"]
