"""Many files at once, for the command line: found, read in batches, one row each."""

import contextlib
import hashlib
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pneumonia.analysis.finding import Finding
from pneumonia.config import Settings
from pneumonia.errors import (
    BadParameter,
    DomainError,
    MissingFile,
    StorageUnavailable,
    UnreadableFile,
)
from pneumonia.imaging import Limits, Radiograph, decode
from pneumonia.imaging.display import encode_png, to_display
from pneumonia.presentation.describe import describe_finding, describe_image
from pneumonia.presentation.etiology import describe_etiology
from pneumonia.presentation.meaning import find_use
from pneumonia.readings import DEFAULT_OPACITY, image_info, overlay, upright

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


class _Pictures:
    """The overlays, one per readable film, in a folder; or none."""

    def __init__(self, folder: Path | None, files: Sequence[Path]) -> None:
        self._folder = folder
        self._names = dict(zip(files, overlay_names(files), strict=True))
        if folder is not None:
            _make_folder(folder)

    def write(self, file: Path, radiograph: Radiograph, finding: Finding) -> None:
        """Raises StorageUnavailable."""
        if self._folder is not None:
            picture = overlay(to_display(radiograph.pixels), finding, DEFAULT_OPACITY)
            _write(self._folder / self._names[file], encode_png(picture))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadParameter(f"The overlays cannot go to {folder}: {error.strerror}.") from None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()  # On a full disk, half a picture.
        raise StorageUnavailable(
            f"The overlay {path} cannot be written: {error.strerror}. "
            "Mend that, or choose another folder."
        ) from None


def overlay_names(files: Sequence[Path]) -> list[str]:
    """A file name for each film's overlay; films of one name get a mark made of their path."""
    count = Counter(file.name for file in files)
    return [
        f"{file.name}.overlay.png"
        if count[file.name] == 1
        else f"{file.name}.{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}.overlay.png"
        for file in files
    ]


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those below the folders named, sorted; hidden ones only if named.

    A folder that cannot be listed stands for what is in it: it becomes a row with its error.
    """
    found: list[Path] = []
    for path in paths:
        found.extend(_walk(path) if _is_folder(path) else [path])
    return list(dict.fromkeys(found))


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
) -> list[Row]:
    """Read every file; one row each, in order, with the API's fields, ``file`` and ``error``.

    Raises
    ------
    NoModel, DamagedBundle
        When there is nothing to read them with.
    BadParameter
        When the folder for the overlays cannot be made.
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
    )
    if population:
        predictor.card.of_population(population)  # Raises where the card has no such one.
    limits = Limits(max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    pictures = _Pictures(overlay_dir, files)
    rows: list[Row] = []
    with _progress(len(files)) as bar:
        for start in range(0, len(files), settings.max_batch):
            batch = files[start : start + settings.max_batch]
            rows.extend(_predict_batch(predictor, batch, limits, pictures, population))
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
    pictures: _Pictures,
    population: str,
) -> list[Row]:
    opened = [_open(file, limits, population) for file in files]
    answers = iter(
        predictor.predict(
            [radiograph for radiograph in opened if isinstance(radiograph, Radiograph)]
        )
    )
    rows = []
    for file, radiograph in zip(files, opened, strict=True):
        if isinstance(radiograph, DomainError):
            rows.append(_refused(file, radiograph))
            continue
        answer = next(answers)
        if isinstance(answer, DomainError):
            rows.append(_refused(file, answer))
            continue
        try:
            pictures.write(file, upright(radiograph, answer), answer)
            rows.append(_read(file, radiograph, answer, predictor.card))
        except StorageUnavailable as error:
            rows.append(_refused(file, error))
    return rows


def _open(file: Path, limits: Limits, population: str) -> Radiograph | DomainError:
    try:
        return decode(_bytes(file, limits), limits).of_population(population)
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
