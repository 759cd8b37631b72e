"""Training steps of the recipe ``default`` beside torchvision's classification reference.

Both train the same network on the same films, each in a process of its own and as its users run
it, and take turns step by step: a turn is one batch read, augmented and learnt from.
"""

import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import cv2
import torch

from benchmarks import reference
from benchmarks.measure import THREADS, Lead, take_turns
from pneumonia.config import ROOT, Settings
from pneumonia.imaging.synthetic import synthetic_radiograph
from train.loop import run
from train.memory import keep_freed_memory
from train.recipes import recipe as recipes
from train.recipes.recipe import Recipe

FLOOR = 2.0
RADIOGRAPHS_OF_EACH = 64
SIDE = 224  # pixels, of the public data set's films as they lie there
REAL = ROOT.parent / "shared" / "data" / "kermany"
START_TIMEOUT_S = 300
Turn = Callable[[], None]  # a step is done: hand over, and come back when it is one's turn


class _Enough(BaseException):
    """No more turns. Not an Exception, so that the loop takes it for an interruption."""


def compare(settings: Settings, *, rounds: int = 12) -> Lead:
    """Time steps of both, alternately, with as many threads and no processes that read ahead.

    The films are real ones where ``../shared/data`` has them, and synthetic ones elsewhere.
    """
    recipe = _recipe()
    with tempfile.TemporaryDirectory() as temporary:
        radiographs = Path(temporary) / "films"
        kind = _lay_out(radiographs)
        ours = _Side.begin(_train_ours, radiographs, settings.models_dir / settings.model)
        theirs = _Side.begin(
            _train_reference, radiographs, recipe.network.architecture, recipe.training.batch_size
        )
        with ours as our_turn, theirs as their_turn:
            our_s, their_s = take_turns(our_turn, their_turn, rounds=rounds, warm_up=3)
    return Lead(
        f"train --recipe default, {kind}", our_s, "torchvision's reference loop", their_s,
        recipe.training.batch_size, FLOOR,
    )  # fmt: skip


def _recipe() -> Recipe:
    recipe = recipes.load("default")
    assert isinstance(recipe, Recipe)
    return recipe


def _lay_out(folder: Path) -> str:
    """Films as JPEGs of 224 pixels in train/NORMAL and train/PNEUMONIA. Returns their kind."""
    for label in ("NORMAL", "PNEUMONIA"):
        target = folder / "train" / label
        target.mkdir(parents=True)
        found = sorted((REAL / "train" / label).glob("*.jpeg"))
        # Evenly through the folder: neighbours are often the same patient.
        for radiograph in found[:: max(1, len(found) // RADIOGRAPHS_OF_EACH)][:RADIOGRAPHS_OF_EACH]:
            shutil.copy(radiograph, target)
        for seed in range(0 if found else RADIOGRAPHS_OF_EACH):
            drawn = synthetic_radiograph(seed, opacity=label == "PNEUMONIA", size=(SIDE, SIDE))
            cv2.imwrite(str(target / f"{label}-{seed}.jpeg"), drawn)
    return "real films" if found else "synthetic films"


# --- the two sides ----------------------------------------------------------------------------


class _Paced:
    """A reporter that is silent, and hands over after each batch of an epoch."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def line(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        del total
        yield (lambda _: self._turn()) if label.startswith("epoch") else (lambda _: None)


def _train_ours(turn: Turn, radiographs: Path, bundle: Path) -> None:
    """What ``flask train --recipe default`` does; from random weights, which costs the same."""
    keep_freed_memory()
    own = radiographs.parent
    options = run.Options(
        data=str(radiographs),
        out=str(own / "bundle"),
        init_weights="none",
        lungs=str(bundle),
        device="cpu",
    )
    run.start(_recipe(), options, own / "runs", _Paced(turn))


def _train_reference(turn: Turn, radiographs: Path, architecture: str, batch_size: int) -> None:
    reference.train(radiographs / "train", architecture, batch_size, turn)


# --- taking turns -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """A loop in a process of its own that moves only when it is told to."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    name: str

    @classmethod
    def begin(cls, loop: Callable[..., None], *arguments: object) -> Self:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_follow, args=(theirs, loop, arguments), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours, loop.__name__)

    def __enter__(self) -> Callable[[], None]:
        """Wait for the first step, which is not timed: it includes reading the films."""
        if not self.connection.poll(START_TIMEOUT_S):
            raise RuntimeError(f"{self.name} did not begin within {START_TIMEOUT_S} s.")
        self._hear()
        return self._take_turn

    def _take_turn(self) -> None:
        self.connection.send(True)
        self._hear()

    def _hear(self) -> None:
        try:
            self.connection.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(
                f"{self.name} ended with status {self.process.exitcode}; its error is above."
            ) from None

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.process.join(timeout=30)
        self.process.terminate()


def _follow(connection: Connection, loop: Callable[..., None], arguments: tuple[object]) -> None:
    torch.set_num_threads(THREADS)

    def turn() -> None:
        try:
            connection.send(True)
            connection.recv()
        except (EOFError, BrokenPipeError):
            raise _Enough from None

    try:
        loop(turn, *arguments)
    except _Enough:
        sys.exit(0)
