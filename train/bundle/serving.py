"""A trained network over the validation films, plain and perturbed, just as it will serve."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import PreprocessSpec, apply_to_square, to_square
from pneumonia.networks.classifier import Classifier
from pneumonia.networks.outputs import pneumonia_logit
from train import perturbations
from train.data.manifest import Row
from train.reporter import Reporter

_TOGETHER = 32
# A negative is inverted back by the gate before anything reads it, and covered lungs leave
# nothing to read: neither says where a threshold belongs.
_UNTOLD = ("inversion", "lungs blacked out", "only the lungs")
PERTURBATIONS = {
    name: perturb
    for name, perturb in (perturbations.ROBUSTNESS | perturbations.SHORTCUTS).items()
    if name not in _UNTOLD
}


class Server:
    """Squares -> outputs and maps, in float32, with the lungs found anew on each."""

    def __init__(
        self, network: Classifier, segmenter: LungSegmenter | None, spec: PreprocessSpec
    ) -> None:
        self._network, self._spec = network.eval(), spec
        self._device = next(network.parameters()).device
        self._segmenter = segmenter

    @torch.inference_mode()
    def __call__(
        self, squares: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """(n, K) outputs and (n, h, w) maps."""
        lungs: list[Lungs | None] = [None] * len(squares)
        if self._segmenter is not None:
            lungs = [segmentation.lungs for segmentation in self._segmenter.segment(squares)]
        inputs = [
            apply_to_square(square, square.shape, self._spec, each)[0]
            for square, each in zip(squares, lungs, strict=True)
        ]
        x = torch.from_numpy(np.stack(inputs)).to(self._device, memory_format=torch.channels_last)
        outputs, maps = self._network.forward_with_map(x)
        return outputs.double().cpu().numpy(), maps.float().cpu().numpy()


def serve(
    server: Server, squares: NDArray[np.float32], label: str, reporter: Reporter
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """(n, K) outputs and (n, h, w) maps of (n, S, S) squares."""
    found = []
    with reporter.bar(label, len(squares)) as advance:
        for start in range(0, len(squares), _TOGETHER):
            batch = [np.array(square) for square in squares[start : start + _TOGETHER]]
            found.append(server(batch))
            advance(len(batch))
    outputs, maps = zip(*found, strict=True)
    return np.concatenate(outputs), np.concatenate(maps)


def serve_perturbed(
    server: Server, rows: Sequence[Row], squares: NDArray[np.float32], reporter: Reporter
) -> NDArray[np.float64]:
    """(k, n) pneumonia logits of the same films under each of the k :data:`PERTURBATIONS`."""
    side = squares.shape[1]
    logits = np.zeros((len(PERTURBATIONS), len(rows)))
    with reporter.bar("altered films", logits.size) as advance:
        for k, (name, perturb) in enumerate(PERTURBATIONS.items()):
            for start in range(0, len(rows), _TOGETHER):
                some = slice(start, start + _TOGETHER)
                batch = [
                    to_square(
                        perturb(np.array(square), None, perturbations.generator(row.file, name)),
                        side,
                    )
                    for row, square in zip(rows[some], squares[some], strict=True)
                ]
                logits[k, some] = pneumonia_logit(torch.from_numpy(server(batch)[0])).numpy()
                advance(len(batch))
    return logits
