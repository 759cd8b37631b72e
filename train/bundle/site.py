"""Calibration of a bundle on a clinic's own reviewed films, into a bundle of its own."""

import csv
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.bundle import WEIGHTS
from pneumonia.analysis.card import CARD, Card, read_card
from pneumonia.analysis.finding import DEFAULT_OPERATING_POINT, OperatingPoint
from pneumonia.errors import DataError
from train.bundle.calibrate import NothingLearntError, PlattScaling
from train.bundle.conformal import ERROR_RATE
from train.bundle.held_out import HeldOut
from train.bundle.measure import describe, fit
from train.estimates import Estimate, estimate, estimate_errors, estimate_mean, estimate_rates
from train.files import write_text

MIN_FILMS: Final = 100
MIN_EACH: Final = 20  # of either class: from 19 on, a conformal bound of 5 % is more than a guess
FOLDS: Final = 5
UNKNOWN: Final = "unknown"  # films of which nothing says whose they are
_COLUMNS = ("file", "label", "patient", "population", "logit", "weights_sha256")
_FILMS = "reviewed where the model is used, as the last review of each saw it"
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class NoGainError(DataError):
    """A calibration that is not shown to be better than the one in use."""

    code = "no_gain"
    title = "No gain can be shown"


@dataclass(frozen=True, eq=False, slots=True)
class Answers:
    """What one calibration says of n films.

    Attributes
    ----------
    probabilities
        float64 (n,).
    called, answered
        bool (n,) by the name of the operating point: at or above its threshold; outside its band.
    """

    probabilities: Floats
    called: dict[str, Bools]
    answered: dict[str, Bools]

    @classmethod
    def of(cls, probabilities: Floats, points: dict[str, OperatingPoint]) -> "Answers":
        p, called, answered = probabilities, {}, {}
        for name, point in points.items():
            low, high = point.indeterminate or (2.0, 2.0)
            called[name] = p >= point.threshold
            answered[name] = (p < low) | (p > high)
        return cls(p, called, answered)

    def losses(self, labels: Bools) -> Floats:
        """Of each film, minus the log-likelihood of what the reviewer saw."""
        p = np.clip(np.where(labels, self.probabilities, 1 - self.probabilities), 1e-12, 1)
        return np.asarray(-np.log(p))


def calibrate_on_reviews(
    model: Path, data: Path, out: Path, population: str = ""
) -> dict[str, Any]:
    """Fit temperature, bias and operating points to reviewed films, and write a new bundle.

    Parameters
    ----------
    model
        The bundle whose logits the films have; it is not touched.
    data
        A folder of ``flask export-reviewed``.
    population
        Whose calibration is fitted anew, by its name in the card or ``unknown``; may be left out
        where all films are of one.

    Returns
    -------
    The new card; its ``site_calibration`` holds the figures before and after, the latter from films
    that took no part in the fit (cross-validation by patient).

    Raises
    ------
    DataError
        When the folder cannot be used, or holds too few films of the model and population.
    NoGainError
        When the probabilities are not shown to become better, or the answers become worse.
    """
    if out.exists():
        raise DataError(f"{out} exists. A calibration overwrites no bundle: name a new folder.")
    card = read_card(model)
    films, other_models = _read(data / "manifest.csv", card)
    name, films, other_populations = _choose(card, films, population)
    _check_number(films)
    before = _before(card, name, films)
    try:
        after, (scaling, points) = _cross_validate(films), fit(films)
    except NothingLearntError:
        raise NoGainError(
            "On the reviewed films the model's score does not rise with what the reviewers saw: no "
            "calibration can mend that. Look at the films on which they disagree."
        ) from None
    found = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "based_on": card.id,
        "population": name or UNKNOWN if card.populations else None,
        "films": {
            "n": len(films.labels),
            "normal": int((~films.labels).sum()),
            "pneumonia": int(films.labels.sum()),
            "patients": len(set(films.patients.tolist())),
            "left_out": {"other_models": other_models, "other_populations": other_populations},
        },
        "method": f"{FOLDS}-fold cross-validation by patient; bands by class-conditional conformal "
        f"prediction, at most {ERROR_RATE:.0%} of either class beyond them",
        "before": _figures(films, before),
        "after": _figures(films, after),
        "gain": _check_gain(films, before, after).as_dict(4),
    }
    return _write(model, out, card, name, describe(films, scaling, points), found)


