"""A recipe that trains in a second, as a file; and how to change it."""

from pathlib import Path

RECIPE = """\
title = "A small network"
paper = "A. Author, 'A paper'"
reported = "accuracy 0.9 on 100 films"
differs = "nothing"
reported_on = "held-out"

[figures]
accuracy = 0.9
f1 = 0.875

[network]
architecture = "resnet18"
until = "layer1"

[preprocess]
size = 32
grid = 32

[split]
fraction = 0.12
test = 0.3
by = "film"
seed = 3

[loss]
name = "focal"

[optimiser]
name = "adam"
learning_rate = 1e-3
new_layer_rate = 1e-3
head_rate = 1e-3

[schedule]
name = "constant"

[training]
epochs = 2
batch_size = 25
precision = "float32"
"""


def write_recipe(folder: Path, name: str = "small", **replaced: str) -> Path:
    """``small.toml`` in ``folder``, with some texts of it replaced."""
    text = RECIPE
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path
