"""The checks that hold the design must themselves be able to fail."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and the contracts, to be broken."""
    folder = tmp_path_factory.mktemp("house")
    for package in ("pneumonia", "train"):
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@contextmanager
def added(module: Path, lines: str) -> Iterator[None]:
    """A module with lines at its end; afterwards it is as it was, or not there."""
    before = module.read_text() if module.exists() else None
    module.write_text(f"{before or ''}\n{lines}\n")
    try:
        yield
    finally:
        if before is None:
            module.unlink()
        else:
            module.write_text(before)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "lint-imports", "--no-logo"],  # what was parsed once is kept
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_every_import_contract_is_kept(house: Path) -> None:
    result = lint_imports(house)
    assert "10 kept, 0 broken" in result.stdout, result.stdout
    assert result.returncode == 0


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("pneumonia/readings.py", "import train.manifest", "never imports the training package"),
        ("pneumonia/imaging/radiograph.py", "from pneumonia.analysis import finding", "goes down"),
        ("pneumonia/records/__init__.py", "import pneumonia.readings", "goes down"),
        ("pneumonia/analysis/gate.py", "from flask import current_app", "Flask stays"),
        ("pneumonia/web/__init__.py", "import sqlalchemy.orm", "SQL stays"),
        ("pneumonia/analysis/service.py", "import torch", "torch stays"),
        (
            "train/metrics.py",
            "def late():\n    import pydicom",
            "no web framework, no SQL",
        ),
        ("train/data/splits.py", "from train.loop import fit", "Training goes down"),
        ("train/loop/losses.py", "from train.loop import classifier", "import each other"),
        ("train/newcomer.py", "", "Training goes down"),
        (
            "train/research/comparison/table.py",
            "import train.research.search.space",
            "Research goes down",
        ),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    house: Path, file: str, line: str, contract: str
) -> None:
    with added(house / file, line):
        result = lint_imports(house)
    broken = [row for row in result.stdout.splitlines() if re.search(r"BROKEN( \(.+\))?$", row)]
    # An import that goes up closes a circle, too.
    broken = [row for row in broken if "import each other" not in row] or broken
    assert len(broken) == 1, result.stdout
    assert contract in broken[0]
    assert result.returncode == 1


@pytest.mark.parametrize("file", ["train/cli.py", "train/options.py", "train/recipes/recipe.py"])
def test_training_that_needs_research_is_noticed(house: Path, file: str) -> None:
    with added(house / file, "import train.research.cli"):
        result = lint_imports(house)
    assert "The training line never imports research BROKEN" in result.stdout
    assert result.returncode == 1


def ruff(code: str, file: str) -> subprocess.CompletedProcess[str]:
    command = [BIN / "ruff", "check", "--no-cache", "--output-format=concise", "--select=TID251"]
    return subprocess.run(
        [*command, "--stdin-filename", file, "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
    )


BANNED = [
    ("import os\nos.environ\n", "pneumonia/config.py"),
    ("import os\nos.getenv('HOME')\n", "pneumonia/config.py"),
    ("from PIL import Image\nImage.open('a.png')\n", "pneumonia/imaging/raster.py"),
    ("import pydicom\npydicom.dcmread('a.dcm')\n", "pneumonia/imaging/dicom.py"),
    ("import torch\ntorch.load('a.pt')\n", "train/loop/checkpoint.py"),
]


@pytest.mark.parametrize(("code", "home"), BANNED)
def test_a_banned_call_is_refused_outside_its_home(code: str, home: str) -> None:
    outside = ruff(code, "pneumonia/readings.py")
    assert "pneumonia/readings.py:2:1: TID251" in outside.stdout
    assert outside.returncode == 1
    inside = ruff(code, home)
    assert inside.returncode == 0, inside.stdout


def test_pickle_is_refused() -> None:
    result = ruff("import pickle\n", "pneumonia/analysis/bundle.py")
    assert "`pickle` is banned: Never: it runs code." in result.stdout
    assert result.returncode == 1
