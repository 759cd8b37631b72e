"""One app for all tests of a module: what one leaves in the queue, another does not see."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.pacs.reader import Reader
from tests.running import running


@pytest.fixture
def reader(tiny_bundle: Path, tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    """Makes a reader that listens; ended with the test."""
    made: list[Reader] = []
    with running(tiny_bundle, tmp_path / "var") as app:

        def make(app: Flask = app, **options: Any) -> Reader:
            made.append(Reader(app, **options))
            return made[-1]

        yield make
        for one in made:
            one.close()
