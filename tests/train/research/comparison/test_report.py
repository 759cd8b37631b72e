"""The tables, letter by letter, of trainings made up."""

import csv
from dataclasses import replace

import pytest

from tests.train.small import write_recipe
from train.recipes.sections import Split
from train.research.comparison import plan, report
from train.research.comparison.comparison import Result
from train.research.comparison.cost import Cost, Speed
from train.research.comparison.measure import Figures, Rates
from train.research.comparison.plan import Entry
from train.research.comparison.protocol import Protocol, Training
from train.research.comparison.record import Record
from train.research.comparison.row import Row
from train.research.comparison.table import duration

COST = Cost(
    parameters=157_569, epochs=2, epochs_s=130.0, films=4662, device="cpu", cores=2,
    layers=["conv1", "bn1"], new_layers=["layer1", "head"], frozen=["conv1", "bn1"],
)  # fmt: skip
SPEED = Speed(radiograph_s=0.02, baseline_s=0.08, threads=2)


def measured(
    accuracy: float, radiographs: int, three: tuple[float | None, float | None] = (None, None)
) -> Figures:
    rates = Rates(accuracy, precision=0.95, sensitivity=0.96, specificity=0.875, f1=0.955)
    return Figures(
        "d", radiographs, 0.98123, 0.97, 0.99, half=rates,
        balanced=replace(rates, accuracy=0.951, specificity=None),
        three_accuracy=three[0], three_macro_f1=three[1],
    )  # fmt: skip


@pytest.fixture
def entry(tmp_path) -> Entry:
    (made,) = plan.of_recipes([str(write_recipe(tmp_path))], "none")
    return replace(made, init_weights="/weights/resnet18.safetensors", note="a|b")


def row_of(
    entry: Entry, paper: Record | None, patient: Record | None, *, locked=False, has_test=False
) -> Row:
    return Row(
        Result(Training(entry, Protocol.PAPER), paper, locked),
        Result(Training(entry, Protocol.PATIENT), patient),
        has_test,
    )


def section(markdown: str, title: str) -> list[str]:
    """Lines of the tables under a heading."""
    text = markdown.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [row for row in text.splitlines() if row.startswith("| ") and "---" not in row]


def test_the_tables_of_an_entry_with_everything(entry) -> None:
    paper = Record(
        cost=COST, measured={"validation": measured(0.95, 570), "held-out": measured(0.9512, 1568)}
    )
    patient = Record(
        cost=COST, speed=SPEED,
        measured={"validation": measured(0.9614, 570), "test": measured(0.871, 624)},
    )  # fmt: skip
    text = report.markdown(
        [row_of(entry, paper, patient, has_test=True)], "kermany", "flask compare --x"
    )
    assert "Films: `kermany`. Made by:\n\n```bash\nflask compare --x\n```" in text
    assert section(text, "Normal or pneumonia") == [
        (
            "| System | Paper: accuracy | Ours, paper's protocol | Ours, by patient "
            "| Official test "
            "| Trained |"
        ),
        "| small | 0.9000 | 0.9512 | 0.9614 | 0.8710 | pretrained, all 2 epochs |",
        (
            "| System | Measured on | Films | AUROC (95 % CI) | At 0.5: sensitivity, specificity "
            "| Balanced: accuracy | sensitivity, specificity |"
        ),
        (
            "| small | paper: validation | 570 | 0.981 (0.970 to 0.990) | 0.960, 0.875 "
            "| 0.951 | 0.960, – |"
        ),
        (
            "| small | paper: held-out | 1,568 | 0.981 (0.970 to 0.990) | 0.960, 0.875 "
            "| 0.951 | 0.960, – |"
        ),
        (
            "| small | by-patient: validation | 570 | 0.981 (0.970 to 0.990) | 0.960, 0.875 "
            "| 0.951 | 0.960, – |"
        ),
        (
            "| small | by-patient: test | 624 | 0.981 (0.970 to 0.990) | 0.960, 0.875 "
            "| 0.951 | 0.960, – |"
        ),
    ]
    assert section(text, "What they cost")[1] == "| small | 0.2 | 2 min | 2 CPU cores | 20 | 0.25 |"
    assert section(text, "How each was trained")[1] == (
        "| small | resnet18; new: layer1; frozen: conv1 to bn1 | 2 epochs of 4,662 films "
        "| nothing | a\\|b |"
    )
    assert "## Failed" not in text


def test_what_is_not_there_is_said(entry) -> None:
    failed = Record(reason="The loss is no longer a number.", code="bad_run")
    text = report.markdown([row_of(entry, failed, None)], "kermany", "flask compare")
    assert section(text, "Normal or pneumonia")[1] == (
        "| small | 0.9000 | failed | not run yet | official test: locked "
        "| pretrained, all 2 epochs |"
    )
    assert section(text, "What they cost")[1] == "| small | – | – | – | – | – |"
    assert section(text, "Failed")[1] == "| small | paper | The loss is no longer a number. |"


