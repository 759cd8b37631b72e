"""Where known initial weights come from, and under which licence, for the card."""

from dataclasses import dataclass

from train.initial import InitialWeights


@dataclass(frozen=True, slots=True)
class Provenance:
    name: str
    source: str
    licence: str


TORCHVISION = Provenance("ImageNet", "torchvision", "BSD-3-Clause")
SCRATCH = Provenance("none", "random initialisation", "none")

# By SHA-256 of the file: a name can be given to anything.
_WEIGHTS = {
    "c8829b8fdb1bcf233e8381a1161c7e3d4518a69bff3f06c56c7617e4ec0a79f7": Provenance(
        name="ImageNet, ResNet-50, conv1 to layer3",
        source="Keras Applications; He et al. 2016",
        licence="MIT",
    ),
}


def of_weights(loaded: InitialWeights) -> Provenance:
    if not loaded.layers:
        return SCRATCH
    if not loaded.sha256:
        return TORCHVISION
    unknown = Provenance(loaded.source, "a file of the trainer's", "not stated")
    return _WEIGHTS.get(loaded.sha256, unknown)
