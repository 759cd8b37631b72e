"""Engines: PyTorch's answers or none at all, converted once, and the map the same on each."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pneumonia.analysis.bundle import load_bundle
from pneumonia.analysis.engines.candidates import candidates
from pneumonia.analysis.engines.conversions import KEPT, Conversions
from pneumonia.analysis.engines.engine import Engine, EngineRefusal, TorchEngine
from pneumonia.analysis.engines.openvino_cpu import OpenVinoEngine
from pneumonia.analysis.predictor import Predictor
from pneumonia.config import ROOT
from pneumonia.imaging import Radiograph
from pneumonia.imaging.synthetic import synthetic_squares


def openvino(folder: Path | None = None) -> OpenVinoEngine:
    return OpenVinoEngine(1, Conversions(folder))


def small() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4)).eval()


PROBE = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def radiographs(n: int) -> list[Radiograph]:
    return [Radiograph(square, "PNG", 8, (0, 255), "") for square in synthetic_squares(n, 200)]


# --- PyTorch's answers --------------------------------------------------------------------------


@pytest.mark.parametrize("together", [1, 2, 5])
def test_openvino_answers_as_pytorch(together: int) -> None:
    prepared = openvino().prepare(small(), PROBE)
    x = torch.rand(together, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(prepared(x), small()(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("together", [1, 3])
def test_each_thread_has_requests_of_its_own(together: int) -> None:
    prepared = openvino().prepare(small(), PROBE)
    own, x = prepared._request, torch.rand(together, 3, 16, 16)

    def run() -> Tensor:
        assert prepared._request is not own
        with torch.inference_mode():
            return prepared(x)

    with ThreadPoolExecutor(1) as thread, torch.inference_mode():
        torch.testing.assert_close(thread.submit(run).result(60), prepared(x))


@pytest.mark.parametrize("bundle", ["tiny_bundle", "shipped_bundle"])
def test_findings_and_maps_are_the_same_on_every_engine(
    bundle: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(bundle)
    some = radiographs(3)
    reference, ours = (
        Predictor.load(folder, "cpu", 1, engine=engine) for engine in ("torch", "auto")
    )
    assert reference.engine.name == "PyTorch on cpu"
    assert ours.engine.name == "OpenVINO on cpu"
    examined = reference.examine(some), ours.examine(some)
    for a, b in zip(*examined, strict=True):
        assert (a.refusal is None) == (b.refusal is None)
        if a.lungs is not None and b.lungs is not None:
            np.testing.assert_array_equal(a.lungs.mask, b.lungs.mask)
    ours._draft = None  # what it may differ by is in test_draft.py
    for a, b in zip(reference.read(examined[0]), ours.read(examined[1]), strict=True):
        assert b.logit == pytest.approx(a.logit, abs=1e-3)
        np.testing.assert_allclose(b.activation.values, a.activation.values, atol=1e-3)


# --- or none at all -----------------------------------------------------------------------------


class Crooked(nn.Module):
    """Answers otherwise while it is converted than when it is asked: no engine may serve that."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1.01 if torch.compiler.is_exporting() else x


