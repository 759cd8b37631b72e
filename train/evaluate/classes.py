"""Three classes, normal, bacterial and viral: how well each is told from the other two.

Only films whose class is known count: a pneumonia of unknown cause is in none of these figures. A
film's predicted class is the likeliest of the three probabilities, whatever the operating point;
where bacterial and viral could not be calibrated apart, they share a pneumonia as the network's own
softmax says. Precision, recall, F1 and their macro averages are those of scikit-learn's
``classification_report``, and one class against the rest has the AUROC of its own probability.
"""

from dataclasses import dataclass
from math import nan
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import THREE_CLASSES
from train.estimates import Estimate
from train.evaluate.predictions import Predictions
from train.metrics import Confusion, auroc


@dataclass(frozen=True, eq=False, slots=True)
class ClassPredictions:
    """What was said of m films whose class is known.

    Attributes
    ----------
    truth
        int64 (m,): 0 normal, 1 bacterial, 2 viral.
    probabilities
        float64 (m, 3); each row sums to 1.
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, predictions: Predictions) -> Self | None:
        """None for a model of two classes, or where no film's cause is known to be either."""
        probabilities, known = predictions.class_probabilities, find_known(predictions)
        causes = {predictions.etiologies[i] for i in np.flatnonzero(known)}
        if probabilities is None or not causes & {"bacterial", "viral"}:
            return None
        truth = [THREE_CLASSES.index(predictions.etiologies[i]) for i in np.flatnonzero(known)]
        return cls(np.array(truth, np.int64), probabilities[known])

    @property
    def called(self) -> NDArray[np.int64]:
        """int64 (m,): the likeliest class; of equals, the first."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """int64 (3, 3): rows are what a film is, columns what it is called."""
        at = 3 * self.truth + self.called
        return np.bincount(at, minlength=9).reshape(3, 3)

    @property
    def support(self) -> NDArray[np.int64]:
        """int64 (3,): films of each class."""
        return np.bincount(self.truth, minlength=3)

    def against_rest(self, cls: int) -> Confusion:
        """The films with one class as the positive and the others together as the negative."""
        table = self.confusion
        tp, n = int(table[cls, cls]), int(table.sum())
        fn, fp = int(table[cls].sum()) - tp, int(table[:, cls].sum()) - tp
        return Confusion(tn=n - tp - fn - fp, fp=fp, fn=fn, tp=tp)

    def take(self, radiographs: NDArray[np.intp]) -> "ClassPredictions":
        return ClassPredictions(self.truth[radiographs], self.probabilities[radiographs])


def find_known(predictions: Predictions) -> NDArray[np.bool_]:
    """bool (n,): radiographs that are normal, or whose cause is bacterial or viral."""
    if not predictions.etiologies:
        return np.zeros(len(predictions.files), np.bool_)
    return np.isin(predictions.etiologies, THREE_CLASSES)


@dataclass(frozen=True, slots=True)
class OneClass:
    """One class against the other two; ``support`` is how many radiographs have it."""

    support: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    auroc: Estimate


@dataclass(frozen=True, slots=True)
class ThreeClasses:
    """Figures of the three classes.

    Attributes
    ----------
    calibrated
        Whether bacterial and viral could be calibrated apart, so that the app shows them.
    n, unknown
        Radiographs counted, and left out because their cause is not known.
    confusion
        Rows are what the radiographs are, columns what they are called, in the order of ``names``.
    """

    names: tuple[str, ...]
    calibrated: bool
    n: int
    unknown: int
    accuracy: Estimate
    macro_f1: Estimate
    macro_auroc: Estimate
    confusion: tuple[tuple[int, ...], ...]
    per_class: dict[str, OneClass]

    @classmethod
    def of(cls, predictions: Predictions) -> "ThreeClasses | None":
        """None where there is nothing to measure, see :meth:`ClassPredictions.of`."""
        told = ClassPredictions.of(predictions)
        if told is None:
            return None
        known = find_known(predictions)
        # What is resampled are radiographs, so the place of each stands for its scores.
        places = np.cumsum(known).astype(np.float64) - 1
        macro_f1, macro_auroc, accuracy, *each = predictions.estimate(
            lambda _, at: _statistics(told.take(at.astype(np.intp))), known, places
        )
        per_class = {}
        for i, name in enumerate(THREE_CLASSES):
            f1, auroc, precision, recall = each[i::3]
            view = told.against_rest(i)
            called, support = view.tp + view.fp, view.tp + view.fn
            per_class[name] = OneClass(
                support, precision.as_share(called), recall.as_share(support), f1, auroc
            )
        n = len(told.truth)
        return cls(
            names=THREE_CLASSES,
            calibrated=predictions.etiology_calibrated,
            n=n,
            unknown=len(predictions.files) - n,
            accuracy=accuracy.as_share(n),
            macro_f1=macro_f1,
            macro_auroc=macro_auroc,
            confusion=tuple(map(tuple, told.confusion.tolist())),
            per_class=per_class,
        )


def _statistics(told: ClassPredictions) -> NDArray[np.float64]:
    """float64 (15,): mean F1, mean AUROC, accuracy; then F1, AUROC, precision, recall by class."""
    views = [told.against_rest(cls) for cls in range(3)]
    f1 = np.array([view.f1 for view in views])
    areas = np.array([auroc(told.truth == cls, told.probabilities[:, cls]) for cls in range(3)])
    # A class without films has no part in the averages.
    there, ranked = told.support > 0, ~np.isnan(areas)
    area = areas[ranked].mean() if ranked.any() else nan
    accuracy = float(np.mean(told.truth == told.called))
    shares = [view.precision for view in views] + [view.sensitivity for view in views]
    return np.array([f1[there].mean(), area, accuracy, *f1, *areas, *shares])
