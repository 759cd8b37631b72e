"""One app for all hostile files: it has to survive every one of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.running import running


@pytest.fixture(scope="module")
def app(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with running(tiny_bundle, tmp_path_factory.mktemp("var")) as app:
        yield app
