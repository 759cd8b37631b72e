"""``python -m train``: the same command as ``flask train``, without flask."""

from train.cli import train

train(prog_name="python -m train")
