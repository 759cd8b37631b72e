"""The entry for gunicorn and flask; the model loads after the fork (see gunicorn.conf.py)."""

from app import create_app

app = create_app()
