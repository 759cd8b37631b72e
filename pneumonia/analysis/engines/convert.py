"""Converts a bundle's networks for OpenVINO, and writes PyTorch's answers beside them.

``python -m pneumonia.analysis.engines.convert BUNDLE FOLDER`` is a process of its own: PyTorch
takes 600 MB and some seconds, and whoever serves needs it only for this.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pneumonia.analysis.bundle import read_bundle
from pneumonia.analysis.engines.openvino_library import openvino
from pneumonia.analysis.engines.probe import classifier_images, lung_images
from pneumonia.analysis.engines.pytorch import as_tuple, load_classifier, load_lung_network
from pneumonia.analysis.lung_card import input_side
from pneumonia.networks.classifier import Reader


def convert(folder: Path, to: Path) -> None:
    """Write ``body``, ``reader`` and, where there is one, ``lungs`` into a folder.

    Each as OpenVINO's ``.xml`` and ``.bin``, and an ``.npz`` that holds drawn ``images`` and the
    ``answers`` of PyTorch (``answer0``, ...) to them.

    Raises
    ------
    NoModel, DamagedBundle
        When the bundle cannot be read.
    RuntimeError
        When OpenVINO cannot convert a network.
    """
    bundle = read_bundle(folder)
    classifier = load_classifier(bundle)
    films = torch.from_numpy(classifier_images(bundle.card.preprocess))
    (features,) = write("body", classifier.body, films, to)
    write("reader", Reader(classifier), features, to)
    if bundle.lungs:
        films = torch.from_numpy(lung_images(input_side(bundle.lungs)))
        write("lungs", load_lung_network(folder), films, to)


def write(
    name: str, network: nn.Module, images: torch.Tensor, to: Path
) -> tuple[torch.Tensor, ...]:
    """Convert one network, for one image at a time; PyTorch's answers to the images."""
    with torch.no_grad():
        answers = as_tuple(network(images))
        exported = torch.export.export(network, (images[:1],))
    model = openvino().convert_model(exported)
    model.reshape(list(images[:1].shape))
    openvino().save_model(model, to / f"{name}.xml", compress_to_fp16=False)
    arrays = {f"answer{i}": answer.numpy() for i, answer in enumerate(answers)}
    np.savez(to / f"{name}.npz", images=images.numpy(), **arrays)  # type: ignore[arg-type]
    return answers


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
