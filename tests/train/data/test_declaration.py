"""What is declared of a folder of radiographs, and that nothing of it is guessed."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pneumonia.analysis.population import Population
from pneumonia.errors import DataError
from train.data import manifest
from train.data.declaration import Declaration, find


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder as a common viewer exports it: series and images, of whomever."""
    for label in ("NORMAL", "PNEUMONIA"):
        folder = tmp_path / "train" / label
        folder.mkdir(parents=True)
        for number in range(3):
            picture = np.full((32, 32), number, np.uint8)
            cv2.imwrite(str(folder / f"IM-0001-{number:04}.png"), picture)
    return tmp_path


def test_names_alone_say_nothing(exported: Path) -> None:
    found = manifest.load(exported)
    assert found.declaration == Declaration()
    assert (found.declaration.name, found.declaration.licence) == ("own films", "not stated")
    assert found.declaration.population == Population()
    assert not found.names_patients
    assert len({row.patient for row in found.rows}) == len(found.rows) == 6


def test_a_declaration_that_ships_is_named(exported: Path) -> None:
    found = manifest.load(exported, "kermany")
    assert found.declaration.licence == "CC BY 4.0"
    assert found.declaration.population.age_years == (1, 5)
    assert {row.patient for row in found.rows} == {"IM-0001"}
    assert found.names_patients


def test_one_beside_the_radiographs_is_found(exported: Path) -> None:
    (exported / "data.toml").write_text(
        """name = "Ours"
patient = '-(\\d+)[.]'
[population]
text = "adults of one clinic"
age_years = [18, 99]
"""
    )
    found = manifest.load(exported)
    assert found.declaration.name == "Ours"
    assert found.declaration.population == Population("adults of one clinic", (18, 99))
    assert {row.patient for row in found.rows} == {"0000", "0001", "0002"}


def test_the_column_of_the_table_counts_more_than_the_rule(exported: Path) -> None:
    (exported / "manifest.csv").write_text(
        "file,label,patient\ntrain/NORMAL/IM-0001-0000.png,NORMAL,Ada\n"
        "train/NORMAL/IM-0001-0001.png,NORMAL,\n"
    )
    for dataset, other in (("", "train/NORMAL/IM-0001-0001.png"), ("kermany", "IM-0001")):
        rows = {row.file: row.patient for row in manifest.load(exported, dataset).rows}
        assert rows["train/NORMAL/IM-0001-0000.png"] == "Ada"
        assert rows["train/NORMAL/IM-0001-0001.png"] == other
    assert manifest.load(exported).names_patients


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "cannot be used"),
        (
            "nmae = 'x'",
            "unknown key 'nmae'; known are name, source, licence, population, pati",
        ),
        ("name = 3", "name is 3; it must be a text"),
        ("patient = '('", "cannot be used"),
        ("patient = 'IM-'", "patient must have a group in parentheses"),
        ("[population]\ntext = 'x'\nage_years = [9, 1]", "must rise from 0 or more"),
        ("[population]\nages = [1, 2]", "unknown key 'population.ages'"),
    ],
)
def test_what_is_no_declaration_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "data.toml").write_text(text)
    with pytest.raises(DataError) as caught:
        find(tmp_path)
    assert words in str(caught.value)
    assert "data.toml" in str(caught.value)


@pytest.mark.parametrize("dataset", ["nobody", "/nowhere/nobody.toml"])
def test_one_that_is_not_there(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(
        DataError, match=r"There is no declaration .*Known: kermany, mixed; or give the"
    ):
        find(tmp_path, dataset)


def test_a_data_set_is_gathered_from_parts(tmp_path: Path) -> None:
    for folder, film in (
        ("kids", "train/NORMAL/IM-0001-0001.png"),
        ("kids", "test/PNEUMONIA/person3_virus_1.png"),
        ("grown", "near/a.png"),
        ("grown", "far/b.png"),
    ):
        path = tmp_path / folder / film
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a film")
    (tmp_path / "grown" / "manifest.csv").write_text(
        "file,label,patient,source,population\n"
        "near/a.png,NORMAL,7,Here,Adult\nfar/b.png,PNEUMONIA,8,There,adult\n"
    )
    (tmp_path / "data.toml").write_text(
        "name = 'both'\n[populations.child]\ntext = 'children'\nage_years = [1, 5]\n"
        "[[parts]]\nfolder = 'kids'\ndataset = 'kermany'\nsource = 'G'\npopulation = 'child'\n"
        "[[parts]]\nfolder = 'grown'\nprefix = 'near/'\n"
    )
    found = manifest.load(tmp_path)
    assert [
        (row.file, row.split, row.patient, row.source, row.population) for row in found.rows
    ] == [
        ("grown/near/a.png", "train", "7", "Here", "adult"),
        ("kids/test/PNEUMONIA/person3_virus_1.png", "test", "person3", "G", "child"),
        ("kids/train/NORMAL/IM-0001-0001.png", "train", "IM-0001", "G", "child"),
    ]
    assert all(row.path.is_file() for row in found.rows)
    assert found.names_patients
    assert found.declaration.populations == {"child": Population("children", (1, 5))}
