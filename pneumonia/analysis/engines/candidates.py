"""Which engines to try on this machine, and in which order."""

import ctypes
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pneumonia.analysis.engines.conversions import Conversions
from pneumonia.analysis.engines.engine import Engine
from pneumonia.analysis.engines.openvino_cpu import OpenVinoEngine
from pneumonia.errors import AnalysisFailed, BadSetting

_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
_log = logging.getLogger(__name__)


def candidates(wanted: str, device: str, threads: int, cache: Path | None) -> Iterator[Engine]:
    """The fastest first; the last is PyTorch, which refuses nothing. It is imported when asked for.

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

    Raises
    ------
    AnalysisFailed
        When PyTorch's turn comes and it is not installed.
    """
    if device == "cpu" and wanted != "torch":
        try:
            yield OpenVinoEngine(threads, Conversions(cache))
        except (ImportError, RuntimeError) as error:  # absent, or it cannot start here
            _log.warning("OpenVINO is not used: %s", error)
    try:
        from pneumonia.analysis.engines.pytorch import TorchEngine
    except ImportError as error:
        raise AnalysisFailed(
            f"The model needs PyTorch on this machine, and it cannot be imported: {error}. "
            "Install requirements-torch.lock."
        ) from None
    yield TorchEngine(device, threads)


def choose_device(wanted: str) -> str:
    """``"auto"`` becomes ``"cuda"`` or ``"cpu"``. Raises BadSetting for a GPU that is not there.

    PyTorch is asked only where a GPU is asked for, or a driver is installed: its import takes time.
    """
    if wanted == "cpu" or (wanted == "auto" and not _has_driver()):
        return "cpu"
    import torch

    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise BadSetting(
            "The device cuda was asked for, but torch finds no usable GPU here. "
            "Choose auto or cpu, or install a driver and a CUDA build of torch."
        )
    return "cuda" if present else "cpu"


def _has_driver() -> bool:
    for name in _DRIVERS:
        with suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False
