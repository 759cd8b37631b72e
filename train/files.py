"""Files that are written whole or not at all: a kill leaves the one before."""

from pathlib import Path


def write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
