"""Three classes, normal, bacterial and viral: how well each is told from the other two.

Only films whose class is known count: a pneumonia of unknown cause is in none of these figures. A
film's predicted class is the likeliest of the three probabilities, whatever the operating point;
where bacterial and viral could not be calibrated apart, they share a pneumonia as the network's own
softmax says. Precision, recall, F1 and their macro averages are those of scikit-learn's
``classification_report``, and one class against the rest has the AUROC of its own probability.
"""

from dataclasses import dataclass
from math import nan
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import THREE_CLASSES
from train.evaluate.evaluation import Evaluation
from train.evaluate.rates import as_share, measure_rates
from train.metrics import Confusion, auroc

CLASSES = THREE_CLASSES


@dataclass(frozen=True, eq=False, slots=True)
class Told:
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
    def of(cls, evaluation: Evaluation) -> Self | None:
        """None for a model of two classes, or where no film's cause is known to be either."""
        probabilities, known = evaluation.class_probabilities, find_known(evaluation)
        causes = {evaluation.etiologies[i] for i in np.flatnonzero(known)}
        if probabilities is None or not causes & {"bacterial", "viral"}:
            return None
        truth = [CLASSES.index(evaluation.etiologies[i]) for i in np.flatnonzero(known)]
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

    def take(self, radiographs: NDArray[np.intp]) -> "Told":
        return Told(self.truth[radiographs], self.probabilities[radiographs])


def find_known(evaluation: Evaluation) -> NDArray[np.bool_]:
    """bool (n,): films that are normal, or whose cause is bacterial or viral."""
    if not evaluation.etiologies:
        return np.zeros(len(evaluation.files), np.bool_)
    return np.isin(evaluation.etiologies, CLASSES)


def measure(evaluation: Evaluation) -> dict[str, Any] | None:
    """Figures of the three classes with their 95 % intervals, for ``metrics.json``.

    Returns
    -------
    ``calibrated`` (whether bacterial and viral could be, apart), ``n`` and ``unknown`` (films
    counted, and left out because their cause is not known), ``accuracy``, ``macro_f1``,
    ``macro_auroc``, ``confusion`` (rows true, columns called, in the order of ``names``), and
    under ``per_class`` each class's ``support``, ``precision``, ``recall``, ``f1`` and ``auroc``.
    None where there is nothing to measure, see :meth:`Told.of`.
    """
    told = Told.of(evaluation)
    if told is None:
        return None
    known = find_known(evaluation)
    # What is resampled are films, so the place of each stands for its scores.
    places = np.cumsum(known).astype(np.float64) - 1
    macro_f1, macro_auroc, accuracy, *each = measure_rates(
        evaluation, lambda _, at: _statistics(told.take(at.astype(np.intp))), known, places
    )
    views = [told.against_rest(cls) for cls in range(3)]
    n = len(told.truth)
    return {
        "names": list(CLASSES),
        "calibrated": evaluation.viral_calibrated,
        "n": n,
        "unknown": len(evaluation.files) - n,
        "accuracy": as_share(accuracy, n),
        "macro_f1": macro_f1,
        "macro_auroc": macro_auroc,
        "confusion": told.confusion.tolist(),
        "per_class": {
            name: {
                "support": view.tp + view.fn,
                "precision": as_share(precision, view.tp + view.fp),
                "recall": as_share(recall, view.tp + view.fn),
                "f1": f1,
                "auroc": area,
            }
            for name, view, f1, area, precision, recall in zip(
                CLASSES, views, each[:3], each[3:6], each[6:9], each[9:], strict=True
            )
        },
    }


def _statistics(told: Told) -> NDArray[np.float64]:
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
