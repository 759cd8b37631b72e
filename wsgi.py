"""The entry for gunicorn and flask; the model loads after the fork (see gunicorn.conf.py)."""

from app import create_app
from pneumonia.errors import BadSetting

try:
    app = create_app()
except BadSetting as error:
    raise SystemExit(f"Error: {error}") from None
