"""What the map costs beside the forward pass it is taken from."""

import torch

from benchmarks.measure import THREADS, Comparison, alternate
from pneumonia.analysis.bundle import read_bundle
from pneumonia.analysis.engines.pytorch import load_classifier
from pneumonia.config import Settings

LIMIT = 0.03


def compare(settings: Settings, *, rounds: int = 40) -> Comparison:
    """Time the bundle's network on one film of its own input size, with and beside its map.

    Raises
    ------
    NoModel, DamagedBundle
    """
    loaded = read_bundle(settings.models_dir / settings.model)
    card, network = loaded.card, load_classifier(loaded)
    torch.set_num_threads(THREADS)
    size = card.preprocess.size
    radiograph = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    radiograph = radiograph.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        features = network.forward_features(radiograph)
        map_s, forward_s = alternate(
            lambda: network.map(features),
            lambda: network(radiograph),
            rounds=rounds,
            warm_up=5,
        )
    return Comparison("map, from the features", map_s, "forward pass", forward_s, LIMIT)
