"""Which engines to try on this machine, and in which order."""

import logging
from collections.abc import Iterator
from pathlib import Path

from pneumonia.analysis.engines.conversions import Conversions
from pneumonia.analysis.engines.engine import Engine, TorchEngine
from pneumonia.analysis.engines.openvino_cpu import OpenVinoEngine

_log = logging.getLogger(__name__)


def candidates(wanted: str, device: str, threads: int, cache: Path | None) -> Iterator[Engine]:
    """The fastest first; the last is PyTorch, which refuses nothing.

    Parameters
    ----------
    wanted
        ``"torch"`` leaves OpenVINO out; ``"auto"`` and ``"openvino"`` try it on a CPU.
    device
        ``"cpu"`` or ``"cuda"``; on a GPU there is PyTorch alone.
    threads
        CPU threads; 0: one per core.
    cache
        Folder of converted networks; None: they are converted at each start.
    """
    if device == "cpu" and wanted != "torch":
        try:
            yield OpenVinoEngine(threads, Conversions(cache))
        except (ImportError, RuntimeError) as error:  # absent, or it cannot start here
            _log.warning("OpenVINO is not used: %s", error)
    yield TorchEngine(device, threads)
