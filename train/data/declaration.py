"""What is declared of a folder of radiographs: source, licence, population, and who is whom.

Nothing of it is guessed from the files. It lies beside them as ``data.toml``, or is named on the
command line: a declaration that ships (``train/data/declared``), or a file.
"""

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from pneumonia.analysis.population import Population
from pneumonia.errors import DataError

FILE = "data.toml"
SHIPPED = Path(__file__).with_name("declared")


@dataclass(frozen=True, slots=True)
class Part:
    """One folder of a data set that is gathered from several places.

    Attributes
    ----------
    folder
        Below the data folder, with its own layout and ``manifest.csv``.
    source
        The place the radiographs are from; empty: the column ``source`` says it.
    population
        One of the declaration's ``populations``; empty: the column ``population`` says it.
    dataset
        The part's own declaration, as :func:`find` takes it.
    prefix
        Only the files whose path in the folder begins so.
    """

    folder: str
    source: str = ""
    population: str = ""
    dataset: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A data set as its owner describes it.

    Attributes
    ----------
    name, source, licence
        For the card of whatever is trained on it.
    population
        Whose radiographs they are.
    patient
        A regular expression: its first group that matches a file's name is the patient. Empty
        where names say nothing of patients.
    populations
        Populations that are calibrated apart, by the name that ``manifest.csv`` gives them
        (``child``, ``adult``); may be empty.
    parts
        Folders that the data set is gathered from; empty: the data folder is all of it.
    """

    name: str = "own films"
    source: str = "not stated"
    licence: str = "not stated"
    population: Population = field(default_factory=Population)
    patient: str = ""
    populations: dict[str, Population] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError, ValueError or re.error for what is no declaration."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(_names())}")
        tables = ("population", "populations", "parts")
        texts = {name: value for name, value in values.items() if name not in tables}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise TypeError(f"{name} is {value!r}; it must be a text")
        if "patient" in texts and not re.compile(texts["patient"]).groups:
            raise ValueError("patient must have a group in parentheses: the patient's name")
        populations = values.get("populations", {})
        return cls(
            **texts,
            population=_population(values.get("population", {}), "population"),
            populations={
                name: _population(one, f"populations.{name}") for name, one in populations.items()
            },
            parts=tuple(Part(**part) for part in values.get("parts", ())),
        )

    def patient_of(self, file: str) -> str:
        """The patient of a file; the file itself where its name does not tell."""
        match = re.search(self.patient, Path(file).name) if self.patient else None
        return next((group for group in match.groups() if group), file) if match else file


def _population(values: dict[str, Any], where: str) -> Population:
    plain = {"text": "", "age_years": None, "body_part": "CHEST", "views": ["PA", "AP"]}
    if unknown := sorted(set(values) - set(plain)):
        raise ValueError(f"unknown key '{where}.{unknown[0]}'; known: {', '.join(plain)}")
    return Population.from_dict(plain | values)


def find(data: Path, dataset: str = "") -> Declaration:
    """The declaration named, or that beside the radiographs, or one that says nothing.

    Parameters
    ----------
    dataset
        The name of one that ships, or the path of a ``.toml`` file; empty for ``data.toml``.

    Raises
    ------
    DataError
        When it does not exist, or does not say what a declaration says.
    """
    path = data / FILE
    if dataset:
        path = Path(dataset) if dataset.endswith(".toml") else SHIPPED / f"{dataset}.toml"
    elif not path.is_file():
        return Declaration()
    try:
        return Declaration.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError:
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise DataError(
            f"There is no declaration {dataset!r} of a data set. Known: {known}; or give the path "
            "of a .toml file."
        ) from None
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, re.error) as error:
        raise DataError(
            f"The declaration {path.name} of the data set cannot be used: {error}. "
            "docs/training.md shows one."
        ) from None


def _names() -> list[str]:
    return [f.name for f in fields(Declaration)]
