from pathlib import Path

import pytest

from pneumonia.errors import DataError
from train.data import declaration, manifest


def lay(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.encode())
    return root


KAGGLE = (
    "train/NORMAL/IM-0117-0001.jpeg",
    "train/NORMAL/NORMAL2-IM-0117-0001-0002.jpeg",
    "train/PNEUMONIA/person1_bacteria_1.jpeg",
    "train/PNEUMONIA/person1_virus_2.jpeg",
    "train/PNEUMONIA/person10_virus_3.PNG",
    "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
    "val/PNEUMONIA/person1946_bacteria_4874.jpeg",
    "test/NORMAL/IM-0001-0001.jpeg",
)


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person1946_bacteria_4874.jpeg", "person1946"),
        ("person1_virus_2.jpeg", "person1"),
        ("IM-0117-0001.jpeg", "IM-0117"),
        ("NORMAL2-IM-1427-0001-0002.jpeg", "NORMAL2-IM-1427"),
        ("film 7.png", "film 7.png"),
    ],
)
def test_patients_of_the_public_set(tmp_path, name, patient) -> None:
    assert declaration.find(tmp_path, "kermany").patient_of(f"train/X/{name}") in (
        patient,
        f"train/X/{patient}",
    )


def test_the_kaggle_layout(tmp_path) -> None:
    lay(tmp_path, *KAGGLE, "train/NORMAL/.DS_Store", "train/NORMAL/notes.txt")
    rows = manifest.load(tmp_path).rows
    assert [row.file for row in rows] == sorted(KAGGLE)
    by_name = {row.path.name: row for row in rows}
    virus = by_name["person10_virus_3.PNG"]
    assert (virus.split, virus.label, virus.etiology) == ("train", "PNEUMONIA", "viral")
    assert by_name["IM-0117-0001.jpeg"].etiology == "normal"


def test_a_manifest_table_decides_for_the_splits_it_lists(tmp_path) -> None:
    lay(tmp_path, *KAGGLE)
    (tmp_path / "manifest.csv").write_text(
        f"file,split,label,patient\n{KAGGLE[0]},train,NORMAL,A\n{KAGGLE[2]},,pneumonia,B\n",
        encoding="utf-8-sig",  # as Excel writes it
    )
    rows = {row.file: row for row in manifest.load(tmp_path).rows}
    assert [row.file for row in rows.values() if row.split == "train"] == [KAGGLE[0], KAGGLE[2]]
    assert rows[KAGGLE[0]].patient == "A"
    b = rows[KAGGLE[2]]
    assert (b.label, b.patient, b.etiology) == ("PNEUMONIA", "B", "bacterial")
    assert [row.split for row in rows.values()].count("val") == 2
    assert [row.split for row in rows.values()].count("test") == 1


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("name,label\nx,NORMAL\n", "needs the columns file and label"),
        ("file,label\nabsent.png,NORMAL\n", "names 1 films that are not there, the first absent"),
        (f"file,label\n{KAGGLE[0]},COVID\n", "line 2: the label is 'COVID'; it must be one of"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path, table, said) -> None:
    lay(tmp_path, *KAGGLE).joinpath("manifest.csv").write_text(table)
    with pytest.raises(DataError, match=said):
        manifest.load(tmp_path)


def test_a_missing_folder(tmp_path) -> None:
    with pytest.raises(DataError, match=r"absent does not exist\. Give the folder that holds"):
        manifest.load(tmp_path / "absent")


def test_an_empty_folder(tmp_path) -> None:
    with pytest.raises(DataError, match=r"No films under .*expected train\|val\|test/NORMAL"):
        manifest.load(tmp_path)


def test_the_official_val_joins_the_pool_and_test_does_not(tmp_path) -> None:
    pool = manifest.training_rows(manifest.load(lay(tmp_path, *KAGGLE)))
    assert {row.split for row in pool} == {"train", "val"}
    assert len(pool) == 7


def test_an_empty_class(tmp_path) -> None:
    lay(tmp_path, *(file for file in KAGGLE if not file.startswith("train/NORMAL")))
    with pytest.raises(DataError, match="The class NORMAL is empty"):
        manifest.training_rows(manifest.load(tmp_path))


def test_no_train_folder(tmp_path) -> None:
    lay(tmp_path, "test/NORMAL/IM-0001-0001.jpeg", "test/PNEUMONIA/person1_virus_6.jpeg")
    with pytest.raises(DataError, match="has no train split"):
        manifest.training_rows(manifest.load(tmp_path))


def test_a_patient_in_two_splits(tmp_path) -> None:
    own = manifest.load(lay(tmp_path, *KAGGLE, "test/PNEUMONIA/person1_virus_6.jpeg"), "kermany")
    with pytest.raises(DataError, match="1 patients are in two splits, the first person1 in test"):
        manifest.training_rows(own)
    dropped = manifest.training_rows(own, "drop")
    assert "person1" not in {row.patient for row in dropped}
    assert len(dropped) == 5
    assert len(manifest.training_rows(own, "keep")) == 7


def test_the_digest_follows_content_and_label_not_place(tmp_path) -> None:
    a = manifest.load(lay(tmp_path / "a", *KAGGLE)).digest()
    b_root = lay(tmp_path / "b", *KAGGLE)
    assert manifest.load(b_root).digest() == a
    (b_root / KAGGLE[0]).write_bytes(b"changed")
    assert manifest.load(b_root).digest() != a


@pytest.mark.parametrize(
    ("label", "given", "found"),
    [
        ("NORMAL", "", "normal"),
        ("PNEUMONIA", "Bacteria", "bacterial"),
        ("PNEUMONIA", "virus", "viral"),
        ("PNEUMONIA", "", ""),
    ],
)
def test_an_etiology_in_the_table(tmp_path, label, given, found) -> None:
    lay(tmp_path, "a.png")
    (tmp_path / "manifest.csv").write_text(f"file,label,etiology\na.png,{label},{given}\n")
    assert manifest.load(tmp_path).rows[0].etiology == found


@pytest.mark.parametrize(
    ("label", "given", "said"),
    [
        ("PNEUMONIA", "normal", "line 2: the etiology of a PNEUMONIA film is 'normal'; it must be"),
        ("NORMAL", "viral", "line 2: the etiology of a NORMAL film is 'viral'; it must be normal"),
        ("PNEUMONIA", "fungal", "'fungal'; it must be bacterial or viral, or empty"),
    ],
)
def test_an_etiology_that_cannot_be(tmp_path, label, given, said) -> None:
    lay(tmp_path, "a.png")
    (tmp_path / "manifest.csv").write_text(f"file,label,etiology\na.png,{label},{given}\n")
    with pytest.raises(DataError, match=said):
        manifest.load(tmp_path)
