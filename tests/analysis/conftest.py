"""The bundle that ships, loaded once: its network takes a while to convert."""

from pathlib import Path

import pytest

from pneumonia.analysis.predictor import Predictor
from tests.running import ENGINES_DIR


@pytest.fixture(scope="session")
def shipped(shipped_bundle: Path) -> Predictor:
    return Predictor.load(shipped_bundle, "cpu", cache=ENGINES_DIR)
