"""What the app exports of its reviewed films, evaluation and training take; real films, too."""

import csv
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from flask import Flask

from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import ImageError
from pneumonia.imaging import decode
from pneumonia.imaging.display import encode_png, to_display
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.web.services import services
from tests.running import running
from train.cli import evaluate
from train.data import manifest

OPINIONS = ("pneumonia", "no_pneumonia", "unsure")


@pytest.fixture(scope="module")
def exported(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A folder that the command wrote, and the readings that it is of: six, two of them unsure."""
    folder = tmp_path_factory.mktemp("exported")
    with running(tiny_bundle, folder / "var") as app:
        client, readings = app.test_client(), []
        for seed in range(6):
            film = encode_png(synthetic_radiograph(seed, opacity=seed % 2 == 1, size=(200, 220)))
            data = {"image": (io.BytesIO(film), "film.png"), "reference": f"ACC-{seed // 2}"}
            reading = client.post("/api/v1/readings", data=data).get_json()
            review = {"opinion": OPINIONS[seed % 3], "reviewer": "A"}
            assert client.post(reading["links"]["reviews"], json=review).status_code == 201
            readings.append(reading)
        told = run(app, folder / "reviewed")
        assert told.stdout == f"{folder / 'reviewed'}: 4 films.\n"
        assert told.stderr == "Left out: 2 with an unsure last review.\n"
        again = run(app, folder / "reviewed")
        assert (again.exit_code, "is not empty" in again.stderr) == (1, True)
        exports = [one for one in services(app).audit.json_lines() if '"export"' in one]
        assert len(exports) == 1
    return folder / "reviewed", readings


def run(app: Flask, folder: Path) -> Any:
    return app.test_cli_runner().invoke(args=["export-reviewed", str(folder)])


def test_the_export_is_a_folder_of_films_with_labels_and_patients(
    exported: tuple[Path, list[Any]],
) -> None:
    found = manifest.load(exported[0])
    assert sorted(row.label for row in found.rows) == ["NORMAL"] * 2 + ["PNEUMONIA"] * 2
    assert found.declaration.name == "reviewed films"
    assert found.names_patients
    assert len({row.patient for row in found.rows}) == 3  # two films are of one reference
    assert manifest.training_rows(found) == found.rows  # what flask train begins with


def test_evaluation_reads_them_again_with_the_same_logits(
    exported: tuple[Path, list[Any]], tiny_bundle: Path, tmp_path: Path
) -> None:
    folder, readings = exported
    result = CliRunner().invoke(
        evaluate,
        ["--data", str(folder), "--split", "all", "--model", str(tiny_bundle), "--quick",
         "--engine", "torch", "--device", "cpu", "--out", str(tmp_path)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    with (tmp_path / "predictions.csv").open(newline="") as file:
        again = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    reviewed = [one for i, one in enumerate(readings) if OPINIONS[i % 3] != "unsure"]
    assert again.keys() == {one["id"] for one in reviewed}
    for one in reviewed:
        assert float(again[one["id"]]["probability"]) == pytest.approx(one["probability"], abs=1e-3)


@pytest.mark.real
def test_a_kept_film_is_read_as_the_upload_was(shipped_bundle: Path, real_data: Path) -> None:
    """The kept picture has 8 bits. Of these an upload of 8 bits loses none, DICOM some."""
    predictor = Predictor.load(shipped_bundle, "cpu", engine="torch")
    paths = sorted((real_data / "originals").rglob("*.jp*g"))[::8]
    paths += sorted((real_data / "nih").rglob("*.jpg"))[::40]
    paths += sorted((real_data / "dicom").rglob("*.dcm"))
    uploads = []
    for path in paths:
        with suppress(ImageError):  # among the DICOM files are some that no chest film is like
            uploads.append(decode(path.read_bytes()))
    films = [one for one in predictor.examine(uploads) if one.refusal is None]
    first = predictor.read(films)
    kept = [encode_png(to_display(film.radiograph.pixels)) for film in films]
    again = predictor.examine([decode(one) for one in kept])
    assert [one.refusal for one in again] == [None] * len(films)
    second = predictor.read(again)
    changes = np.array(
        [abs(a.probability - b.probability) for a, b in zip(first, second, strict=True)]
    )
    is_dicom = np.array([film.radiograph.format == "DICOM" for film in films])
    print(f"{len(films)} films, {is_dicom.sum()} of them DICOM")
    print(f"largest change {changes[~is_dicom].max():.1e}, of DICOM {changes[is_dicom].max():.1e}")
    assert (~is_dicom).sum() >= 12
    assert is_dicom.any()
    assert [one.label for one in first] == [one.label for one in second]
    assert changes[~is_dicom].max() < 1e-6
    assert changes.max() < 0.2  # of four DICOM films 0.13 at most
