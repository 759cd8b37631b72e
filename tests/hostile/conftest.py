"""One app for all hostile files: it has to survive every one of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from pneumonia.config import Settings
from pneumonia.web.services import services


@pytest.fixture(scope="module")
def app(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = create_app(
        Settings(
            data_dir=tmp_path_factory.mktemp("var"),
            models_dir=tiny_bundle.parent,
            model=tiny_bundle.name,
            device="cpu",
            threads=1,
            rate_limit="",
        )
    )
    services(app).analysis.start()
    assert services(app).analysis.wait(60) == "ready"
    yield app
    services(app).analysis.close()
    services(app).store.close()
