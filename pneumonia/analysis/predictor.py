"""A batch of Radiographs -> Findings. Serving, the command line and evaluation all share it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis import gate
from pneumonia.analysis.bundle import Bundle, read_bundle
from pneumonia.analysis.calibration import Calibration, sigmoid
from pneumonia.analysis.card import Card
from pneumonia.analysis.draft import Draft
from pneumonia.analysis.engines.candidates import candidates, choose_device
from pneumonia.analysis.engines.engine import Engine, EngineRefusal, Networks
from pneumonia.analysis.engines.probe import classifier_images
from pneumonia.analysis.finding import (
    DEFAULT_OPERATING_POINT,
    ActivationMap,
    EtiologyFinding,
    Finding,
    ModelRef,
    OperatingPoint,
)
from pneumonia.analysis.gate import Examined
from pneumonia.analysis.lung_segmenter import LungSegmentation, LungSegmenter
from pneumonia.analysis.population_match import (
    find_contradictions,
    find_mismatches,
    find_population,
    match_population,
)
from pneumonia.errors import AnalysisFailed, DomainError
from pneumonia.imaging import preprocess
from pneumonia.imaging.radiograph import Radiograph

_log = logging.getLogger(__name__)


class Predictor:
    """A loaded bundle on an engine. Not for several threads at once: put a Batcher before it.

    Parameters
    ----------
    engines
        The first that gives PyTorch's answers runs the bundle's networks; the last refuses none.
    """

    def __init__(
        self,
        bundle: Bundle,
        engines: Iterable[Engine],
        operating_point: str = DEFAULT_OPERATING_POINT,
    ) -> None:
        self.card = bundle.card
        self.operating_point = self.card.choose(operating_point)
        self.engine, self._networks = _first(bundle, engines)
        self._draft = _draft(self.card, self._networks)
        self._segmenter: LungSegmenter | None = None
        if self._networks.lungs is not None:
            self._segmenter = LungSegmenter(self._networks.lungs, bundle.lungs or {})

    @property
    def model(self) -> ModelRef:
        return self.card.ref

    @classmethod
    def load(
        cls,
        folder: Path,
        device: str = "auto",
        threads: int = 0,
        operating_point: str = DEFAULT_OPERATING_POINT,
        population: str = "",
        *,
        engine: str = "auto",
        cache: Path | None = None,
    ) -> Self:
        """Load a bundle.

        Parameters
        ----------
        device
            ``"auto"`` (a GPU if there is one), ``"cpu"`` or ``"cuda"``.
        threads
            CPU threads of one forward pass; 0: one per core.
        operating_point
            Name of the card's operating point that decides.
        population
            By whose calibration all radiographs are read; empty: by each one's own.
        engine, cache
            See :func:`pneumonia.analysis.engines.candidates.candidates`.

        Raises
        ------
        NoModel, DamagedBundle
            See :func:`pneumonia.analysis.bundle.read_bundle`.
        BadSetting
            When a GPU is asked for and there is none, or an operating point or population that the
            card has not.
        """
        bundle = read_bundle(folder)
        if population:
            bundle = replace(bundle, card=bundle.card.of_population(population))
        if engine == "openvino" and device == "auto":
            device = "cpu"
        engines = candidates(engine, choose_device(device), threads, cache)
        return cls(bundle, engines, operating_point)

    def warm(self) -> None:
        """Run a blank film, then two, so that the first real ones find memory and kernels ready."""
        side = self.card.preprocess.grid
        blank = Radiograph(np.zeros((side, side), np.float32), "PNG", 8, (0, 0), "")
        for n in (1, 2):
            self.read(self.examine([blank] * n))

    def predict(self, radiographs: Sequence[Radiograph]) -> list[Finding | DomainError]:
        """What the application answers: the finding, or why there is none. Order is kept."""
        examined = self.examine(radiographs)
        findings = iter(
            self.read([radiograph for radiograph in examined if radiograph.refusal is None])
        )
        return [radiograph.refusal or _check_finite(next(findings)) for radiograph in examined]

    def examine(self, radiographs: Sequence[Radiograph]) -> list[Examined]:
        """The gate: the lung network, a small one, over all films at once. Order is kept."""
        squares = [
            preprocess.to_square(radiograph.pixels, self.card.preprocess.grid)
            for radiograph in radiographs
        ]
        if self._segmenter is None or not radiographs:
            return [
                Examined(
                    radiograph,
                    square,
                    None,
                    *gate.judge(
                        radiograph,
                        population=self.card.population,
                        notes=find_contradictions(self.card, radiograph.facts),
                    ),
                )
                for radiograph, square in zip(radiographs, squares, strict=True)
            ]
        return [
            self._examine(radiograph, square, segmentation)
            for radiograph, square, segmentation in zip(
                radiographs, squares, self._segmenter.segment(squares), strict=True
            )
        ]

    def _examine(
        self, radiograph: Radiograph, square: NDArray[np.float32], segmentation: LungSegmentation
    ) -> Examined:
        assert self._segmenter is not None
        inverted = gate.is_inverted(segmentation)
        if inverted:
            radiograph, square = radiograph.inverted_greys(), np.float32(1) - square
            segmentation = self._segmenter.segment([square])[0]
        turns, upright = gate.find_turns(segmentation), segmentation
        if turns:
            upright = self._segmenter.segment([np.ascontiguousarray(np.rot90(square, -turns))])[0]
        quality, refusal = gate.judge(
            radiograph,
            upright,
            self._segmenter.expected,
            self.card.population,
            notes=find_contradictions(self.card, radiograph.facts),
            inverted=inverted,
            turns=turns,
        )
        return Examined(radiograph, square, segmentation.lungs, quality, refusal)

    def read(self, examined: Sequence[Examined]) -> list[Finding]:
        """One forward pass over all films, refused or not; the map comes from the same pass."""
        if not examined:
            return []
        inputs, geometries = zip(
            *(
                preprocess.apply_to_square(
                    e.square,
                    (e.radiograph.width, e.radiograph.height),
                    self.card.preprocess,
                    e.lungs,
                )
                for e in examined
            ),
            strict=True,
        )
        features = self._features(np.stack(inputs), examined)
        logits, maps, *viral = self._networks.reader(features)
        return [
            self._finding(
                radiograph,
                float(logits[i]),
                float(viral[0][i]) if viral else None,
                ActivationMap(maps[i], self.card.map_full_scale, geometries[i]),
            )
            for i, radiograph in enumerate(examined)
        ]

    def _features(
        self, x: NDArray[np.float32], examined: Sequence[Examined]
    ) -> NDArray[np.float32]:
        """The last feature map: of the draft, or exact where the draft leaves the label open."""
        if self._draft is None:
            return self._networks.body(x)[0]
        (features,) = self._draft.body(x)
        logits = self._networks.reader(features)[0]
        open_ = [i for i, e in enumerate(examined) if self._is_open(e, float(logits[i]))]
        if open_:
            features[open_] = self._networks.body(x[open_])[0]
        return features

    def _is_open(self, radiograph: Examined, logit: float) -> bool:
        """Whether an exact pass could give another label than the draft's logit."""
        assert self._draft is not None
        calibration, point = self._decides(radiograph)
        low, high = (
            point.label(calibration.probability(logit + change))
            for change in (-self._draft.margin, self._draft.margin)
        )
        return low is not high

    def _decides(self, radiograph: Examined) -> tuple[Calibration, OperatingPoint]:
        population = find_population(self.card, radiograph.radiograph.facts)
        calibration = self.card.calibration_of(population)
        return calibration, calibration.operating_points[self.operating_point.name]

    def _etiology(self, viral: float | None) -> EtiologyFinding | None:
        fitted = self.card.etiology
        if fitted is None or viral is None:
            return None
        return EtiologyFinding.of(sigmoid((viral + fitted.bias) / fitted.temperature))

    def _finding(
        self, radiograph: Examined, logit: float, viral: float | None, activation: ActivationMap
    ) -> Finding:
        facts = radiograph.radiograph.facts
        calibration, point = self._decides(radiograph)
        probability = calibration.probability(logit)
        return Finding(
            label=point.label(probability),
            probability=probability,
            logit=logit,
            operating_point=point,
            model=self.model,
            quality=radiograph.quality,
            activation=activation,
            outline=radiograph.lungs.outline() if radiograph.lungs is not None else (),
            etiology=self._etiology(viral),
            population=find_population(self.card, facts),
            population_match=match_population(self.card, facts),
            mismatches=find_mismatches(self.card, facts),
            viral_logit=viral,
        )


def _first(bundle: Bundle, engines: Iterable[Engine]) -> tuple[Engine, Networks]:
    """The first engine that does not refuse, and the networks on it.

    Logit and map come from the same features, in float32, whatever made these.
    """
    for engine in engines:
        try:
            return engine, engine.load(bundle)
        except EngineRefusal as error:
            _log.warning("%s does not run model %s: %s", engine.name, bundle.card.id, error)
    raise AssertionError("the last engine refuses nothing")


def _draft(card: Card, networks: Networks) -> Draft | None:
    """There is one where the engine offers it, and pneumonia is all that is told."""
    if networks.draft is None or card.etiology is not None:
        return None
    return Draft.of(networks.draft, networks, classifier_images(card.preprocess))


def _check_finite(finding: Finding) -> Finding | AnalysisFailed:
    if finding.is_finite:
        return finding
    return AnalysisFailed(
        "The network's answer to this image is not a number, and nothing is said of it. Export "
        "the image again; if it stays so, tell whoever runs this server."
    )
