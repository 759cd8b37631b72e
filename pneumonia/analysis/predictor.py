"""A batch of Radiographs -> Findings. Serving, the command line and evaluation all share it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from pneumonia.analysis import gate
from pneumonia.analysis.bundle import Bundle, load_bundle
from pneumonia.analysis.calibration import sigmoid
from pneumonia.analysis.finding import (
    DEFAULT_OPERATING_POINT,
    ActivationMap,
    EtiologyFinding,
    Finding,
    ModelRef,
)
from pneumonia.analysis.gate import Examined
from pneumonia.analysis.lung_segmenter import LungSegmentation
from pneumonia.analysis.population_match import (
    find_contradictions,
    find_mismatches,
    find_population,
    match_population,
)
from pneumonia.errors import AnalysisFailed, BadSetting, DomainError
from pneumonia.imaging import preprocess
from pneumonia.imaging.radiograph import Radiograph
from pneumonia.networks.outputs import pneumonia_logit, viral_logit


class Predictor:
    """A loaded bundle on a device. Not for several threads at once: put a Batcher before it."""

    def __init__(
        self,
        bundle: Bundle,
        device: str,
        operating_point: str = DEFAULT_OPERATING_POINT,
    ) -> None:
        self.card = bundle.card
        self.operating_point = self.card.choose(operating_point)
        self.device = device
        self._network = bundle.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._segmenter = bundle.lungs.to(device) if bundle.lungs is not None else None

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
    ) -> Self:
        """Load a bundle.

        Parameters
        ----------
        device
            ``"auto"`` (a GPU if there is one), ``"cpu"`` or ``"cuda"``.
        threads
            CPU threads of one forward pass; 0 leaves torch's own choice, one per core.
        operating_point
            Name of the card's operating point that decides.
        population
            By whose calibration all radiographs are read; empty: by each one's own.

        Raises
        ------
        NoModel, DamagedBundle
            See :func:`pneumonia.analysis.bundle.load_bundle`.
        BadSetting
            When a GPU is asked for and there is none, or an operating point or population that the
            card has not.
        """
        if threads:
            torch.set_num_threads(threads)
        bundle = load_bundle(folder)
        if population:
            bundle = replace(bundle, card=bundle.card.of_population(population))
        return cls(bundle, choose_device(device), operating_point)

    def warm(self) -> None:
        """Run one blank film, so that the first real one finds memory and kernels ready."""
        side = self.card.preprocess.grid
        self.read(
            self.examine([Radiograph(np.zeros((side, side), np.float32), "PNG", 8, (0, 0), "")])
        )

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
        quality, refusal = gate.judge(
            radiograph,
            segmentation,
            self._segmenter.expected,
            self.card.population,
            notes=find_contradictions(self.card, radiograph.facts),
            inverted=inverted,
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
        x = torch.from_numpy(np.stack(inputs)).to(self.device, memory_format=torch.channels_last)
        with torch.inference_mode():
            outputs, maps = self._network.forward_with_map(x)
        return [
            self._finding(
                radiograph, logit, viral, ActivationMap(values, self.card.map_full_scale, geometry)
            )
            for radiograph, logit, viral, values, geometry in zip(
                examined,
                pneumonia_logit(outputs).tolist(),
                viral_logit(outputs).tolist() if outputs.shape[1] == 3 else [None] * len(outputs),
                maps.cpu().numpy(),
                geometries,
                strict=True,
            )
        ]

    def _etiology(self, viral: float | None) -> EtiologyFinding | None:
        fitted = self.card.etiology
        if fitted is None or viral is None:
            return None
        return EtiologyFinding.of(sigmoid((viral + fitted.bias) / fitted.temperature))

    def _finding(
        self, radiograph: Examined, logit: float, viral: float | None, activation: ActivationMap
    ) -> Finding:
        facts = radiograph.radiograph.facts
        population = find_population(self.card, facts)
        calibration = self.card.calibration_of(population)
        probability = calibration.probability(logit)
        point = calibration.operating_points[self.operating_point.name]
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
            population=population,
            population_match=match_population(self.card, facts),
            mismatches=find_mismatches(self.card, facts),
            viral_logit=viral,
        )


def _check_finite(finding: Finding) -> Finding | AnalysisFailed:
    if finding.is_finite:
        return finding
    return AnalysisFailed(
        "The network's answer to this image is not a number, and nothing is said of it. Export "
        "the image again; if it stays so, tell whoever runs this server."
    )


def choose_device(wanted: str) -> str:
    """``"auto"`` becomes ``"cuda"`` or ``"cpu"``. Raises BadSetting for a GPU that is not there."""
    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise BadSetting(
            "The device cuda was asked for, but torch finds no usable GPU here. "
            "Choose auto or cpu, or install a driver and a CUDA build of torch."
        )
    return "cuda" if present and wanted != "cpu" else "cpu"
