"""PyTorch: a bundle's networks as they were trained, which every other engine is held against."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pneumonia.analysis import lung_card
from pneumonia.analysis.bundle import WEIGHTS, Bundle
from pneumonia.analysis.card import damaged
from pneumonia.analysis.engines.engine import Arrays, Networks, Run
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.errors import DamagedBundle, UnknownArchitecture
from pneumonia.networks import weights
from pneumonia.networks.classifier import Classifier, Reader, build
from pneumonia.networks.lung_unet import FEATURES, LungUNet, fold_normalisation


class TorchEngine:
    """PyTorch in float32, on the CPU or a GPU. It refuses nothing.

    Parameters
    ----------
    threads
        CPU threads; 0: as many as PyTorch has now.
    """

    def __init__(self, device: str, threads: int = 0) -> None:
        self.name = f"PyTorch on {device}"
        self._device, self._threads = device, threads

    def load(self, bundle: Bundle) -> Networks:
        classifier = load_classifier(bundle)
        lungs = load_lung_network(bundle.folder) if bundle.lungs else None
        return Networks(
            self._place(classifier.body),
            self._place(Reader(classifier)),
            self._place(lungs) if lungs is not None else None,
            draft=None,
        )

    def _place(self, network: nn.Module) -> Run:
        return as_run(network, self._device, self._threads)


def as_run(network: nn.Module, device: str = "cpu", threads: int = 0) -> Run:
    """A network, moved to a device, as a function of arrays."""
    network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def run(images: Any) -> Arrays:
        with _threads(threads or torch.get_num_threads()):
            outputs = as_tuple(network(torch.from_numpy(images).to(device)))
            return tuple(output.float().cpu().numpy() for output in outputs)

    return run


def as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else outputs


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """So many CPU threads for PyTorch, for the length of the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_classifier(bundle: Bundle) -> Classifier:
    """A bundle's classifier in float32, for evaluation. Raises DamagedBundle."""
    try:
        with torch.device("meta"):  # no memory, and no random weights that are thrown away
            network = build(bundle.card.network)
        network.load_state_dict(_read_float32(bundle.folder / WEIGHTS), assign=True)
    except (weights.WeightsFileError, UnknownArchitecture, RuntimeError) as error:
        what = f"{WEIGHTS} does not fit: {error}"
        raise DamagedBundle(damaged(bundle.folder, what)) from None
    return network.eval()


def load_lung_network(folder: Path) -> LungUNet:
    """The lung network of a folder in float32, for evaluation. Raises DamagedBundle."""
    card = lung_card.read_lung_card(folder)
    try:
        with torch.device("meta"):
            network = LungUNet()
        network.load_state_dict(_read_float32(folder / lung_card.WEIGHTS), assign=True)
        found = len(lung_card.expectation(card).outlier_model.mean)
        if found != FEATURES:
            raise ValueError(f"outlier_model has {found} features, and the network {FEATURES}")
    except (OSError, ValueError, RuntimeError) as error:
        raise lung_card.damaged(folder, error) from None
    fold_normalisation(network.eval())
    return network


def load_segmenter(folder: Path, device: str = "cpu") -> LungSegmenter:
    """The lung network of a folder at work, for training and its commands. Raises DamagedBundle."""
    network = load_lung_network(folder)
    return LungSegmenter(as_run(network, device), lung_card.read_lung_card(folder))


def _read_float32(path: Path) -> dict[str, Tensor]:
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in weights.read(path).items()
    }