class Unconvertible(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum().item() > 0 else -x


def test_an_engine_that_disagrees_is_refused() -> None:
    with pytest.raises(EngineRefusal, match=r"answers are 0\.01 of their norm away"):
        openvino().prepare(Crooked(), PROBE)


def test_a_network_that_cannot_be_converted_is_refused() -> None:
    with pytest.raises(EngineRefusal):
        openvino().prepare(Unconvertible(), PROBE)


class Refusing:
    name = "an engine that refuses"
    device = "cpu"
    torch_threads = 1

    def prepare(self, network: nn.Module, probe: Tensor) -> nn.Module:
        raise EngineRefusal("it has another opinion")

    def draft(self, prepared: nn.Module) -> None:
        raise AssertionError("nobody asks for what it refuses")


def test_pytorch_serves_where_an_engine_refuses(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engines: Iterator[Engine] = iter([Refusing(), TorchEngine("cpu")])
    with caplog.at_level(logging.WARNING):
        predictor = Predictor(load_bundle(tiny_bundle), engines)
    assert predictor.engine.name == "PyTorch on cpu"
    assert caplog.messages == [
        "an engine that refuses does not run model tiny: it has another opinion"
    ]
    assert len(predictor.predict(radiographs(2))) == 2


def test_pytorch_serves_where_openvino_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert [type(engine) for engine in candidates("auto", "cpu", 1, None)] == [TorchEngine]
    assert "OpenVINO is not used" in caplog.text


def test_who_is_tried_and_in_which_order() -> None:
    def names(wanted: str, device: str) -> list[str]:
        return [engine.name for engine in candidates(wanted, device, 1, None)]

    assert names("auto", "cpu") == ["OpenVINO on cpu", "PyTorch on cpu"]
    assert names("openvino", "cpu") == names("auto", "cpu")
    assert names("torch", "cpu") == ["PyTorch on cpu"]
    assert names("auto", "cuda") == ["PyTorch on cuda"]


def test_a_predictor_leaves_pytorchs_threads_as_they_were(tiny_bundle: Path) -> None:
    before = torch.get_num_threads()
    seen = []
    predictor = Predictor.load(tiny_bundle, "cpu", before + 1, engine="torch")
    predictor._network.body.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    predictor.predict(radiographs(1))
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


# --- converted once -----------------------------------------------------------------------------


def files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_network_is_converted_once(tmp_path: Path) -> None:
    openvino(tmp_path / "engines").prepare(small(), PROBE)
    kept = files(tmp_path / "engines")
    assert [Path(name).name for name in sorted(kept)] == ["network.bin", "network.xml"]
    prepared = openvino(tmp_path / "engines").prepare(small(), PROBE)
    assert files(tmp_path / "engines") == kept
    torch.testing.assert_close(prepared(PROBE), small()(PROBE), rtol=1e-4, atol=1e-5)


def test_other_weights_are_another_network(tmp_path: Path) -> None:
    openvino(tmp_path).prepare(small(), PROBE)
    other = small()
    with torch.no_grad():
        other[0].weight.mul_(1.5)
    prepared = openvino(tmp_path).prepare(other, PROBE)
    assert len(list(tmp_path.iterdir())) == 2
    torch.testing.assert_close(prepared(PROBE), other(PROBE), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["network.xml", "network.bin"])
def test_a_damaged_conversion_is_made_anew(tmp_path: Path, name: str) -> None:
    openvino(tmp_path).prepare(small(), PROBE)
    (damaged,) = tmp_path.rglob(name)
    damaged.write_bytes(b"\0" * damaged.stat().st_size)
    prepared = openvino(tmp_path).prepare(small(), PROBE)
    torch.testing.assert_close(prepared(PROBE), small()(PROBE), rtol=1e-4, atol=1e-5)
    assert damaged.read_bytes().strip(b"\0")


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    prepared = openvino(tmp_path / "file").prepare(small(), PROBE)
    assert "is not kept" in caplog.text
    torch.testing.assert_close(prepared(PROBE), small()(PROBE), rtol=1e-4, atol=1e-5)


def test_the_oldest_conversions_are_forgotten(tmp_path: Path) -> None:
    conversions = Conversions(tmp_path)
    for i in range(KEPT + 3):
        conversions.keep(f"{i:02d}", lambda path: path.write_text("network"))  # type: ignore[arg-type,return-value]
    assert len(list(tmp_path.iterdir())) == KEPT
    assert (tmp_path / f"{KEPT + 2:02d}" / "network.xml").is_file()


# --- and nobody is told -------------------------------------------------------------------------

ALONE = """
import socket, sys
from pathlib import Path

def refuse(*_):
    raise AssertionError("a connection was opened")

socket.socket.connect = socket.getaddrinfo = refuse
from pneumonia.analysis.predictor import Predictor

print(Predictor.load(Path(sys.argv[1]), "cpu", 1).engine.name)
print("openvino_telemetry" in [name for name, module in sys.modules.items() if module])
"""


def test_openvino_does_not_report_its_use(tiny_bundle: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", ALONE, str(tiny_bundle)],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert result.stdout.splitlines() == ["OpenVINO on cpu", "False"], result.stderr
    assert list(tmp_path.iterdir()) == []  # it would leave its number there
