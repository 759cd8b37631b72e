"""Where known data and initial weights come from, and under which licence, for the card."""

from collections.abc import Sequence
from dataclasses import dataclass

from train.data.manifest import Row, follows_public_naming
from train.initial import InitialWeights


@dataclass(frozen=True, slots=True)
class Provenance:
    name: str
    source: str
    licence: str
    population: str = ""


KERMANY = Provenance(
    name="Kermany et al. 2018, paediatric chest X-rays (1 to 5 years), Guangzhou",
    source="Kermany, Zhang, Goldbaum 2018, Mendeley Data, doi:10.17632/rscbjbr9sj",
    licence="CC BY 4.0",
    population="children of 1 to 5 years from one hospital (Guangzhou)",
)
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


def of_radiographs(rows: Sequence[Row]) -> Provenance:
    """The public data set when the files are named as its are; otherwise, that it is not known."""
    if sum(follows_public_naming(row.path.name) for row in rows) >= 0.95 * len(rows):
        return KERMANY
    return Provenance("own films", "not stated", "not stated", "a population that is not stated")


def of_weights(loaded: InitialWeights) -> Provenance:
    if not loaded.layers:
        return SCRATCH
    if not loaded.sha256:
        return TORCHVISION
    unknown = Provenance(loaded.source, "a file of the trainer's", "not stated")
    return _WEIGHTS.get(loaded.sha256, unknown)
