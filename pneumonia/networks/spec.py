"""What a classifier is built from, without the library that builds it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What is needed to build a network again; the card carries it.

    Attributes
    ----------
    architecture
        A name in the registry.
    hidden
        Widths of the dense layers (each with ReLU) between pooling and the outputs.
    dropout
        Probability, before the last linear layer.
    outputs
        1: the logit of pneumonia. 2: normal, pneumonia. 3: normal, bacterial, viral.
    until
        Name of the last layer of the body that is kept; all of them when empty. The features of a
        cut body are averaged over their cells, and the architecture's own dense layers left out.
    """

    architecture: str
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    outputs: int = 1
    until: str = ""
