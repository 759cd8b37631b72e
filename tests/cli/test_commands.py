"""flask predict, as a terminal and a script see it."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from flask import Flask

from pneumonia.cli import tables
from pneumonia.imaging.display import decode_png, encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.dicom_files import pack_directory

FIELDS = {"file", "label", "probability", "confidence", "operating_point", "model", "image"} | {
    *("intended_use", "etiology", "population", "population_match")
}


@pytest.fixture
def radiographs(tmp_path: Path) -> Path:
    """Two sound films of one name, a text file between them, a hidden one, a film too small."""
    folder = tmp_path / "films"
    (folder / "b").mkdir(parents=True)
    (folder / ".cache").mkdir()
    for index, path in enumerate(("a.png", "b/a.png", ".cache/h.png", ".hidden.png")):
        radiograph = synthetic_radiograph(index, opacity=True, size=(240, 260))
        (folder / path).write_bytes(encode_png(radiograph))
    (folder / "b" / "notes.txt").write_text("not a film")
    (folder / "c.png").write_bytes(encode_png(np.zeros((20, 20), np.uint8)))
    return folder


def predict(app: Flask, *arguments: object) -> Result:
    return app.test_cli_runner().invoke(args=["predict", *map(str, arguments)])


def test_json_has_one_object_per_file_in_order(app: Flask, radiographs: Path) -> None:
    result = predict(app, radiographs, "--format", "json")
    rows = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [Path(row["file"]).relative_to(radiographs).as_posix() for row in rows] == [
        "a.png",
        "c.png",
        "b/a.png",
        "b/notes.txt",
    ]
    assert [row["error"] and row["error"]["code"] for row in rows] == [
        None,
        "film_too_small",
        None,
        "unsupported_format",
    ]
    assert all(set(row) == FIELDS | {"quality", "error"} for row in rows)
    assert rows[1]["label"] is None
    assert rows[1]["intended_use"] is None
    assert "20 x 20 pixels" in rows[1]["error"]["detail"]


def test_a_row_is_what_the_api_says_of_the_same_file(
    app: Flask, radiographs: Path, send: Any
) -> None:
    rows = json.loads(predict(app, radiographs / "a.png", "--format", "json").stdout)
    answer = send(app.test_client(), (radiographs / "a.png").read_bytes()).get_json()
    (row,) = rows
    assert row["probability"] == pytest.approx(answer["probability"], abs=1e-6)
    assert row["confidence"] == pytest.approx(answer["confidence"], abs=1e-6)
    for name in ("label", "operating_point", "model", "intended_use", "image", "quality"):
        assert row[name] == answer[name], name
    assert row["error"] is None


def test_csv_is_flat_with_a_header(app: Flask, radiographs: Path) -> None:
    result = predict(app, radiographs, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.exit_code == 1
    assert tuple(rows[0]) == tables.CSV_FIELDS
    assert [row["error"] for row in rows] == ["", "film_too_small", "", "unsupported_format"]
    good, bad = rows[0], rows[3]
    assert good["intended_use"].startswith("Research and teaching: a second look at ")
    assert bad["intended_use"] == ""
    assert 0 < float(good["probability"]) < 1
    assert (good["image_width"], good["image_height"], good["quality_accepted"]) == (
        "260",
        "240",
        "true",
    )
    assert (bad["label"], bad["probability"]) == ("", "")
    assert "plain text" in bad["detail"]


def test_the_table_is_aligned_and_explains_refusals(app: Flask, radiographs: Path) -> None:
    result = predict(app, radiographs)
    lines = result.stdout.splitlines()
    header, rows, notes = lines[0], lines[1:5], lines[6:]
    at = header.index("label")
    assert [row[at - 1] for row in rows] == [" "] * 4
    assert [row[at:].split()[0] for row in rows][1::2] == ["film_too_small", "unsupported_format"]
    assert header.split()[:4] == ["file", "label", "probability", "confidence"]
    assert [note.partition(": ")[0] for note in notes] == [
        str(radiographs / "c.png"),
        str(radiographs / "b" / "notes.txt"),
    ]


def test_all_well_is_status_0(app: Flask, radiographs: Path) -> None:
    result = predict(app, radiographs / "a.png", radiographs / "b" / "a.png")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_missing_path_is_a_row(app: Flask, radiographs: Path) -> None:
    result = predict(app, radiographs / "a.png", radiographs / "none.png", "--format", "json")
    rows = json.loads(result.stdout)
    assert result.exit_code == 1
    assert rows[0]["error"] is None
    assert rows[1]["error"] == {
        "code": "file_not_found",
        "detail": f"There is no file {radiographs / 'none.png'}. Check the path.",
    }


def test_paths_that_cannot_be_opened_are_rows_and_the_rest_goes_on(
    app: Flask, radiographs: Path, tmp_path: Path
) -> None:
    dangling = tmp_path / "dangling.png"
    dangling.symlink_to(tmp_path / "nowhere")
    below_a_file, too_long = radiographs / "a.png" / "x.png", tmp_path / ("x" * 300)
    paths = (below_a_file, too_long, dangling, radiographs / "a.png")
    result = predict(app, *paths, "--format", "json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    assert [row["file"] for row in rows] == [str(path) for path in paths]
    assert [row["error"] and row["error"]["detail"] for row in rows] == [
        f"There is no file {below_a_file}. Check the path.",
        f"{too_long} cannot be opened: File name too long.",
        f"There is no file {dangling}. Check the path.",
        None,
    ]


def test_a_folder_that_cannot_be_listed_is_a_row(app: Flask, radiographs: Path) -> None:
    """Too deep to have a path, because root may list whatever has one."""
    name, folder = "d" * 250, os.open(radiographs, os.O_RDONLY)
    for _ in range(20):
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    rows = json.loads(predict(app, radiographs, "--format", "json").stdout)
    assert [Path(row["file"]).name for row in rows[:-1]] == [
        "a.png",
        "c.png",
        "a.png",
        "notes.txt",
    ]
    assert Path(rows[-1]["file"]).name == name
    assert rows[-1]["error"]["code"] == "file_unreadable"
    assert rows[-1]["error"]["detail"].endswith("cannot be opened: File name too long.")


def test_an_overlay_that_cannot_be_written_is_its_radiographs_row(
    app: Flask, radiographs: Path, tmp_path: Path
) -> None:
    long = radiographs / f"{'x' * 246}.png"  # ".overlay.png" makes it longer than a name may be
    long.write_bytes((radiographs / "a.png").read_bytes())
    out = tmp_path / "out"
    result = predict(app, long, radiographs / "a.png", "--overlay", out, "--format", "json")
    rows = json.loads(result.stdout)
    assert result.exit_code == 1
    assert rows[0]["error"]["code"] == "storage_unavailable"
    assert "cannot be written: File name too long." in rows[0]["error"]["detail"]
    assert rows[1]["error"] is None
    assert [path.name for path in out.iterdir()] == ["a.png.overlay.png"]


def test_a_file_over_the_limit_is_not_read(make_app: Any, tmp_path: Path) -> None:
    with (tmp_path / "big.png").open("wb") as file:
        file.truncate(3 * 2**30)  # sparse: it could not be read into memory here
    result = predict(make_app(start=False), tmp_path / "big.png", "--format", "json")
    (row,) = json.loads(result.stdout)
    assert row["error"]["code"] == "file_too_large"
    assert row["error"]["detail"].startswith("The file has 3,072.0 MB; at most 50.0 MB")


def test_an_empty_folder_is_a_sentence(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden.png").write_bytes(b"")
    result = predict(app, tmp_path / "empty")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"Error: There are no files in {tmp_path / 'empty'} (hidden ones are skipped).\n"
    )


def test_a_file_named_twice_is_read_once(app: Flask, radiographs: Path) -> None:
    rows = json.loads(predict(app, radiographs, radiographs / "a.png", "--format", "json").stdout)
    assert len(rows) == 4


def test_without_a_bundle_it_says_so_and_ends_with_2(make_app: Any, radiographs: Path) -> None:
    result = predict(make_app(start=False, model="absent"), radiographs)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: There is no model bundle 'absent'")


def test_overlays_are_written_for_readable_radiographs_without_collisions(
    make_app: Any, make_bundle: Any, radiographs: Path, tmp_path: Path
) -> None:
    app = make_app(bundle=make_bundle(0.0), start=False)
    out = tmp_path / "new" / "overlays"
    result = predict(app, radiographs, "--overlay", out, "--format", "json")
    assert result.exit_code == 1
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 2
    assert all(name.startswith("a.png.") and name.endswith(".overlay.png") for name in names)
    pictures = [decode_png((out / name).read_bytes()) for name in names]
    assert [picture.shape for picture in pictures] == [(240, 260, 3)] * 2
    assert not np.array_equal(*pictures)


def test_one_radiograph_of_a_name_keeps_its_name(
    app: Flask, radiographs: Path, tmp_path: Path
) -> None:
    predict(app, radiographs / "a.png", "--overlay", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png.overlay.png"]


def test_more_radiographs_than_a_batch_come_out_in_order(make_app: Any, tmp_path: Path) -> None:
    app = make_app(start=False, max_batch=2)
    for index in range(5):
        radiograph = synthetic_radiograph(index, opacity=False, size=(100 + index, 120))
        (tmp_path / f"{index}.png").write_bytes(encode_png(radiograph))
    paths = [tmp_path / f"{index}.png" for index in (3, 1, 4, 0, 2)]
    rows = json.loads(predict(app, *paths, "--format", "json").stdout)
    assert [row["image"]["height"] for row in rows] == [103, 101, 104, 100, 102]


def test_the_operating_point_can_be_chosen_for_one_run(make_app: Any, radiographs: Path) -> None:
    app = make_app(start=False, operating_point="screening")
    names = {
        arguments: json.loads(
            predict(app, radiographs / "a.png", "--format", "json", *arguments).stdout
        )[0]["operating_point"]["name"]
        for arguments in ((), ("--operating-point", "confirming"))
    }
    assert list(names.values()) == ["screening", "confirming"]
    result = predict(app, radiographs / "a.png", "--operating-point", "youden")
    assert result.exit_code == 2
    assert "has no operating point 'youden'. Choose one of screening, balanced" in result.stderr


def test_of_a_discs_folder_what_its_directory_lists_is_read(
    app: Flask, radiographs: Path, tmp_path: Path
) -> None:
    disc = tmp_path / "disc"
    (disc / "img").mkdir(parents=True)
    listed = [("IMAGE", ["IMG", "A"], "1.2.840.10008.5.1.4.1.1.1.1")]
    listed.append(("IMAGE", ["IMG", "CT"], "1.2.840.10008.5.1.4.1.1.2"))
    (disc / "DICOMDIR").write_bytes(pack_directory(listed))
    for name in ("img/a", "img/ct", "viewer.exe"):
        (disc / name).write_bytes((radiographs / "a.png").read_bytes())
    rows = json.loads(predict(app, disc, "--format", "json").stdout)
    assert [Path(row["file"]).name for row in rows] == ["DICOMDIR", "a"]
    assert rows[0]["error"]["code"] == "left_aside"
    assert "1 of the kind CT Image Storage" in rows[0]["error"]["detail"]
    assert rows[1]["error"] is None
    (disc / "DICOMDIR").write_bytes(b"no directory")
    assert len(json.loads(predict(app, disc, "--format", "json").stdout)) == 4
