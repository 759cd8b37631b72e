"""docs/performance.md: what one run measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from pneumonia.config import ROOT

PATH = ROOT / "docs" / "performance.md"
_HEAD = """# Performance

`make bench` wrote this page. All figures are medians of one run on one machine, measured in turns,
so that a busy moment hits both sides of a ratio alike. The ratios travel between machines;
milliseconds do not. The naive service is `benchmarks/naive.py`: Flask, PyTorch in eager float32,
Grad-CAM by a backward pass, one image per request, nothing kept.
"""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    measurements: Sequence[str]


def write(machine: str, sections: Sequence[Section]) -> None:
    """Replace the page."""
    parts = [_HEAD, f"Measured on: {machine}.\n"]
    for section in sections:
        text = "\n\n".join(section.measurements)
        parts.append(f"## {section.title}\n\n```text\n{text}\n```\n")
    PATH.write_text("\n".join(parts), encoding="utf-8")
