"""Many files at once, for the command line: found, read in batches, one row each."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pneumonia.analysis.finding import Finding
from pneumonia.cli.outputs import Outputs
from pneumonia.config import Settings
from pneumonia.errors import (
    DamagedImage,
    DomainError,
    LeftAside,
    MissingFile,
    StorageUnavailable,
    UnreadableFile,
)
from pneumonia.imaging import Limits, Radiograph, decode
from pneumonia.imaging.dicom_directory import NAME as DICOMDIR
from pneumonia.imaging.dicom_directory import is_directory, read_directory
from pneumonia.presentation.describe import describe_finding, describe_image
from pneumonia.presentation.etiology import describe_etiology
from pneumonia.presentation.meaning import find_use
from pneumonia.readings import image_info

if TYPE_CHECKING:
    from pneumonia.analysis.card import Card
    from pneumonia.analysis.predictor import Predictor

Row = dict[str, Any]
_FIELDS = (
    "label",
    "probability",
    "confidence",
    "population",
    "population_match",
    "etiology",
    "operating_point",
    "model",
    "intended_use",
    "image",
    "quality",
)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those below the folders named, sorted; hidden ones only if named.

    Of a folder with a DICOMDIR the X-ray pictures that it lists, and itself: its row says what was
    left aside. A folder that cannot be listed stands for what is in it: it becomes a row with its
    error.
    """
    found: list[Path] = []
    for path in paths:
        found.extend(_without_unlisted(list(_walk(path))) if _is_folder(path) else [path])
    return list(dict.fromkeys(found))


def _without_unlisted(files: list[Path]) -> list[Path]:
    """Where the directory of a disc lies among files, of its folder what it lists as films."""
    for disc in [file for file in files if file.name.upper() == DICOMDIR]:
        inside = {
            file.relative_to(disc.parent).as_posix(): file
            for file in files
            if file != disc and file.is_relative_to(disc.parent)
        }
        try:
            films = read_directory(_bytes(disc, Limits())).choose(list(inside)).films
        except DomainError:
            continue  # Every file is tried; its own row says what is wrong with it.
        left = set(inside.values()) - {inside[name] for name in films}
        files = [file for file in files if file not in left]
    return files


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # Opening it will say why.


def _walk(folder: Path) -> Iterator[Path]:
    closed: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=lambda e: closed.append(Path(e.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(root) / name
    yield from closed


def predict_files(
    files: Sequence[Path],
    settings: Settings,
    overlay_dir: Path | None = None,
    population: str = "",
    dicom_dir: Path | None = None,
) -> list[Row]:
    """Read every file; one row each, in order, with the API's fields, ``file`` and ``error``.

    Raises
    ------
    NoModel, DamagedBundle
        When there is nothing to read them with.
    BadParameter
        When a folder for what is written cannot be made.
    BadSetting
        When the model has no such operating point or population.
    """
    # Torch is slow to import: not before there is something to read.
    from pneumonia.analysis.predictor import Predictor

    predictor = Predictor.load(
        settings.models_dir / settings.model,
        settings.device,
        settings.threads,
        settings.operating_point,
        engine=settings.engine,
        cache=settings.conversions_dir,
    )
    if population:
        predictor.card.of_population(population)  # Raises where the card has no such one.
    limits = Limits(max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    outputs = Outputs(files, overlay_dir, dicom_dir)
    rows: list[Row] = []
    with _progress(len(files)) as bar:
        for start in range(0, len(files), settings.max_batch):
            batch = files[start : start + settings.max_batch]
            rows.extend(_predict_batch(predictor, batch, limits, outputs, population))
            bar.update(len(batch))
    return rows


def _progress(length: int) -> Any:
    if not sys.stderr.isatty():
        return contextlib.nullcontext(enter_result=_Silent())
    return click.progressbar(length=length, label="Reading", file=sys.stderr)


class _Silent:
    def update(self, count: int) -> None:
        """Print nothing."""


def _predict_batch(
    predictor: "Predictor",
    files: Sequence[Path],
    limits: Limits,
    outputs: Outputs,
    population: str,
) -> list[Row]:
    opened = [_open(file, limits, population) for file in files]
    answers = iter(
        predictor.predict([film[1] for film in opened if not isinstance(film, DomainError)])
    )
    rows = []
    for file, film in zip(files, opened, strict=True):
        if isinstance(film, DomainError):
            rows.append(_refused(file, film))
            continue
        data, radiograph = film
        answer = next(answers)
        if isinstance(answer, DomainError):
            rows.append(_refused(file, answer))
            continue
        try:
            outputs.write(file, data, radiograph, answer)
            rows.append(_read(file, radiograph, answer, predictor.card))
        except (StorageUnavailable, DamagedImage) as error:
            rows.append(_refused(file, error))
    return rows


def _open(file: Path, limits: Limits, population: str) -> tuple[bytes, Radiograph] | DomainError:
    """The file and its film, or why there is none."""
    try:
        data = _bytes(file, limits)
        if is_directory(data):
            raise LeftAside(read_directory(data).note)
        return data, decode(data, limits).of_patient(population)
    except DomainError as error:
        return error


def _bytes(file: Path, limits: Limits) -> bytes:
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            list(file.iterdir())  # It was no folder, or could not be listed: now it says why.
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFile(f"{file} is not a regular file. Name a file or a folder.")
        limits.check_bytes(status.st_size)
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(f"There is no file {file}. Check the path.") from None
    except OSError as error:
        raise UnreadableFile(f"{file} cannot be opened: {error.strerror}.") from None


def _read(file: Path, radiograph: Radiograph, finding: Finding, card: "Card") -> Row:
    values = describe_finding(finding) | {
        "population": finding.population or None,
        "population_match": finding.population_match.value,
        "etiology": describe_etiology(finding, card),
        "intended_use": find_use(card),
        "image": describe_image(image_info(radiograph)),
    }
    return {"file": str(file), **{name: values[name] for name in _FIELDS}, "error": None}


def _refused(file: Path, error: DomainError) -> Row:
    return {
        "file": str(file),
        **dict.fromkeys(_FIELDS),
        "error": {"code": error.code, "detail": error.detail},
    }
