"""What is installed is what is locked: every package to the version, with hashes."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-torch.lock", "requirements-dev.lock")


def locked(*names: str) -> dict[str, str]:
    """Package -> version."""
    text = "".join((ROOT / name).read_text() for name in names)
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", text, flags=re.MULTILINE))


def asked(name: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


@pytest.mark.parametrize(
    ("requirements", "locks"),
    [
        ("requirements.txt", LOCKS[:2]),
        ("requirements-research.txt", LOCKS[1:]),
        ("requirements-dev.txt", LOCKS[1:]),
    ],
)
def test_what_is_asked_for_is_locked_within_its_range(
    requirements: str, locks: tuple[str, ...]
) -> None:
    versions = locked(*locks)
    unlocked = [
        str(one)
        for one in asked(requirements)
        if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))
    ]
    assert unlocked == [], "run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_has_a_hash_and_names_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text.partition("\n")[2])
    pinned = [entry for entry in entries if "==" in entry]
    assert len(pinned) > 10
    assert [entry.split()[0] for entry in pinned if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "index" not in text


def test_the_locks_agree_on_every_version() -> None:
    app, development = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: development.get(name) for name in app} == app


def test_torch_and_what_comes_with_it_alone_are_apart() -> None:
    apart = locked("requirements-torch.lock")
    assert {"torch", "torchvision"} <= set(apart)
    assert not set(apart) & set(locked("requirements.lock", "requirements-dev.lock"))
    family = re.compile(r"torch|torchvision|triton|(nvidia|cuda)-.+")
    assert [name for name in apart if not family.fullmatch(name)] == []


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_everything_is_installed_from_a_lock(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    installs = re.findall(r"(?:pip install|\$\((?:PIP|LOCKED)\))[^;&\n]*", text)
    unlocked = [
        line
        for line in installs
        if "--require-hashes" not in line
        and not line.startswith("$(LOCKED)")
        and "--no-deps --index-url" not in line  # the CPU build of torch, at the locked version
        and "grep ^uv" not in line  # what makes the lock itself
        and "requirements-fuzz.txt" not in line  # a developer's, by a target of its own
        and line != "pip install --quiet --disable-pip-version-check --no-input"
    ]
    assert len(installs) >= 3
    assert unlocked == []
