"""The app over a bundle, its model warm: what the fixtures of several folders are made of."""

import functools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from app import create_app
from pneumonia.config import Settings
from pneumonia.decoding.decoders import Decoders
from pneumonia.imaging import Limits
from pneumonia.web.services import services

ENGINES_DIR = Path(tempfile.gettempdir()) / f"pneumonia-test-engines-{os.getuid()}"
"""Where tests keep converted networks, for one another: a conversion takes many seconds."""


def settings_for(bundle: Path, data_dir: Path, **changes: Any) -> Settings:
    """One CPU thread, no conversion, no rate limit and a long patience, unless said otherwise."""
    values: dict[str, Any] = {
        "data_dir": data_dir,
        "models_dir": bundle.parent,
        "model": bundle.name,
        "device": "cpu",
        "threads": 1,
        "engine": "torch",
        "engines_dir": str(ENGINES_DIR),
        "rate_limit": "",
        "longest_wait_s": 60.0,  # a test machine may be busy with other tests
    }
    return Settings(**(values | changes))


@functools.cache
def decoders(*limits: int) -> Decoders:
    """Real ones, shared by all tests: their processes take a second to start."""
    return Decoders(Limits(*limits))


@contextmanager
def running(bundle: Path, data_dir: Path, **changes: Any) -> Iterator[Flask]:
    """An app that is ready, with :func:`settings_for` the bundle."""
    settings = settings_for(bundle, data_dir, **changes)
    app = create_app(settings, decoders=decoders(settings.max_upload_bytes, settings.max_pixels))
    own = services(app)
    own.analysis.start()
    assert own.analysis.wait(60) == "ready", own.analysis.error
    yield app
    own.analysis.close()
    own.store.close()
