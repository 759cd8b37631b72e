"""One name, one architecture. A new entry gets every shared test without touching a test."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from pneumonia.errors import UnknownArchitecture


@dataclass(frozen=True, slots=True)
class Backbone:
    """An architecture without its classifier.

    Attributes
    ----------
    body
        The layers in order; children carry torchvision's names, so that its weights load by name.
        The last one gives the feature map of the class activation map.
    channels
        Channels of that feature map.
    cells
        None where the feature map is averaged over its cells. (height, width) where it is
        flattened: it then has exactly these cells at every input size, because the body ends in an
        ``AdaptiveAvgPool2d`` named ``avgpool``.
    dense
        The architecture's own dense layers before its last one: linear, ReLU, dropout.
    """

    body: nn.Sequential
    channels: int
    cells: tuple[int, int] | None = None
    dense: nn.Sequential = field(default_factory=nn.Sequential)


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered architecture.

    ``imagenet`` names torchvision's weights (``"ResNet50_Weights.IMAGENET1K_V2"``) and
    ``imagenet_architecture`` the entry they were trained in, where that is another one.
    """

    name: str
    make: Callable[[], Backbone]
    imagenet: str | None
    imagenet_architecture: str


_ENTRIES: dict[str, Entry] = {}


def register(
    name: str, *, imagenet: str | None = None, imagenet_architecture: str | None = None
) -> Callable[[Callable[[], Backbone]], Callable[[], Backbone]]:
    """Decorate a function without arguments that makes a Backbone with random weights.

    Raises
    ------
    ValueError
        When the name is taken.
    """

    def add(make: Callable[[], Backbone]) -> Callable[[], Backbone]:
        if name in _ENTRIES:
            raise ValueError(f"the architecture {name!r} is registered twice")
        _ENTRIES[name] = Entry(name, make, imagenet, imagenet_architecture or name)
        return make

    return add


def names() -> tuple[str, ...]:
    return tuple(sorted(_ENTRIES))


def entry(name: str) -> Entry:
    """Raises UnknownArchitecture, naming those that are known."""
    try:
        return _ENTRIES[name]
    except KeyError:
        raise UnknownArchitecture(
            f"There is no architecture {name!r}. Known: {', '.join(names())}."
        ) from None
