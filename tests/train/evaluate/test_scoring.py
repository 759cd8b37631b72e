"""Scoring: which films are scored, what is counted, and that it is the serving predictor."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pneumonia.analysis.finding import ModelRef, OperatingPoint
from pneumonia.errors import DataError
from pneumonia.imaging import decode
from pneumonia.imaging.lungs import Lungs
from tests.train.evaluate.builders import reported
from tests.train.evaluate.conftest import folder, png
from tests.train.fakes import BALANCED as POINT
from tests.train.fakes import SCREENING, FakePredictor
from train.data.manifest import Manifest, Row
from train.evaluate.predictions import Predictions, Refusal, Source
from train.evaluate.scoring import Batch, drawn_lungs, score

# --- scoring -------------------------------------------------------------------------------------


def test_every_radiograph_is_scored_once_in_order(manifest: Manifest) -> None:
    predictor = FakePredictor()
    done: list[int] = []
    measured = score(predictor, manifest.rows, batch_size=2, advance=done.append)
    assert predictor.batches == [2, 2, 1]
    assert done == [2, 2, 1]
    assert measured.files == tuple(row.file for row in manifest.rows)
    assert measured.labels.tolist() == [0, 0, 0, 1, 1]
    assert measured.probabilities == pytest.approx([0.3, 0.6, 0.2, 0.7, 0.48], abs=1 / 255)
    assert measured.patients == ("IM-0001", "IM-0001", "IM-0002", "person1", "person2")
    assert measured.etiologies == ("normal", "normal", "normal", "bacterial", "viral")
    assert measured.operating_point == POINT
    assert measured.points == {"screening": SCREENING, "balanced": POINT}


def test_a_probe_sees_every_batch_with_all_that_is_known(manifest: Manifest) -> None:
    manifest.rows[1].path.write_bytes(b"broken")
    seen: list[Batch] = []
    score(FakePredictor(), manifest.rows, batch_size=2, on_bad_image="skip", probes=[seen.append])
    assert [[row.file for row in batch.rows] for batch in seen] == [
        [manifest.rows[0].file],
        [row.file for row in manifest.rows[2:4]],
        [manifest.rows[4].file],
    ]
    for batch in seen:
        for row, radiograph, examined, finding in zip(
            batch.rows, batch.radiographs, batch.examined, batch.findings, strict=True
        ):
            assert radiograph.sha256 == decode(row.path.read_bytes()).sha256
            assert examined.radiograph is radiograph
            assert finding.probability == pytest.approx(radiograph.pixels.mean())


def test_lungs_are_the_drawn_ones_or_those_the_bundle_finds(tmp_path: Path) -> None:
    radiographs = {f"test/NORMAL/{name}.png": png(0.3) for name in ("drawn", "found")}
    drawing = np.zeros((56, 56), np.uint8)
    drawing[14:28, 14:42] = 255
    rows = list(folder(tmp_path, radiographs).rows)
    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), drawing)
    rows[0] = replace(rows[0], mask=mask)
    found = Lungs(np.ones((16, 16), np.float32))
    seen: list[Batch] = []
    score(FakePredictor(lungs=found), rows, probes=[seen.append])
    drawn, own = seen[0].lungs
    assert drawn.mask.shape == (224, 224)
    assert drawn.box == (0.25, 0.25, 0.75, 0.5)
    assert own is found
    assert drawn_lungs(rows[1]) is None


def test_a_broken_drawing_is_named(tmp_path: Path) -> None:
    row = folder(tmp_path, {"test/NORMAL/a.png": png(0.3)}).rows[0]
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"")
    with pytest.raises(DataError, match=r"^The lung mask mask\.png of test/NORMAL/a\.png cannot"):
        score(FakePredictor(), [replace(row, mask=mask)])


def test_an_indeterminate_radiograph_is_counted_but_called_by_the_threshold(
    manifest: Manifest,
) -> None:
    measured = score(FakePredictor(), manifest.rows)
    assert measured.indeterminate.tolist() == [False, False, False, False, True]
    assert measured.predicted.tolist() == [0, 1, 0, 1, 0]
    figures = reported(measured).metrics()
    assert figures["indeterminate"] == 1
    assert figures["confusion"] == [[2, 1], [1, 1]]
    assert figures["n"] == 5


def test_a_broken_radiograph_stops_by_name(manifest: Manifest) -> None:
    manifest.rows[3].path.write_bytes(b"not an image")
    with pytest.raises(DataError) as caught:
        score(FakePredictor(), manifest.rows)
    assert caught.value.detail.startswith("test/PNEUMONIA/person1_bacteria_1.png: ")
    assert caught.value.detail.endswith(
        " Mend or remove the file, or go on without such files with --on-bad-image skip."
    )


def test_a_broken_radiograph_is_skipped_and_listed(manifest: Manifest) -> None:
    manifest.rows[3].path.write_bytes(b"")
    measured = score(FakePredictor(), manifest.rows, batch_size=2, on_bad_image="skip")
    assert len(measured.files) == 4
    assert measured.labels.tolist() == [0, 0, 0, 1]
    assert [(r.file, r.code) for r in measured.refused] == [
        ("test/PNEUMONIA/person1_bacteria_1.png", "empty_file")
    ]
    assert reported(measured).metrics()["refused"] == [
        {
            "file": "test/PNEUMONIA/person1_bacteria_1.png",
            "code": "empty_file",
            "reason": measured.refused[0].reason,
        }
    ]


def test_a_radiograph_that_has_gone_is_refused_with_the_reason(manifest: Manifest) -> None:
    manifest.rows[0].path.unlink()
    measured = score(FakePredictor(), manifest.rows, on_bad_image="skip")
    assert measured.refused == (
        Refusal(
            "test/NORMAL/IM-0001-0001.png",
            "damaged_image",
            "The file cannot be opened (No such file or directory).",
        ),
    )


def test_a_batch_of_broken_radiographs_is_not_sent_to_the_network(manifest: Manifest) -> None:
    for row in manifest.rows[:2]:
        row.path.write_bytes(b"broken")
    predictor = FakePredictor()
    score(predictor, manifest.rows, batch_size=2, on_bad_image="skip")
    assert predictor.batches == [2, 1]


def test_nothing_to_score_is_refused(manifest: Manifest) -> None:
    for row in manifest.rows:
        row.path.write_bytes(b"broken")
    with pytest.raises(DataError, match="None of the 5 films could be scored"):
        score(FakePredictor(), manifest.rows, on_bad_image="skip")


def test_what_the_gate_refuses_is_scored_and_listed(tmp_path: Path) -> None:
    radiographs = {
        "test/NORMAL/flat.png": png(0.3, contrast=0),
        "test/NORMAL/tiny.png": png(0.3, side=16),
        "test/PNEUMONIA/sound.png": png(0.7),
    }
    measured = score(FakePredictor(), folder(tmp_path, radiographs).rows)
    assert len(measured.files) == 3
    assert measured.refused == ()
    assert [(r.file, r.code) for r in measured.refused_by_gate] == [
        ("test/NORMAL/flat.png", "film_too_flat"),
        ("test/NORMAL/tiny.png", "film_too_small"),
    ]
    assert [r["code"] for r in reported(measured).metrics()["refused_by_gate"]] == [
        "film_too_flat",
        "film_too_small",
    ]


def test_radiographs_without_a_patient_are_a_patient_each(manifest: Manifest) -> None:
    row = manifest.rows[0]
    anonymous = Row(file=row.file, path=row.path, split="test", label="NORMAL", patient="")
    assert score(FakePredictor(), [anonymous]).patients == (row.file,)


# --- figures -------------------------------------------------------------------------------------

KEYS = [
    *("n", "accuracy", "sensitivity", "specificity", "precision", "f1", "auc", "brier", "ece"),
    *(
        "confusion",
        "classes",
        "operating_point",
        "model",
        "data",
        "patients",
        "indeterminate",
        "refused",
    ),
    *("refused_by_gate", "command"),
]


def hundred(source: Source | None = None) -> Predictions:
    """100 films: 45 of 50 normals below the threshold, 40 of 50 pneumonias at or above it."""
    return Predictions(
        files=tuple(f"{i}.png" for i in range(100)),
        patients=tuple(f"patient {i}" for i in range(100)),
        labels=np.repeat([0, 1], 50),
        probabilities=np.repeat([0.125, 0.875, 0.25, 0.75], [45, 5, 10, 40]),
        logits=np.zeros(100),
        indeterminate=np.zeros(100, np.bool_),
        operating_point=OperatingPoint("specificity 0.90", 0.75),
        model=ModelRef("my model", "ab" * 32),
        source=source,
    )


def test_metrics_are_the_contract() -> None:
    figures = reported(hundred(Source("films", "test", "cd" * 32))).metrics()
    assert sorted(figures) == sorted(KEYS)
    assert figures["n"] == 100
    assert figures["confusion"] == [[45, 5], [10, 40]]
    assert figures["classes"] is None
    assert figures["accuracy"]["value"] == pytest.approx(0.85)
    assert figures["sensitivity"]["value"] == pytest.approx(0.8)
    assert figures["specificity"]["value"] == pytest.approx(0.9)
    assert figures["precision"]["value"] == pytest.approx(40 / 45)
    assert figures["f1"]["value"] == pytest.approx(80 / 95)
    # Pneumonias at 0.75 or 0.25 outscore the 45 normals at 0.125 and none of the 5 at 0.875.
    assert figures["auc"]["value"] == 0.9
    squares = 45 * 0.125**2 + 5 * 0.875**2 + 10 * 0.75**2 + 40 * 0.25**2
    assert figures["brier"]["value"] == pytest.approx(squares / 100)
    assert figures["operating_point"] == {"name": "specificity 0.90", "threshold": 0.75}
    assert figures["model"] == {"id": "my model", "sha256": "ab" * 32}
    assert figures["data"] == {
        "folder": "films",
        "split": "test",
        "digest": "cd" * 32,
        "population": "",
    }
    assert (
        figures["command"] == "flask evaluate --data films --split test --model 'my model' --quick"
    )
    for name in ("accuracy", "sensitivity", "specificity", "f1", "auc", "brier", "ece"):
        low, high = figures[name]["ci95"]
        assert 0 <= low < high <= 1
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_command_names_a_point_that_is_not_the_usual_one() -> None:
    points = {name: OperatingPoint(name, 0.5) for name in ("screening", "balanced")}
    measured = replace(hundred(Source("films", "test", "cd" * 32)), operating_points=points)
    for name, ending in (("balanced", "'my model'"), ("screening", "--operating-point screening")):
        chosen = replace(measured, operating_point=points[name])
        assert chosen.command(quick=False) is not None
        assert chosen.command(quick=False).endswith(ending)


def test_intervals_resample_patients() -> None:
    """The same films as of few patients, each with films of both kinds of error: wider."""
    single = hundred()
    few = Predictions(
        files=single.files,
        patients=tuple(f"patient {i // 5}" for i in range(100)),
        labels=single.labels,
        probabilities=single.probabilities,
        logits=single.logits,
        indeterminate=single.indeterminate,
        operating_point=single.operating_point,
        model=single.model,
    )
    widths = [np.ptp(reported(e).metrics()["auc"]["ci95"]) for e in (single, few)]
    assert widths[1] > 1.5 * widths[0]


def test_one_class_has_no_auc_and_no_crash(manifest: Manifest) -> None:
    normals = [row for row in manifest.rows if row.label == "NORMAL"]
    figures = reported(score(FakePredictor(), normals)).metrics()
    nothing = {"value": None, "ci95": [None, None]}
    assert figures["auc"] == nothing
    assert figures["sensitivity"] == nothing
    assert figures["specificity"]["value"] == pytest.approx(2 / 3)
    assert figures["confusion"] == [[2, 1], [0, 0]]
    json.dumps(figures, allow_nan=False)


def test_the_source_holds_no_path(manifest: Manifest) -> None:
    source = Source.of(manifest, "test")
    assert source == Source("films", "test", manifest.digest())