def _read(path: Path, card: Card) -> tuple[HeldOut, int]:
    """The films that these weights scored, and how many others there are."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if absent := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
                raise DataError(
                    f"{path} lacks the column {absent[0]}. Give a folder that flask "
                    "export-reviewed wrote."
                )
            rows = list(reader)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from None
    own = [row for row in rows if row["weights_sha256"] == card.weights_sha256]
    try:
        logits = np.array([float(row["logit"]) for row in own])
    except ValueError as error:
        raise DataError(f"{path} holds a logit that is no number ({error}).") from None
    words = {name: np.array([row[name] for row in own], np.str_) for name in _COLUMNS}
    nameless = words["patient"] == ""
    return (
        HeldOut(
            labels=words["label"] == "PNEUMONIA",
            logits=logits,
            patients=np.where(nameless, words["file"], words["patient"]),
            sources=np.full(len(own), ""),
            populations=words["population"],
            perturbed=np.empty((0, len(own))),
        ),
        len(rows) - len(own),
    )


def _choose(card: Card, films: HeldOut, given: str) -> tuple[str, HeldOut, int]:
    """The population whose calibration is fitted, its films, and how many others there are."""
    if not card.populations:
        if given:
            raise DataError(f"The model {card.id!r} has one calibration for all.")
        return "", films, 0
    there = {name or UNKNOWN for name in films.populations.tolist()}
    if not given and len(there) > 1:
        raise DataError(
            f"The films are of several populations ({', '.join(sorted(there))}), which the model "
            f"{card.id!r} calibrates apart. Choose one with --population."
        )
    name = given or next(iter(there), UNKNOWN)
    if name not in {*card.populations, UNKNOWN}:
        raise DataError(
            f"The model {card.id!r} does not know the population {name!r}; it has "
            f"{', '.join(card.populations)}, and {UNKNOWN}."
        )
    name = "" if name == UNKNOWN else name
    own = films.of_population(name)
    return name, own, len(films.labels) - len(own.labels)


def _check_number(films: HeldOut) -> None:
    n, ill = len(films.labels), int(films.labels.sum())
    if n < MIN_FILMS or min(ill, n - ill) < MIN_EACH:
        raise DataError(
            f"There are {n} reviewed films of this model and population, {ill} with pneumonia and "
            f"{n - ill} without. At least {MIN_FILMS} are needed, {MIN_EACH} of either."
        )


def _before(card: Card, name: str, films: HeldOut) -> Answers:
    in_use = card.calibration_of(name)
    scaling = PlattScaling(in_use.temperature, in_use.bias)
    return Answers.of(scaling.probabilities(films.logits), in_use.operating_points)


def _cross_validate(films: HeldOut) -> Answers:
    """Every film answered by a calibration that was fitted without its patient."""
    n, folds = len(films.labels), _folds(films)
    probabilities = np.zeros(n)
    called: dict[str, Bools] = {}
    answered: dict[str, Bools] = {}
    for fold in range(FOLDS):
        held = folds == fold
        scaling, points = fit(films.where(~held))
        found = Answers.of(scaling.probabilities(films.logits[held]), points)
        probabilities[held] = found.probabilities
        for name in points:
            called.setdefault(name, np.zeros(n, np.bool_))[held] = found.called[name]
            answered.setdefault(name, np.zeros(n, np.bool_))[held] = found.answered[name]
    return Answers(probabilities, called, answered)


def _folds(films: HeldOut) -> NDArray[np.int64]:
    """(n,), 0 to 4: patients with pneumonia spread evenly, and the others."""
    ill = set(films.patients[films.labels].tolist())
    patients = sorted(set(films.patients.tolist()))
    np.random.default_rng(0).shuffle(patients)
    ordered = sorted(patients, key=lambda patient: patient in ill)  # stable
    fold = {patient: i % FOLDS for i, patient in enumerate(ordered)}
    return np.array([fold[patient] for patient in films.patients.tolist()])


def _figures(films: HeldOut, answers: Answers) -> dict[str, Any]:
    labels, patients = films.labels, films.patients
    points = {}
    for name, called in answers.called.items():
        answered = answers.answered[name]
        rates = estimate_rates(labels, called.astype(np.float64), patients, 0.5)
        missed, false_alarms = estimate_errors(labels, called, answered, patients)
        points[name] = {
            "sensitivity": rates.sensitivity.as_dict(4),
            "specificity": rates.specificity.as_dict(4),
            "missed": missed.as_dict(4),
            "false_alarms": false_alarms.as_dict(4),
            "share_in_band": estimate_mean(np.asarray(1 - answered, np.float64), patients)
            .as_share(len(labels))
            .as_dict(4),
        }
    brier = np.square(answers.probabilities - labels, dtype=np.float64)
    return {
        "log_loss": estimate_mean(answers.losses(labels), patients).as_dict(4),
        "brier": estimate_mean(brier, patients).as_dict(4),
        "operating_points": points,
    }


def _check_gain(films: HeldOut, before: Answers, after: Answers) -> Estimate:
    """How much less the log loss is after than before. Raises NoGainError."""
    labels, patients = films.labels, films.patients
    gain = estimate_mean(before.losses(labels) - after.losses(labels), patients)
    if not gain.low > 0:
        raise NoGainError(
            f"On {len(labels)} reviewed films the log loss becomes {gain.value:.4f} less (95 % "
            f"interval {gain.low:.4f} to {gain.high:.4f}), which may be chance. The calibration in "
            "use stays the better known one. Try again with more reviewed films."
        )
    right = [
        (one.called[DEFAULT_OPERATING_POINT] == labels).astype(np.float64)
        for one in (before, after)
    ]

    def youden(truth: Bools, change: Floats) -> Floats:
        return np.array([change[truth].mean() + change[~truth].mean()])

    change = estimate(youden, labels, right[1] - right[0], patients)[0]
    if change.high < 0:
        raise NoGainError(
            f"The probabilities become better, but the answers worse: at the operating point "
            f"{DEFAULT_OPERATING_POINT}, sensitivity and specificity together change by "
            f"{change.value:.3f} ({change.low:.3f} to {change.high:.3f})."
        )
    for name, called in after.called.items():
        errors = estimate_errors(labels, called, after.answered[name], patients)
        for error, what in zip(errors, ("pneumonias", "normals"), strict=True):
            if error.low > ERROR_RATE:
                raise NoGainError(
                    f"The promise of {ERROR_RATE:.0%} is not kept: at {name}, {error.value:.1%} of "
                    f"{what} ({error.low:.1%} to {error.high:.1%}) get the wrong answer."
                )
    return gain


def _write(
    model: Path, out: Path, card: Card, name: str, described: dict[str, Any], found: dict[str, Any]
) -> dict[str, Any]:
    """The new bundle, whole or not at all."""
    raw: dict[str, Any] = json.loads(json.dumps(card.raw))
    described["calibration"]["films"] = _FILMS
    if name:
        raw["populations"][name] |= described
    else:
        raw |= described
    raw.pop("evidence", None)  # it measured another calibration
    whose = f" of the group {found['population']}" if found["population"] else ""
    raw["limits"].insert(
        1,
        f"Its probabilities and operating points for films{whose} were fitted to "
        f"{found['films']['n']} reviewed films of one clinic: elsewhere they do not hold.",
    )
    raw |= {"id": out.name, "created_at": found["created_at"], "site_calibration": found}
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in (WEIGHTS, *(card.lungs_sha256 or ())):
        shutil.copyfile(model / file, partial / file)
    write_text(partial / CARD, json.dumps(raw, indent=2, ensure_ascii=False) + "\n")
    partial.rename(out)
    return read_card(out).raw
