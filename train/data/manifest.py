"""Files on disk -> rows; which patient each film belongs to; the hash of them all."""

import csv
import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pneumonia.errors import DataError
from train.data.declaration import Declaration, find

Label = Literal["NORMAL", "PNEUMONIA"]
Box = tuple[float, float, float, float]  # x, y, width, height in pixels of the film
LABELS: tuple[Label, ...] = ("NORMAL", "PNEUMONIA")
SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = {".jpeg", ".jpg", ".png", ".dcm"}

_ETIOLOGY = re.compile(r"_(bacteria|virus)_")


NO_PATIENTS = (
    "The data does not say which films are of one patient: each counts as a patient of its own, "
    "so one patient's films may be on both sides. Give manifest.csv the column patient, or declare "
    "the data (data.toml, or --dataset)."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled radiograph.

    ``source`` is the place it is from, ``population`` whose it is (``child``, ``adult``); empty
    where nothing says so.
    """

    file: str
    path: Path
    split: str
    label: Label
    patient: str
    etiology: str = ""
    # Of the film as it was before it was made small; None where the table does not say.
    original_size: tuple[int, int] | None = None  # width, height in pixels
    mask: Path | None = None  # the lungs, drawn by people: a picture over the whole film
    boxes: tuple[Box, ...] = ()
    source: str = ""
    population: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The radiographs of a folder, and what is declared of them.

    ``names_patients`` is whether a column or a declared rule says whose they are; otherwise each
    counts as a patient of its own.
    """

    root: Path
    rows: tuple[Row, ...]
    declaration: Declaration = field(default_factory=Declaration)
    names_patients: bool = False

    def split(self, *names: str) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.split in names)

    def digest(self) -> str:
        """SHA-256 (hex) over file names, labels and file contents, independent of their order."""
        total = hashlib.sha256()
        for row in sorted(self.rows, key=lambda row: row.file):
            content = hashlib.sha256(row.path.read_bytes()).hexdigest()
            total.update(f"{row.file}\t{row.label}\t{content}\n".encode())
        return total.hexdigest()


def load(data: Path, dataset: str = "") -> Manifest:
    """Read a folder in the Kaggle layout; where ``manifest.csv`` lists a split, it decides.

    Parameters
    ----------
    dataset
        Its declaration; see :func:`train.data.declaration.find`.

    Raises
    ------
    DataError
        When the folder, all its films, or a file named by the manifest is missing.
    """
    if not data.is_dir():
        raise DataError(
            f"The data folder {data} does not exist. Give the folder that holds "
            "train/NORMAL and train/PNEUMONIA."
        )
    declaration = find(data, dataset)
    if declaration.parts:
        return _gather(data, declaration)
    table = data / "manifest.csv"
    listed = _read_table(data, table, declaration) if table.is_file() else []
    splits = {row.split for row in listed}
    # A table may speak of some splits only (a test folder laid beside it later, say).
    rows = listed + [row for row in _read_folders(data, declaration) if row.split not in splits]
    if not rows:
        raise DataError(
            f"No films under {data}: expected train|val|test/NORMAL|PNEUMONIA with JPEG, PNG or "
            "DICOM files, or a manifest.csv with the columns file and label."
        )
    names_patients = bool(declaration.patient) or any(row.patient != row.file for row in listed)
    ordered = tuple(sorted(rows, key=lambda row: row.file))
    return Manifest(data, ordered, declaration, names_patients)


def _gather(data: Path, declaration: Declaration) -> Manifest:
    """The radiographs of all parts; a patient's name that two parts have counts as one patient."""
    rows: list[Row] = []
    names_patients = True
    for part in declaration.parts:
        found = load(data / part.folder, part.dataset)
        names_patients &= found.names_patients
        for row in found.rows:
            if row.file.startswith(part.prefix):
                file = f"{part.folder}/{row.file}"
                rows.append(
                    replace(
                        row,
                        file=file,
                        patient=file if row.patient == row.file else row.patient,
                        source=part.source or row.source,
                        population=part.population or row.population,
                    )
                )
    ordered = tuple(sorted(rows, key=lambda row: row.file))
    return Manifest(data, ordered, declaration, names_patients)


def with_patients(manifest: Manifest, rule: str) -> Manifest:
    """The same radiographs, their patients told by a rule as :class:`Declaration` has it."""
    declaration = replace(manifest.declaration, patient=rule)
    rows = tuple(replace(row, patient=declaration.patient_of(row.file)) for row in manifest.rows)
    return replace(manifest, rows=rows, declaration=declaration, names_patients=True)


def _read_table(data: Path, table: Path, declaration: Declaration) -> list[Row]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not {"file", "label"} <= set(reader.fieldnames or ()):
            raise DataError(
                f"{table} needs the columns file and label; it has {reader.fieldnames}."
            )
        rows = [
            _table_row(data, table, line, values, declaration)
            for line, values in enumerate(reader, 2)
        ]
    missing = [row.file for row in rows if not row.path.is_file()]
    if missing:
        raise DataError(
            f"{table} names {len(missing)} films that are not there, the first {missing[0]}. "
            "Restore them or take their lines out."
        )
    return rows


