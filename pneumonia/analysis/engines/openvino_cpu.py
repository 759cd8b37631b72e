"""OpenVINO on the CPU: networks converted once, compiled at each start, held against PyTorch."""

import os
import subprocess  # nosec B404  # our own module, by the running interpreter
import sys
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.bundle import Bundle
from pneumonia.analysis.engines.conversions import Conversions, digest
from pneumonia.analysis.engines.engine import Arrays, EngineRefusal, Networks
from pneumonia.analysis.engines.openvino_library import openvino
from pneumonia.config import ROOT

TOLERANCE = 0.001
"""Largest difference from PyTorch in any output of the probe, as a part of that output's norm."""

_STREAMS = 8  # images side by side at most; further threads work on the same image


class OpenVinoEngine:
    """OpenVINO's CPU plugin.

    Parameters
    ----------
    threads
        For all its work; 0: one per core.
    conversions
        Where converted networks are kept.

    Raises
    ------
    ImportError
        Where OpenVINO is not installed.
    """

    name = "OpenVINO on cpu"

    def __init__(self, threads: int, conversions: Conversions) -> None:
        self._threads = threads or _cores()
        self._kept = conversions
        self._core = openvino().Core()

    def load(self, bundle: Bundle) -> Networks:
        key = digest(bundle, openvino().get_version())
        try:
            return self._open(self._kept.find(key), bundle)
        except Exception:  # noqa: S110  # nosec B110  # absent or damaged: it is made anew
            pass
        try:
            with self._kept.make(key, lambda folder: _convert(bundle.folder, folder)) as folder:
                return self._open(folder, bundle)
        except EngineRefusal:
            raise
        except Exception as error:  # whatever it is, PyTorch can still serve
            raise EngineRefusal(f"{type(error).__name__}: {error}") from None

    def _open(self, folder: Path, bundle: Bundle) -> Networks:
        body, reader = self.open(folder, "body"), self.open(folder, "reader")
        lungs = self.open(folder, "lungs") if bundle.lungs else None
        rounds = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return Networks(body, reader, lungs, self._compile(body.model, "bf16") if rounds else None)

    def open(self, folder: Path, name: str) -> "Compiled":
        """One converted network, in float32. Raises EngineRefusal where it does not agree."""
        compiled = self._compile(self._core.read_model(folder / f"{name}.xml"), "f32")
        with np.load(folder / f"{name}.npz") as probe:
            answers = [probe[f"answer{i}"] for i in range(len(probe.files) - 1)]
            difference = _difference(compiled, probe["images"], answers)
        if not difference <= TOLERANCE:
            raise EngineRefusal(
                f"its answers are {difference:.2g} of their norm away from PyTorch's, more than "
                f"{TOLERANCE:g} ({name})"
            )
        return compiled

    def _compile(self, model: Any, precision: Literal["f32", "bf16"]) -> "Compiled":
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": self._threads,
            "ENABLE_CPU_PINNING": False,  # films are decoded and encoded on the same cores
        }
        return Compiled(self._core, model, settings)


class Compiled:
    """A network for one image at a time: alone with all threads, or several side by side.

    So an image's answer does not depend on its company, and no size of a batch is compiled. Each
    thread has requests of its own: one that is left behind hanging makes the next wait, and so the
    worker be replaced (docs/adr/0038), where a shared one would be busy and fail every image.

    Attributes
    ----------
    model
        What it was compiled from.
    """

    def __init__(self, core: Any, model: Any, settings: dict[str, Any]) -> None:
        self.model = model
        self._core, self._settings = core, settings
        self._alone = core.compile_model(model, "CPU", settings | {"NUM_STREAMS": 1})
        self._shapes = [tuple(output.shape)[1:] for output in self._alone.outputs]
        self._streams = min(settings["INFERENCE_NUM_THREADS"], _STREAMS)
        self._of_thread = threading.local()

    @cached_property
    def _together(self) -> Any:
        """Compiled when it is first needed: it takes its own room in memory."""
        settings = self._settings | {"NUM_STREAMS": self._streams}
        return self._core.compile_model(self.model, "CPU", settings)

    @property
    def _request(self) -> Any:
        """For an image alone."""
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._alone.create_infer_request()
        return self._of_thread.request

    @property
    def _requests(self) -> list[Any]:
        """For several images, one for each stream.

        OpenVINO's own queue calls back into Python, and could wait for ever where it was let go of
        just then.
        """
        if not hasattr(self._of_thread, "requests"):
            streams = range(self._streams)
            requests = [self._together.create_infer_request() for _ in streams]
            self._of_thread.requests = requests
        found: list[Any] = self._of_thread.requests
        return found

    def __call__(self, images: NDArray[np.float32]) -> Arrays:
        images = np.ascontiguousarray(images)
        outputs = tuple(np.empty((len(images), *shape), np.float32) for shape in self._shapes)
        if len(images) == 1:
            request = self._request
            request.infer([images], share_inputs=True)
            _copy(request, outputs, 0)
            return outputs
        requests = self._requests
        for i in range(len(images) + len(requests)):
            request, before = requests[i % len(requests)], i - len(requests)
            if before >= 0:
                request.wait()
                _copy(request, outputs, before)
            if i < len(images):
                request.start_async([images[i : i + 1]], share_inputs=True)
        return outputs


def _copy(request: Any, outputs: Arrays, i: int) -> None:
    for output, tensor in zip(outputs, request.output_tensors, strict=True):
        output[i] = tensor.data[0]


def _difference(
    ours: Compiled, images: NDArray[np.float32], answers: list[NDArray[np.float32]]
) -> float:
    """Largest distance of an output from what is expected of an image, as a part of its norm."""
    return max(
        float(np.linalg.norm(found[0] - wanted[i]) / np.linalg.norm(wanted[i]))
        for i in range(len(images))
        for found, wanted in zip(ours(images[i : i + 1]), answers, strict=True)
    )


def _convert(bundle: Path, to: Path) -> None:
    """Where PyTorch is not loaded, in a process that gives its memory back."""
    if "torch" in sys.modules:
        from pneumonia.analysis.engines.convert import convert

        convert(bundle, to)
        return
    command = [sys.executable, "-m", "pneumonia.analysis.engines.convert", str(bundle), str(to)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603  # nosec B603
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise EngineRefusal(f"the networks could not be converted: {said[-1]}")


def _cores() -> int:
    """Those this process may run on, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
