"""What is loaded when: the app starts without torch, training without the web."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The training machine of the contract: torch, torchvision, numpy, Pillow, OpenCV, click,
# safetensors, tqdm, matplotlib and Jinja2. Whatever else our requirements name is not there.
NOT_THERE = (
    "argon2",
    "flask",
    "flask_limiter",
    "flask_login",
    "flask_wtf",
    "wtforms",
    "werkzeug",
    "sqlalchemy",
    "alembic",
    "gunicorn",
    "isal",
    "openvino",
    "pydicom",
    "tensorboard",
    "sklearn",
    "scipy",
    "optuna",
    "zxcvbn",
)

BARE_MACHINE = f"""
import sys

class Bare:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_THERE!r}:
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_the_app_starts_without_torch_or_pydicom(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from app import create_app
from pneumonia.config import Settings

create_app(Settings(data_dir=Path(sys.argv[1])))
heavy = {"torch", "torchvision", "pydicom", "matplotlib", "train.loop.fit"}
print(sorted(heavy & set(sys.modules)))
"""
    result = python(code, str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_bare_machine_is_bare() -> None:
    result = python(BARE_MACHINE + "import flask")
    assert "No module named 'flask'" in result.stderr


def test_train_help_runs_on_a_bare_machine() -> None:
    code = "import runpy\nrunpy.run_module('train', run_name='__main__', alter_sys=True)"
    result = python(BARE_MACHINE + code, "--help")
    assert result.returncode == 0, result.stderr
    for option in ("--data", "--recipe", "--resume", "--init-weights"):
        assert option in result.stdout


def test_search_without_optuna_says_what_to_install() -> None:
    code = "from train.research.cli import search\nsearch(prog_name='flask search')"
    result = python(BARE_MACHINE + code, "--data", "films", "--space", "default")
    assert result.returncode == 1
    assert result.stderr == (
        "Error: flask search needs Optuna, which is not installed: "
        "pip install -r requirements-research.txt\n"
    )


@pytest.mark.timeout(120)
def test_every_training_module_imports_on_a_bare_machine() -> None:
    code = """
import importlib, pkgutil, train
names = {m.name for m in pkgutil.walk_packages(train.__path__, "train.")} - {"train.__main__"}
names = {name for name in names if not name.startswith("train.research.")}
for name in sorted(names):
    importlib.import_module(name)
print(len(names), "modules")
"""
    result = python(BARE_MACHINE + code)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[0]) >= len(list((ROOT / "train").glob("*.py"))) - 2