def _table_row(
    data: Path, table: Path, line: int, values: dict[str, str], declaration: Declaration
) -> Row:
    label = (values["label"] or "").strip().upper()
    if label not in LABELS:
        raise DataError(
            f"{table}, line {line}: the label is {values['label']!r}; "
            f"it must be one of {', '.join(LABELS)}."
        )
    file = values["file"]
    name = Path(file).name
    return Row(
        file=file,
        path=data / file,
        split=values.get("split") or _split_of(file),
        label=label,
        patient=values.get("patient") or declaration.patient_of(file),
        etiology=_etiology(values, label, f"{table}, line {line}") or etiology_of(name, label),
        original_size=_size(values),
        mask=_mask(data, values),
        boxes=_boxes(values.get("boxes_xywh") or "", f"{table}, line {line}"),
        source=(values.get("source") or "").strip(),
        population=(values.get("population") or "").strip().lower(),
    )


def _etiology(values: dict[str, str], label: str, where: str) -> str:
    """What the table says: normal, bacterial, viral, or empty where it says nothing."""
    given = (values.get("etiology") or "").strip().lower()
    word = {"bacteria": "bacterial", "virus": "viral"}.get(given, given)
    fits = ("normal",) if label == "NORMAL" else ("bacterial", "viral")
    if word and word not in fits:
        raise DataError(
            f"{where}: the etiology of a {label} film is {given!r}; it must be "
            f"{' or '.join(fits)}, or empty."
        )
    return word


def _size(values: dict[str, str]) -> tuple[int, int] | None:
    try:
        return int(values["width"]), int(values["height"])
    except (KeyError, TypeError, ValueError):
        return None


def _mask(data: Path, values: dict[str, str]) -> Path | None:
    """Where a person has drawn the lungs; a drawing that the table doubts is left out."""
    name, doubt = values.get("lung_mask"), values.get("mask_note")
    path = data / name if name and not doubt else None
    return path if path and path.is_file() else None


def _boxes(text: str, where: str) -> tuple[Box, ...]:
    """``x,y,width,height`` of each box, boxes parted by a semicolon."""
    try:
        boxes = [tuple(float(v) for v in box.split(",")) for box in text.split(";") if box.strip()]
    except ValueError:
        boxes = [()]
    if any(len(box) != 4 for box in boxes):
        raise DataError(f"{where}: boxes_xywh is {text!r}; it must be x,y,width,height[;...].")
    return tuple((box[0], box[1], box[2], box[3]) for box in boxes)


def _split_of(file: str) -> str:
    """The split a path begins with; a table without splits is all for training."""
    first = Path(file).parts[0]
    return first if first in SPLITS else "train"


def _read_folders(data: Path, declaration: Declaration) -> list[Row]:
    return [
        Row(
            file=(file := path.relative_to(data).as_posix()),
            path=path,
            split=split,
            label=label,
            patient=declaration.patient_of(file),
            etiology=etiology_of(path.name, label),
        )
        for split in SPLITS
        for label in LABELS
        for path in sorted((data / split / label).glob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]


def etiology_of(name: str, label: str) -> str:
    """normal, bacterial, viral, or empty where the name does not tell."""
    if label == "NORMAL":
        return "normal"
    match = _ETIOLOGY.search(name)
    return {"bacteria": "bacterial", "virus": "viral"}[match.group(1)] if match else ""


def training_rows(manifest: Manifest, on_patient_overlap: str = "stop") -> tuple[Row, ...]:
    """The films to train and validate on: the official train and val folders together.

    ``val`` of the public set has 16 films, too few to choose anything by, so it joins the pool.

    Parameters
    ----------
    on_patient_overlap
        What to do with patients who are in two of train, val and test: ``"stop"`` refuses,
        ``"drop"`` leaves their films out of the training pool, ``"keep"`` trusts the folders.

    Raises
    ------
    DataError
        When a class is empty, the train folder is missing, or a patient is in two splits.
    """
    pool = manifest.split("train", "val")
    if not manifest.split("train"):
        raise DataError(
            f"{manifest.root} has no train split: expected train/NORMAL and train/PNEUMONIA."
        )
    for label in LABELS:
        if not any(row.label == label for row in pool if row.split == "train"):
            raise DataError(
                f"The class {label} is empty: {manifest.root / 'train' / label} has no films. "
                "Both classes are needed to train."
            )
    shared = _patients_in_two_splits(manifest)
    if shared and on_patient_overlap == "stop":
        patient, splits = next(iter(sorted(shared.items())))
        raise DataError(
            f"{len(shared)} patients are in two splits, the first {patient} in "
            f"{' and '.join(sorted(splits))}: what is learnt from one would be counted as found in "
            "the other. Move their films into one split, or pass --on-patient-overlap drop to "
            "leave them out of training (keep, if the numbering starts anew in each folder)."
        )
    if on_patient_overlap == "drop":
        pool = tuple(row for row in pool if row.patient not in shared)
    return pool


def _patients_in_two_splits(manifest: Manifest) -> dict[str, set[str]]:
    splits = defaultdict(set)
    for row in manifest.rows:
        splits[row.patient].add(row.split)
    return {patient: where for patient, where in splits.items() if len(where) > 1}
