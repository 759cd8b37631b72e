"""One entry of the comparison, in the words and numbers of its tables."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from train.recipes import dotted
from train.recipes.recipe import FIGURES
from train.research.comparison.comparison import Result
from train.research.comparison.cost import Cost, Speed
from train.research.comparison.measure import Figures, Rates
from train.research.comparison.plan import Entry
from train.research.comparison.protocol import TEST, is_shared
from train.research.comparison.table import UNKNOWN, duration, number

LOCKED = "official test: locked"
NOT_RUN = "not run yet"
FAILED = "failed"
NOT_MEASURED = "could not be measured"
UNCALIBRATED = " ‡"  # behind what a network without calibration had


@dataclass(frozen=True, slots=True)
class Row:
    """An entry under the paper's protocol and split by patient.

    ``has_test``: the official test films are there.
    """

    paper: Result
    patient: Result
    has_test: bool = False

    @property
    def entry(self) -> Entry:
        return self.paper.training.entry

    @property
    def has_three_classes(self) -> bool:
        return len(self.entry.recipe.classes) == 3

    @property
    def is_same_figure(self) -> bool:
        """Whether both protocols are one training, measured on the same films."""
        part = self.paper.training.figure_part
        return is_shared(self.entry) and part == self.patient.training.figure_part

    @property
    def cost(self) -> Cost | None:
        """Of the training by patient, if there is one yet; else of the other."""
        found = (result.record.cost for result in (self.patient, self.paper) if result.record)
        return next((cost for cost in found if cost), None)

    @property
    def speed(self) -> Speed | None:
        return self.patient.record.speed if self.patient.record else None

    # --- its figures ----------------------------------------------------------------------------

    @property
    def reported(self) -> str:
        figures = self.entry.recipe.figures
        return self._accuracy(figures.get("accuracy"), figures.get("macro_f1"))

    @property
    def under_paper(self) -> str:
        return self._headline(self.paper) + " †" * self.is_same_figure

    @property
    def by_patient(self) -> str:
        return self._headline(self.patient)

    @property
    def official_test(self) -> str:
        return self._cell(self.patient, TEST) if self.has_test else LOCKED

    def accuracy(self, result: Result, part: str = "") -> float | None:
        """Of all its classes, on the part that the protocol's figure comes from, or another."""
        found = result.figures(part) or Figures()
        return found.three_accuracy if self.has_three_classes else found.half.accuracy

    def _headline(self, result: Result) -> str:
        return LOCKED if result.locked else self._cell(result, result.training.figure_part)

    def _cell(self, result: Result, part: str) -> str:
        if result.record is None:
            return NOT_RUN
        mark = UNCALIBRATED * result.record.learnt_nothing
        if found := result.figures(part):
            return self._accuracy(self.accuracy(result, part), found.three_macro_f1) + mark
        if mark:
            return NOT_MEASURED + mark
        return FAILED if result.record.reason else NOT_RUN

    def _accuracy(self, accuracy: float | None, macro_f1: float | None) -> str:
        return number(accuracy, 4) + f" ({number(macro_f1)})" * self.has_three_classes

    def details(self) -> list[tuple[str, ...]]:
        """A table row for each part of the data that it was measured on."""
        return [
            (
                self.entry.name,
                f"{result.training.protocol}: {part}",
                f"{found.films:,}",
                _with_interval(found),
                _pair(found.half),
                number(found.balanced.accuracy),
                _pair(found.balanced),
            )
            for result in self._trainings()
            for part, found in (result.record.measured if result.record else {}).items()
        ]

    # --- how it was made ------------------------------------------------------------------------

    def costs(self) -> tuple[str, ...]:
        cost, speed = self.cost, self.speed
        machine = "" if cost is None else f"{cost.cores} CPU cores"
        return (
            self.entry.name,
            f"{cost.parameters / 1e6:.1f}" if cost else UNKNOWN,
            duration(cost.epochs_s) if cost else UNKNOWN,
            ("a GPU" if cost.device == "cuda" else machine) if cost else UNKNOWN,
            f"{1000 * speed.radiograph_s:.0f}" if speed else UNKNOWN,
            f"{speed.radiograph_s / speed.baseline_s:.2f}" if speed else UNKNOWN,
        )

    def how_trained(self) -> tuple[str, ...]:
        changes = dotted.as_words(self.entry.changes)
        return self.entry.name, self.origin, self.budget, changes or "nothing", self.note

    @property
    def origin(self) -> str:
        """What its weights began from, and what of them stayed as it was."""
        source, cost = self.entry.init_weights, self.cost
        if source == "none" or (cost and not cost.layers):
            return "from scratch"
        words = ["ImageNet (torchvision)" if source == "imagenet" else Path(source).stem]
        if new := [name for name in (cost.new_layers if cost else ()) if name != "head"]:
            words.append(f"new: {', '.join(new)}")
        if cost and cost.frozen:
            words.append(f"frozen: {cost.frozen[0]} to {cost.frozen[-1]}")
        return "; ".join(words)

    @property
    def brief(self) -> str:
        """``from scratch, 1 of 20 epochs``: what its figures are worth beside the paper's."""
        began = "from scratch" if self.origin == "from scratch" else "pretrained"
        epochs, planned = self.entry.recipe.training.epochs, self.entry.planned_epochs
        share = f"{epochs} of {planned}" if epochs != planned else f"all {planned}"
        return f"{began}, {share} epochs"

    @property
    def budget(self) -> str:
        """``3 epochs (the recipe: 20) of 4,662 films``."""
        training, planned, cost = self.entry.recipe.training, self.entry.planned_epochs, self.cost
        epochs = cost.epochs if cost else training.epochs
        words = f"{epochs} epoch{'s' * (epochs != 1)}"
        if training.epochs != planned:
            words += f" (the recipe: {planned})"
        if epochs < training.epochs:
            words += f", stopped early (at most {training.epochs})"
        if training.samples_per_epoch:
            return f"{words} of {training.samples_per_epoch:,} films"
        sampling = "" if training.sampling == "all" else f", {training.sampling}"
        return f"{words} of {cost.films:,} films{sampling}" if cost else words

    @property
    def note(self) -> str:
        """The plan's, and which of its networks are not calibrated."""
        nothing, raw = [], []
        for result in self._trainings():
            measured = result.record.measured.values() if result.record else ()
            if result.record and result.record.learnt_nothing:
                nothing.append(str(result.training.protocol))
            elif not all(figures.etiology_calibrated for figures in measured):
                raw.append(str(result.training.protocol))
        words = [self.entry.note] if self.entry.note else []
        if nothing:
            words.append(f"not calibrated: it learnt nothing ({', '.join(nothing)})")
        if raw:
            words.append(f"bacterial and viral not calibrated apart ({', '.join(raw)})")
        return "; ".join(words)

    @property
    def learnt_nothing(self) -> bool:
        """Whether one of its networks could not be calibrated."""
        return any(r.record.learnt_nothing for r in self._trainings() if r.record)

    def failures(self) -> list[tuple[str, ...]]:
        records = ((result.training.protocol, result.record) for result in self._trainings())
        return [
            (self.entry.name, str(protocol), record.reason)
            for protocol, record in records
            if record and record.reason and not record.learnt_nothing
        ]

    def as_dict(self) -> dict[str, Any]:
        """A line of the CSV; what is not known is empty."""
        entry, cost, speed = self.entry, self.cost, self.speed
        official = replace(self.patient, locked=not self.has_test)
        columns = (
            ("paper_protocol", self.paper, self.paper.training.figure_part),
            ("by_patient", self.patient, self.patient.training.figure_part),
            ("official_test", official, TEST),
        )
        row: dict[str, Any] = {"name": self.entry.name, "recipe": entry.recipe.name}
        row["classes"] = len(entry.recipe.classes)
        row |= {f"reported_{name}": entry.recipe.figures.get(name) for name in FIGURES}
        for prefix, result, part in columns:
            found = {"split": LOCKED if result.locked else part}
            found |= (result.figures(part) or Figures()).columns()
            row |= {f"{prefix}_{name}": value for name, value in found.items()}
        return row | {
            "parameters": cost and cost.parameters,
            "epochs_s": cost and cost.epochs_s,
            "epochs": cost and cost.epochs,
            "recipe_epochs": entry.planned_epochs,
            "train_films": cost and cost.films,
            "device": cost and cost.device,
            "film_cpu_s": speed and speed.radiograph_s,
            "resnet50_cpu_s": speed and speed.baseline_s,
            "initial_weights": self.origin,
            "changes": dotted.as_words(entry.changes),
            "note": self.note,
        }

    def _trainings(self) -> tuple[Result, ...]:
        return (self.patient,) if is_shared(self.entry) else (self.paper, self.patient)


def _with_interval(found: Figures) -> str:
    if found.auroc_low is None:
        return number(found.auroc)
    return f"{number(found.auroc)} ({number(found.auroc_low)} to {number(found.auroc_high)})"


def _pair(rates: Rates) -> str:
    return f"{number(rates.sensitivity)}, {number(rates.specificity)}"