def test_a_locked_protocol_and_one_that_serves_both_columns(entry) -> None:
    locked = row_of(entry, None, None, locked=True)
    assert (locked.under_paper, locked.by_patient) == ("official test: locked", "not run yet")
    split = Split(fraction=0.12, seed=2026)
    recipe = replace(entry.recipe, split=split, reported_on="validation")
    shared = replace(entry, recipe=recipe)
    record = Record(cost=COST, measured={"validation": measured(0.9614, 570)})
    both = row_of(shared, record, record)
    assert (both.under_paper, both.by_patient) == ("0.9614 †", "0.9614")
    assert len(both.details()) == 1


def test_a_training_that_serves_both_is_measured_where_the_paper_reports(entry) -> None:
    split = Split(fraction=0.12, seed=2026)
    shared = replace(entry, recipe=replace(entry.recipe, split=split, reported_on="test"))
    both = {"validation": measured(0.9614, 570), "test": measured(0.871, 624)}
    for parts, has_test, cells in (
        (both, True, ("0.8710", "0.9614", "0.8710")),
        ({"validation": both["validation"]}, False, ("official test: locked", "0.9614") * 2),
    ):
        record = Record(cost=COST, measured=parts)
        found = row_of(shared, record, record, locked=not has_test, has_test=has_test)
        assert (found.under_paper, found.by_patient, found.official_test) == cells[:3]
        assert "†" not in report.markdown([found], "kermany", "flask compare")


def test_the_official_test_is_not_called_locked_where_it_lies(entry) -> None:
    failed = Record(reason="The loss is no longer a number.", code="bad_run")
    assert row_of(entry, None, failed, has_test=True).official_test == "failed"
    assert row_of(entry, None, None, has_test=True).official_test == "not run yet"
    assert row_of(entry, None, failed).official_test == "official test: locked"


def test_three_classes_have_a_table_of_their_own(entry, tmp_path) -> None:
    path = write_recipe(
        tmp_path, "three", **{'until = "layer1"': "outputs = 3", '"focal"': '"cross_entropy"'}
    )
    (three,) = plan.of_recipes([str(path)], "none")
    patient = Record(cost=COST, measured={"validation": measured(0.96, 570, (0.8123, 0.79))})
    text = report.markdown(
        [row_of(entry, None, None), row_of(three, None, patient)], "kermany", "flask compare"
    )
    assert section(text, "Normal or pneumonia")[1].startswith("| small |")
    assert section(text, "Normal, bacterial or viral")[:2] == [
        (
            "| System | Paper: accuracy (macro F1) | Ours, paper's protocol | Ours, by patient "
            "| Official test | Trained |"
        ),
        (
            "| three | 0.9000 (–) | not run yet | 0.8123 (0.790) | official test: locked "
            "| from scratch, all 2 epochs |"
        ),
    ]


def test_causes_that_are_not_calibrated_apart_are_said(entry) -> None:
    found = measured(0.96, 570, (0.8123, 0.79))
    found = replace(found, etiology_calibrated=False)
    noted = row_of(entry, None, Record(cost=COST, measured={"validation": found})).note
    assert noted == "a|b; bacterial and viral not calibrated apart (by-patient)"


def test_a_changed_network_is_named_beside_its_recipe(entry) -> None:
    cut = row_of(replace(entry, changes={"network.until": "layer3"}), None, None)
    text = report.markdown([cut], "kermany", "flask compare")
    assert section(text, "Normal or pneumonia")[1].startswith("| small (until layer3) | 0.9000 |")
    assert "In brackets behind a system: what of its network was changed" in text
    assert cut.entry.name == "small"


def test_the_budget_says_what_was_cut(entry) -> None:
    training = replace(entry.recipe.training, epochs=6, samples_per_epoch=1200)
    cut = replace(entry, recipe=replace(entry.recipe, training=training), planned_epochs=20)
    found = row_of(cut, None, Record(cost=COST)).budget
    assert found == "2 epochs (the recipe: 20), stopped early (at most 6) of 1,200 films"
    scratch = replace(entry, init_weights="none")
    short = replace(scratch, recipe=cut.recipe, planned_epochs=20)
    assert row_of(short, None, None).brief == "from scratch, 6 of 20 epochs"
    assert row_of(scratch, None, Record(cost=COST)).origin == "from scratch"
    unloaded = Record(cost=replace(COST, layers=[]))
    assert row_of(entry, None, unloaded).origin == "from scratch"


def test_the_csv_has_a_row_for_each_entry(entry, tmp_path) -> None:
    patient = Record(cost=COST, speed=SPEED, measured={"validation": measured(0.9614, 570)})
    report.write_csv([row_of(entry, None, patient, locked=True)], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["name"] == "small"
    assert row["reported_accuracy"] == "0.9"
    assert row["paper_protocol_split"] == "official test: locked"
    assert row["paper_protocol_accuracy_at_half"] == ""
    assert row["by_patient_split"] == "validation"
    assert row["by_patient_accuracy_at_half"] == "0.9614"
    assert row["by_patient_auroc_low"] == "0.97"
    assert row["official_test_split"] == "official test: locked"
    assert row["film_cpu_s"] == "0.02"
    assert row["note"] == "a|b"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(42.4, "42 s"), (89.9, "90 s"), (720, "12 min"), (5399, "90 min"), (12240, "3.4 h")],
)
def test_a_duration_in_words(seconds, words) -> None:
    assert duration(seconds) == words
