"""The app over a bundle, its model warm: what the fixtures of several folders are made of."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from app import create_app
from pneumonia.config import Settings
from pneumonia.web.services import services


def settings_for(bundle: Path, data_dir: Path, **changes: Any) -> Settings:
    """One CPU thread, no conversion, no rate limit and a long patience, unless said otherwise."""
    values: dict[str, Any] = {
        "data_dir": data_dir,
        "models_dir": bundle.parent,
        "model": bundle.name,
        "device": "cpu",
        "threads": 1,
        "engine": "torch",
        "rate_limit": "",
        "longest_wait_s": 60.0,  # a test machine may be busy with other tests
    }
    return Settings(**(values | changes))


@contextmanager
def running(bundle: Path, data_dir: Path, **changes: Any) -> Iterator[Flask]:
    """An app that is ready, with :func:`settings_for` the bundle."""
    app = create_app(settings_for(bundle, data_dir, **changes))
    own = services(app)
    own.analysis.start()
    assert own.analysis.wait(60) == "ready", own.analysis.error
    yield app
    own.analysis.close()
    own.store.close()
