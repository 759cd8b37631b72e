"""torchvision's classification reference, written anew from its description, for comparison.

Source: pytorch/vision, ``references/classification`` (BSD-3-Clause): ``train.py`` with its default
options and the training preset of ``presets.py``. What differs: the network is the one it is
compared with, no process reads ahead, the meters keep no window, and the top-5 accuracy counts
over as many classes as there are.
"""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode, transforms

from pneumonia.networks.classifier import build
from pneumonia.networks.spec import NetworkSpec

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE = 224  # pixels


def train(folder: Path, architecture: str, batch_size: int, after_step: Callable[[], None]) -> None:
    """Train without end, in float32 with torch's own memory layout.

    Parameters
    ----------
    folder
        With one folder of films per class.
    architecture
        Of our registry: averaged features and a linear layer, one output per class.
    """
    radiographs = ImageFolder(str(folder), _preset())
    loader = DataLoader(radiographs, batch_size, sampler=RandomSampler(radiographs), drop_last=True)
    classes = len(radiographs.classes)
    network = build(NetworkSpec(architecture, outputs=classes))
    criterion = nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    network.train()
    meters: list[tuple[float, ...]] = []
    for _epoch in count():
        for image, target in loader:
            output = network(image)
            loss = criterion(output, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            accuracies = _accuracy(output, target, (1, min(5, classes)))
            meters.append((loss.item(), *accuracies))
            after_step()


def _preset() -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(
                _SIDE, interpolation=InterpolationMode.BILINEAR, antialias=True
            ),
            transforms.RandomHorizontalFlip(0.5),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize(mean=_MEAN, std=_STD),
        ]
    )


@torch.no_grad()
def _accuracy(output: Tensor, target: Tensor, ranks: tuple[int, ...]) -> list[float]:
    """Share of films whose class is among the k most probable, for each k."""
    told = output.topk(max(ranks), dim=1).indices == target[:, None]
    return [told[:, :k].any(dim=1).float().mean().item() for k in ranks]
