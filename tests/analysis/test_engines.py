"""Engines: PyTorch's answers or none at all, converted once, and the map the same on each."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pneumonia.analysis.bundle import Bundle, read_bundle
from pneumonia.analysis.engines import convert
from pneumonia.analysis.engines.candidates import candidates
from pneumonia.analysis.engines.conversions import KEPT, Conversions, digest
from pneumonia.analysis.engines.convert import write
from pneumonia.analysis.engines.engine import Engine, EngineRefusal, Networks
from pneumonia.analysis.engines.openvino_cpu import OpenVinoEngine
from pneumonia.analysis.engines.pytorch import TorchEngine, as_run
from pneumonia.analysis.predictor import Predictor
from pneumonia.config import ROOT
from pneumonia.imaging import Radiograph
from pneumonia.imaging.synthetic import synthetic_squares
from pneumonia.networks.spec import NetworkSpec
from tests.running import ENGINES_DIR


def openvino(folder: Path | None = None) -> OpenVinoEngine:
    return OpenVinoEngine(1, Conversions(folder))


def small() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4)).eval()


PROBE = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A folder with a small network in it, converted."""
    write("small", small(), PROBE, tmp_path)
    return tmp_path


@torch.inference_mode()
def of_small(images: np.ndarray) -> np.ndarray:
    return np.asarray(small()(torch.from_numpy(images)))


def radiographs(n: int) -> list[Radiograph]:
    return [Radiograph(square, "PNG", 8, (0, 255), "") for square in synthetic_squares(n, 200)]


# --- PyTorch's answers --------------------------------------------------------------------------


@pytest.mark.parametrize("together", [1, 2, 5])
def test_openvino_answers_as_pytorch(converted: Path, together: int) -> None:
    images = np.random.default_rng(3).random((together, 3, 16, 16), np.float32)
    (found,) = openvino().open(converted, "small")(images)
    np.testing.assert_allclose(found, of_small(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("together", [1, 3])
def test_each_thread_has_requests_of_its_own(converted: Path, together: int) -> None:
    compiled = openvino().open(converted, "small")
    own, images = compiled._request, np.zeros((together, 3, 16, 16), np.float32)

    def run() -> np.ndarray:
        assert compiled._request is not own
        return compiled(images)[0]

    with ThreadPoolExecutor(1) as thread:
        np.testing.assert_array_equal(thread.submit(run).result(60), compiled(images)[0])


@pytest.mark.parametrize("bundle", ["tiny_bundle", "shipped_bundle"])
def test_findings_and_maps_are_the_same_on_every_engine(
    bundle: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(bundle)
    some = radiographs(3)
    reference, ours = (
        Predictor.load(folder, "cpu", 1, engine=engine, cache=ENGINES_DIR)
        for engine in ("torch", "auto")
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


def test_an_engine_that_disagrees_is_refused(tmp_path: Path) -> None:
    write("crooked", Crooked(), PROBE, tmp_path)
    with pytest.raises(EngineRefusal, match=r"answers are 0\.01 of their norm away.*\(crooked\)"):
        openvino().open(tmp_path, "crooked")


def test_a_network_that_cannot_be_converted_is_refused(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "load_classifier", lambda _: Unconvertible())
    with pytest.raises(EngineRefusal):
        openvino().load(read_bundle(tiny_bundle))


class Refusing:
    name = "an engine that refuses"

    def load(self, bundle: Bundle) -> Networks:
        raise EngineRefusal("it has another opinion")


def test_pytorch_serves_where_an_engine_refuses(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engines: Iterator[Engine] = iter([Refusing(), TorchEngine("cpu")])
    with caplog.at_level(logging.WARNING):
        predictor = Predictor(read_bundle(tiny_bundle), engines)
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


def test_pytorchs_threads_are_left_as_they_were() -> None:
    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.get_num_threads())
            return x

    before, seen = torch.get_num_threads(), []  # type: ignore[var-annotated]
    as_run(Counting(), threads=before + 1)(np.zeros((1, 3, 4, 4), np.float32))
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


# --- converted once -----------------------------------------------------------------------------


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def read(networks: Networks) -> np.ndarray:
    images = np.random.default_rng(3).random((1, 3, 64, 64), np.float32)
    return networks.reader(networks.body(images)[0])[0]


def test_a_bundle_is_converted_once(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    first = openvino(tmp_path / "engines").load(bundle)
    kept = files(tmp_path / "engines")
    assert {Path(name).stem for name in kept} == {"body", "reader"}
    again = openvino(tmp_path / "engines").load(bundle)
    assert files(tmp_path / "engines") == kept
    np.testing.assert_array_equal(read(first), read(again))


@pytest.mark.parametrize(
    "other",
    [
        {"weights_sha256": "0" * 64},
        {"lungs_sha256": {"lungs.json": "0" * 64}},
        {"network": NetworkSpec("resnet18", hidden=(8,))},
    ],
)
def test_another_bundle_is_converted_apart(tiny_bundle: Path, other: dict[str, Any]) -> None:
    bundle = read_bundle(tiny_bundle)
    changed = replace(bundle, card=replace(bundle.card, **other))
    assert digest(changed, "1") != digest(bundle, "1") != digest(bundle, "2")


@pytest.mark.parametrize("name", ["body.xml", "body.bin", "reader.npz"])
def test_a_damaged_conversion_is_made_anew(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    bundle = read_bundle(tiny_bundle)
    wanted = read(openvino(tmp_path).load(bundle))
    (damaged,) = tmp_path.rglob(name)
    damaged.write_bytes(b"\0" * damaged.stat().st_size)
    np.testing.assert_array_equal(read(openvino(tmp_path).load(bundle)), wanted)
    (mended,) = tmp_path.rglob(name)
    assert mended.read_bytes().strip(b"\0")


def test_a_folder_that_cannot_be_written_costs_only_time(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    networks = openvino(tmp_path / "file").load(read_bundle(tiny_bundle))
    assert "are not kept" in caplog.text
    assert np.isfinite(read(networks))


def test_the_oldest_conversions_are_forgotten(tmp_path: Path) -> None:
    conversions = Conversions(tmp_path)
    for i in range(KEPT + 3):
        with conversions.make(f"{i:02d}", lambda folder: (folder / "body.xml").touch()):
            pass
    assert len(list(tmp_path.iterdir())) == KEPT
    assert conversions.find(f"{KEPT + 2:02d}").is_dir()


SERVING = """
import sys
from pathlib import Path
from pneumonia.analysis.predictor import Predictor
from wsgi import app

predictor = Predictor.load(Path(sys.argv[1]), "auto", 1, cache=Path(sys.argv[2]))
predictor.warm()
print(predictor.engine.name)
print("torch" in sys.modules)
"""


def test_who_serves_does_not_load_pytorch(tiny_bundle: Path, tmp_path: Path) -> None:
    """Its 600 MB and its seconds are spent once, on the conversion, by another process."""
    result = subprocess.run(
        [sys.executable, "-c", SERVING, str(tiny_bundle), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert result.stdout.splitlines() == ["OpenVINO on cpu", "False"], result.stderr
    assert len(files(tmp_path)) == 6


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
