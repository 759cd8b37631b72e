"""What the documents claim, held against the code."""

import inspect
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import (
    BadRequest,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    TooManyRequests,
)

from app import create_app
from pneumonia import errors
from pneumonia.config import ROOT as SETTINGS_ROOT
from pneumonia.config import Settings
from pneumonia.web import problems

ROOT = Path(__file__).resolve().parents[2]
ADR = ROOT / "docs" / "adr"


def tracked(pattern: str = "") -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listing = subprocess.run(
        [*command, *([pattern] if pattern else [])], cwd=ROOT, capture_output=True, check=True
    )
    names = listing.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


DOCUMENTS = tracked("*.md")


def code_of(document: Path) -> str:
    """Fenced blocks and inline code: where a command is a command and not a word."""
    text = document.read_text()
    blocks = re.findall(r"```.*?\n(.*?)```", text, flags=re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", prose)])


# --- configuration ------------------------------------------------------------------------------


def written_default(value: Any) -> str:
    if isinstance(value, bool):
        return "`yes`" if value else "`no`"
    if isinstance(value, Path):
        return f"`{value.relative_to(SETTINGS_ROOT)}`"
    return (
        f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else "(empty)"
    )


def test_the_table_of_settings_is_the_settings() -> None:
    fields = Settings.__dataclass_fields__
    expected = [
        f"| `{variable}` | {written_default(fields[name].default)} | "
        f"{fields[name].metadata['help']} |"
        for variable, name in Settings.variables().items()
    ]
    lines = (ROOT / "docs" / "configuration.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| `")] == expected


def test_documents_name_only_settings_that_exist() -> None:
    named = {
        (name, document.name)
        for document in DOCUMENTS
        for name in re.findall(r"\bPNEUMONIA_[A-Z_]+[A-Z]\b", document.read_text())
    }
    assert {pair for pair in named if pair[0] not in Settings.variables()} == set()


# Raised for a path on the command line; no upload can have them.
NOT_SERVED = {errors.MissingFile, errors.UnreadableFile}


def test_the_table_of_errors_is_what_the_api_answers(tmp_path: Path) -> None:
    domain = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)} - NOT_SERVED
    served = [k("") for k in domain if any(base in problems.STATUS for base in k.__mro__)]
    http = [
        BadRequest(),
        NotFound(),
        MethodNotAllowed(),
        RequestEntityTooLarge(),
        TooManyRequests(),
        InternalServerError(),
    ]
    # A small body: what is refused as too large is then the form, not the file.
    with create_app(Settings(data_dir=tmp_path)).test_request_context(
        method="POST", data={"a": "b"}
    ):
        found = {problems.describe(error) for error in [*served, *http]}
    expected = sorted({(p.status, p.code, p.title) for p in found})
    lines = (ROOT / "docs" / "api.md").read_text().splitlines()
    written = [line for line in lines if re.match(r"\| \d{3} \|", line)]
    assert written == [f"| {status} | `{code}` | {title} |" for status, code, title in expected]


# --- commands -----------------------------------------------------------------------------------


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {t for d in DOCUMENTS for t in re.findall(r"\bmake ([a-z]+)", code_of(d))}
    assert {"setup", "serve", "test", "bench", "help"} <= targets
    assert named - targets == set()
    assert {"serve", "test", "bench"} <= named


def test_flask_commands_in_the_documents_exist(tmp_path: Path) -> None:
    commands = set(create_app(Settings(data_dir=tmp_path)).cli.commands)
    named = {c for d in DOCUMENTS for c in re.findall(r"\bflask ([a-z]+(?:-[a-z]+)*)", code_of(d))}
    assert named - commands == set()
    assert {"train", "evaluate", "predict", "recipes", "models"} <= named


def test_the_options_of_training_are_all_described() -> None:
    from train.cli import train

    rows = re.findall(r"^\| (`--.+?`) \|", (ROOT / "docs" / "training.md").read_text(), re.M)
    described = [option for row in rows for option in re.findall(r"`(--[a-z-]+)`", row)]
    assert described == [option.opts[0] for option in train.params]


# --- links and decisions ------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)|<(?:img|source)[^>]+src(?:set)?=\"([^\"]+)\"", text)
    targets = [(a or b).partition("#")[0] for a, b in links]
    local = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if not (document.parent / target).exists()]
    assert missing == []


def test_the_layout_names_what_is_there() -> None:
    layout = (ROOT / "docs" / "architecture.md").read_text().partition("## Layout")[2]
    block = layout.split("```")[1]
    folders: list[str] = []
    missing, named = [], set()
    for line in block.strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        if depth <= 2:  # else it goes on with the line before
            del folders[depth:]
        if folder := re.match(r" *(\w+)/(?: |$)", line):
            folders.append(folder[1])
        for name in re.findall(r"\b[\w.]+\.py\b", line):
            path = ROOT.joinpath(*folders, name)
            named.add(path)
            missing += [] if path.is_file() else [str(path.relative_to(ROOT))]
    assert missing == []
    assert len(named) > 30


def test_every_decision_is_listed_once_with_its_title() -> None:
    listed = re.findall(
        r"^\| \[(\d{4})\]\((.+?)\) \| (.+?) \|", (ADR / "README.md").read_text(), re.M
    )
    assert [file for _, file, _ in listed] == sorted(path.name for path in ADR.glob("0*.md"))
    for number, file, title in listed:
        heading = (ADR / file).read_text().splitlines()[0]
        assert heading == f"# {number}. {title}"


@pytest.mark.parametrize("path", sorted(ADR.glob("0*.md")), ids=lambda path: path.stem)
def test_a_decision_has_its_parts(path: Path) -> None:
    headings = re.findall(r"^## (.+)$", path.read_text(), flags=re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences"]


# --- nothing of the machine it was written on ---------------------------------------------------


def test_no_file_names_a_place_on_one_machine() -> None:
    folders = "|".join(["wo" + "rk", "fa" + "rm", "ro" + "ot"])
    place = re.compile(rf"(?<![\w.}}])/({folders})/".encode())
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in tracked()
        if path.stat().st_size < 2_000_000 and (match := place.search(path.read_bytes()))
    ]
    assert found == []


def test_no_file_is_executable_by_accident() -> None:
    executable = {str(p.relative_to(ROOT)) for p in tracked() if os.access(p, os.X_OK)}
    assert executable == {".ci/run"}
