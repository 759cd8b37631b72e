"""OpenVINO on the CPU: a network converted once, compiled at each start, held against PyTorch."""

import os
import sys
import threading
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pneumonia.analysis.engines.conversions import Conversions, digest
from pneumonia.analysis.engines.engine import EngineRefusal

TOLERANCE = 0.001
"""Largest difference from PyTorch in any output of the probe, as a part of that output's norm."""

_STREAMS = 8  # images side by side at most; further threads work on the same image


def _openvino() -> Any:
    """The library, without the part of it that reports its use over the network."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


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
    device = "cpu"
    torch_threads = 1  # Small things: further threads would wait for work in loops, on our cores.

    def __init__(self, threads: int, conversions: Conversions) -> None:
        self._threads = threads or _cores()
        self._kept = conversions
        self._library = _openvino()
        self._core = self._library.Core()

    def prepare(self, network: nn.Module, probe: Tensor) -> "Compiled":
        key = digest(network, probe[:1], self._library.get_version())
        with torch.inference_mode():
            expected = _as_tuple(network(probe))
        reason = ""
        for obtain in (self._read, self._convert):
            try:
                compiled = self._compile(obtain(key, network, probe[:1]), "f32")
                difference = _difference(compiled, probe, expected)
            except Exception as error:  # whatever it is, PyTorch can still serve
                reason = f"{type(error).__name__}: {error}"
                continue
            if difference <= TOLERANCE:
                return compiled
            reason = (
                f"its answers are {difference:.2g} of their norm away from PyTorch's, more than "
                f"{TOLERANCE:g}"
            )
        raise EngineRefusal(reason)

    def draft(self, prepared: nn.Module) -> nn.Module | None:
        has_bfloat16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        assert isinstance(prepared, Compiled)
        return self._compile(prepared.model, "bf16") if has_bfloat16 else None

    def _read(self, key: str, network: nn.Module, image: Tensor) -> Any:
        del network, image
        return self._core.read_model(self._kept.find(key))

    def _convert(self, key: str, network: nn.Module, image: Tensor) -> Any:
        with torch.no_grad():
            model = self._library.convert_model(torch.export.export(network, (image,)))
        model.reshape(list(image.shape))
        self._kept.keep(
            key, lambda path: self._library.save_model(model, path, compress_to_fp16=False)
        )
        return model

    def _compile(self, model: Any, precision: Literal["f32", "bf16"]) -> "Compiled":
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": self._threads,
            "ENABLE_CPU_PINNING": False,  # films are decoded and encoded on the same cores
        }
        return Compiled(self._library, self._core, model, settings)


class Compiled(nn.Module):
    """A network for one image at a time: alone with all threads, or several side by side.

    So an image's answer does not depend on its company, and no size of a batch is compiled. Each
    thread has requests of its own: one that is left behind hanging makes the next wait, and so the
    worker be replaced (docs/adr/0038), where a shared one would be busy and fail every image.

    Attributes
    ----------
    model
        What it was compiled from.
    """

    def __init__(self, library: Any, core: Any, model: Any, settings: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self._library, self._core, self._settings = library, core, settings
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
    def _queue(self) -> Any:
        """For several images."""
        if not hasattr(self._of_thread, "queue"):
            self._of_thread.queue = self._library.AsyncInferQueue(self._together, self._streams)
            self._of_thread.queue.set_callback(_copy)
        return self._of_thread.queue

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        images = np.ascontiguousarray(x.numpy())
        outputs = [np.empty((len(images), *shape), np.float32) for shape in self._shapes]
        if len(images) == 1:
            request = self._request
            request.infer([images], share_inputs=True)
            _copy(request, (outputs, 0))
        else:
            queue = self._queue
            for i in range(len(images)):
                queue.start_async([images[i : i + 1]], (outputs, i), share_inputs=True)
            queue.wait_all()
        tensors = tuple(torch.from_numpy(output) for output in outputs)
        return tensors if len(tensors) > 1 else tensors[0]


def _copy(request: Any, to: tuple[list[NDArray[np.float32]], int]) -> None:
    outputs, i = to
    for output, tensor in zip(outputs, request.output_tensors, strict=True):
        output[i] = tensor.data[0]


@torch.inference_mode()
def _difference(ours: nn.Module, images: Tensor, expected: tuple[Tensor, ...]) -> float:
    """Largest distance of an output from what is expected of an image, as a part of its norm."""
    return max(
        float((found - wanted[i]).norm() / wanted[i].norm())
        for i in range(len(images))
        for (found,), wanted in zip(_as_tuple(ours(images[i : i + 1])), expected, strict=True)
    )


def _as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else outputs


def _cores() -> int:
    """Those this process may run on, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
