"""The app over a network that hangs for as long as the file HANG lies in the data folder."""

import time
from collections.abc import Sequence
from typing import Any

from app import create_app
from pneumonia.analysis.predictor import Predictor
from pneumonia.analysis.service import AnalysisService
from pneumonia.config import Settings

settings = Settings.from_environ()


def load() -> Predictor:
    predictor = Predictor.load(
        settings.models_dir / settings.model, "cpu", 1, cache=settings.conversions_dir
    )
    predict = predictor.predict

    def hang(radiographs: Sequence[Any]) -> Any:
        while (settings.data_dir / "HANG").exists():
            time.sleep(0.05)
        return predict(radiographs)

    predictor.predict = hang  # type: ignore[method-assign]
    return predictor


service = AnalysisService(load, max_batch=4, queue_size=8, wait_s=30, timeout_s=1)
app = create_app(settings, service)
