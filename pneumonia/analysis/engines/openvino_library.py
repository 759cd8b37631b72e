"""OpenVINO, without the part of it that reports its use over the network."""

import sys
from typing import Any


def openvino() -> Any:
    """The library. Raises ImportError where it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
