"""The tables of options in ``docs/training.md``, held against the recipe's own dataclasses."""

import json
import re
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from train.recipes import recipe
from train.recipes.recipe import Recipe

DOCS = Path(__file__).resolve().parents[3] / "docs"
TRAINING = (DOCS / "training.md").read_text()
TABLES: dict[str, Any] = {f.name: f.type for f in fields(Recipe) if is_dataclass(f.type)}


def described(heading: str) -> dict[str, str]:
    """Key and what counts if it is left out, as written in the table below a heading."""
    text = TRAINING.partition(f"\n#### {heading}\n")[2].partition("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\| ", text, re.MULTILINE))


def written(value: Any) -> str:
    """A default as the table writes it."""
    if isinstance(value, str):
        return f"`{value}`" if value else '`""`'
    if isinstance(value, tuple):
        return f"`{json.dumps(list(value))}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"


def declared(cls: Any, leave_out: frozenset[str] = frozenset()) -> dict[str, str]:
    return {
        f.name: "" if f.default is MISSING else written(f.default)
        for f in fields(cls)
        if f.name not in leave_out
    }


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_option_is_described_with_what_counts_without_it(name) -> None:
    assert described(f"`[{name}]`") == declared(TABLES[name])


def test_the_options_without_a_table() -> None:
    headings = frozenset(re.findall(r"^#### `\[(\w+)\]`", TRAINING, re.MULTILINE))
    assert headings == {*TABLES, "figures"}
    assert described("At the top") == declared(Recipe, headings) | {"name": "the file's"}


def test_the_figures_that_may_be_given_are_named() -> None:
    text = TRAINING.partition("#### `[figures]`")[2].partition("\n#")[0]
    assert tuple(re.findall(r"`(\w+)`", text.partition(". ")[0])) == recipe.FIGURES


@pytest.mark.parametrize("document", ["training.md", "papers.md"])
def test_settings_in_the_documents_are_options(document) -> None:
    named = re.findall(r"--set (\w+)\.(\w+)=", (DOCS / document).read_text())
    assert named
    for table, key in named:
        assert key in {f.name for f in fields(TABLES[table])}, f"{table}.{key}"


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_is_in_the_documents(name) -> None:
    stem = re.sub(r"-(adam|adagrad|3)$", "", name)
    assert f"`{stem}`" in TRAINING
    if name not in ("default", "lungs"):
        assert f"`{stem}`" in (DOCS / "papers.md").read_text()


def test_figures_in_the_table_of_papers_are_the_recipes() -> None:
    checked = 0
    for line in (DOCS / "papers.md").read_text().splitlines():
        row = re.match(r"\| `(\w+)`(, `-adam`, `-adagrad`)? \|.*?\| accuracy (.*) \|", line)
        if row is None:
            continue
        stem, siblings, said = row.groups()
        names = [stem, f"{stem}-adam", f"{stem}-adagrad"] if siblings else [stem]
        found = [recipe.load(name).figures["accuracy"] for name in names]  # type: ignore[union-attr]
        assert [float(value) for value in re.findall(r"[\d.]+", said)][: len(found)] == found
        checked += len(names)
    assert checked == 16  # all but those of Mao and Kim, whose rows hold two recipes
